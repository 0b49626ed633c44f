"""Target 4, first half: resident memory of a connection that is authenticated, attached and idle."""

from __future__ import annotations

import time

from bench.figures import Figure, at_most, ratios
from bench.ground import Gateway, Ground, account_names
from bench.scale import Scale
from bench.usage import resident_bytes

CONNECTIONS = 10_000
SETTLE_SECONDS = 1.0  # until connection state has gone to Redis


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """Growth of VmRSS over ten thousand connections of a fresh process, by connection."""
    connections = scale.count(CONNECTIONS)
    ours: list[float] = []
    plain: list[float] = []
    for _ in scale.runs("memory"):
        ours.append(_kilobytes(ground, ground.lastmile(), connections))
        plain.append(_kilobytes(ground, ground.plain(), connections))
    return [
        Figure(4, "resident memory of an idle connection", "KB", ours, at_most(5)),
        Figure(0, "resident memory of an idle connection, of the plain gateway's", "", ratios(ours, plain)),
        Figure(0, "resident memory of an idle connection: plain gateway", "KB", plain),
    ]


def _kilobytes(ground: Ground, gateway: Gateway, connections: int) -> float:
    crowd = ground.crowd(gateway, account_names(connections))
    before = resident_bytes(gateway.process.pid)
    crowd.open(connections)
    time.sleep(SETTLE_SECONDS)
    grown = resident_bytes(gateway.process.pid) - before
    crowd.close()
    ground.end(gateway)
    return grown / connections / 1024
