"""
Target 2: records for thousands of accounts, one client each, at full speed.

Records are written while the gateway is stopped, then it is let go: it is never short of records, and the producer does
not take part in what is measured.
"""

from __future__ import annotations

import signal

from bench.crowd import Crowd
from bench.figures import Figure, at_most, ratios
from bench.ground import Gateway, Ground, account_names
from bench.load import write_all
from bench.scale import Scale
from bench.usage import cpu_seconds

ACCOUNTS = 5000
RECORDS = 100_000
WAIT_SECONDS = 60.0


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """CPU of a message, of the plain gateway's."""
    accounts = account_names(ACCOUNTS)
    gateways: list[Gateway] = [ground.lastmile(), ground.plain()]
    crowds = [ground.crowd(gateway, accounts) for gateway in gateways]
    for crowd in crowds:
        crowd.open(ACCOUNTS)
    costs: dict[str, list[float]] = {gateway.name: [] for gateway in gateways}
    for _ in scale.runs("unicast"):
        for gateway, crowd in zip(gateways, crowds, strict=True):
            costs[gateway.name].append(_message_cpu_us(ground, gateway, crowd, accounts, scale.count(RECORDS)))
    return [
        Figure(
            2,
            "unicast to 5,000 accounts at full speed, CPU of a message, of the plain gateway's",
            "",
            ratios(costs["lastmile"], costs["plain"]),
            at_most(0.5),
        ),
        Figure(2, "unicast at full speed, CPU of a message", "µs", costs["lastmile"], at_most(25)),
        Figure(0, "unicast at full speed, CPU of a message: plain gateway", "µs", costs["plain"]),
    ]


def _message_cpu_us(ground: Ground, gateway: Gateway, crowd: Crowd, accounts: list[str], records: int) -> float:
    process = gateway.process
    crowd.reset()
    process.send(signal.SIGSTOP)
    try:
        write_all(ground.records, gateway.topic, accounts, records)
    finally:
        process.send(signal.SIGCONT)
    before = cpu_seconds(process.pid)
    crowd.wait(records, WAIT_SECONDS)
    return (cpu_seconds(process.pid) - before) / records * 1e6
