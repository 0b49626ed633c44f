"""Target 5: connections that are opened, authenticated by token and attached to one channel, by CPU second."""

from __future__ import annotations

import time

from bench.figures import Figure, at_least, ratios
from bench.ground import Gateway, Ground, account_names
from bench.scale import Scale
from bench.usage import cpu_seconds

CONNECTIONS = 5000
SETTLE_SECONDS = 0.5  # connection state goes to Redis in this time, and belongs to the cost


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """Handshakes per CPU second, and the plain gateway's beside it."""
    connections = scale.count(CONNECTIONS)
    gateways: list[Gateway] = [ground.lastmile(), ground.plain()]
    rates: dict[str, list[float]] = {gateway.name: [] for gateway in gateways}
    for _ in scale.runs("handshakes"):
        for gateway in gateways:
            rates[gateway.name].append(_per_cpu_second(ground, gateway, connections))
    return [
        Figure(5, "handshakes with a token and one ATTACH, per CPU second", "", rates["lastmile"], at_least(6000)),
        Figure(0, "handshakes per CPU second, of the plain gateway's", "", ratios(rates["lastmile"], rates["plain"])),
        Figure(0, "handshakes per CPU second: plain gateway", "", rates["plain"]),
    ]


def _per_cpu_second(ground: Ground, gateway: Gateway, connections: int) -> float:
    crowd = ground.crowd(gateway, account_names(connections))
    before = cpu_seconds(gateway.process.pid)
    crowd.open(connections)
    time.sleep(SETTLE_SECONDS)
    used = cpu_seconds(gateway.process.pid) - before
    crowd.close_all()
    time.sleep(SETTLE_SECONDS)
    crowd.close()
    return connections / used
