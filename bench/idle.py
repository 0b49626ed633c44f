"""
Targets 7 and 8: ten thousand connections that are only kept alive, and with joins and leaves among them, for a short
while (`measure`) and for ten minutes (`measure_churn`).

The loop's pauses are the gateway's own (lastmile_loop_delay_seconds), as the bound of the bucket that holds p99.9; a busy
machine adds to them what it does elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench.crowd import Crowd
from bench.figures import Figure, at_most
from bench.ground import Ground, Lastmile, account_names
from bench.scale import Scale
from bench.usage import cpu_seconds, resident_bytes

CONNECTIONS = 10_000
IDLE_SECONDS = 24.0  # two heartbeats of each connection
JOINS_PER_SECOND = 200
CHURN_SECONDS = 20.0
GROUP = 20  # joins at once, ten times a second
CHURN_MINUTES = 10
MINUTE_SECONDS = 60
BUCKET = 'lastmile_loop_delay_seconds_bucket{le="'


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """Share of a core while idle; pauses and growth while others come and go."""
    gateway = ground.lastmile()
    connections = scale.count(CONNECTIONS)
    ground.crowd(gateway, account_names(connections)).open(connections)
    joins = int(scale.seconds(CHURN_SECONDS) * JOINS_PER_SECOND)
    time.sleep(scale.seconds(IDLE_SECONDS / 2))  # what the handshakes left to do is done
    idle: list[float] = []
    pauses: list[float] = []
    growth: list[float] = []
    for _ in scale.runs("idle"):
        idle.append(_idle_share(gateway, scale.seconds(IDLE_SECONDS)))
        crowd = ground.crowd(gateway, account_names(joins))
        before, resident = _buckets(gateway), resident_bytes(gateway.process.pid)
        _come_and_go(crowd, joins)
        pauses.append(_quantile_ms(before, _buckets(gateway), 0.999))
        growth.append((resident_bytes(gateway.process.pid) - resident) / 2**20)
        crowd.close()
    return [
        Figure(7, f"{connections:,} idle connections with heartbeats, share of a core", "%", idle, at_most(3)),
        Figure(
            8,
            f"loop pauses p99.9, {JOINS_PER_SECOND} joins and leaves a second among them, at most",
            "ms",
            pauses,
            at_most(20),
        ),
        Figure(0, f"growth of resident memory over {joins:,} joins and leaves", "MiB", growth),
    ]


def measure_churn(ground: Ground, scale: Scale) -> list[Figure]:
    """Pauses, and memory in the last minute of that in the first, while others come and go all the time."""
    gateway = ground.lastmile()
    connections, minutes = scale.count(CONNECTIONS), max(2, scale.count(CHURN_MINUTES))
    ground.crowd(gateway, account_names(connections)).open(connections)
    joins = JOINS_PER_SECOND * MINUTE_SECONDS
    before, resident = _buckets(gateway), []
    for _ in Scale(repetitions=minutes, share=1.0).runs("churn, by the minute"):
        crowd = ground.crowd(gateway, account_names(joins))
        _come_and_go(crowd, joins)
        crowd.close()
        resident.append(resident_bytes(gateway.process.pid))
    after = _buckets(gateway)
    who = f"{connections:,} connections, {JOINS_PER_SECOND} joins and leaves a second for {minutes} minutes"
    return [
        Figure(8, f"{who}: loop pauses p99.9, at most", "ms", [_quantile_ms(before, after, 0.999)], at_most(20)),
        Figure(0, f"{who}: the longest pause, at most", "ms", [_quantile_ms(before, after, 1)]),
        Figure(8, f"{who}: memory at the end, of that after a minute", "", [resident[-1] / resident[0]], at_most(1.05)),
        Figure(0, f"{who}: memory at the end", "MiB", [resident[-1] / 2**20]),
    ]


def _idle_share(gateway: Lastmile, seconds: float) -> float:
    before, began_at = cpu_seconds(gateway.process.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(gateway.process.pid) - before) / (time.monotonic() - began_at) * 100


def _come_and_go(crowd: Crowd, joins: int) -> None:
    began_at = time.monotonic()
    for joined in range(0, joins - GROUP + 1, GROUP):
        wait_seconds = began_at + joined / JOINS_PER_SECOND - time.monotonic()
        if wait_seconds > 0:
            time.sleep(wait_seconds)  # the pace
        crowd.open(GROUP)
        crowd.close_all()


def _buckets(gateway: Lastmile) -> Mapping[float, float]:
    """How often the loop was late by at most so many seconds."""
    metrics = gateway.edge.metrics()
    return {float(name[len(BUCKET) : -2]): count for name, count in metrics.items() if name.startswith(BUCKET)}


def _quantile_ms(before: Mapping[float, float], after: Mapping[float, float], share: float) -> float:
    """The bound of the bucket in which the quantile lies."""
    counts = {bound: after[bound] - before[bound] for bound in after}
    wanted = share * max(counts.values())
    return next(bound for bound in sorted(counts) if counts[bound] >= wanted) * 1000
