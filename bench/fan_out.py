"""
Target 1: one message to a thousand sockets.

    single   a record every interval: one frame a socket, one system call each
    burst    ten records of one channel at once: joined into one write a socket

The next record is written when all have the last one, so that nothing is joined but what was meant to be, however busy
the machine is. Beside it, in turn: the C floor, which sends frames of the same length at the same pace, one call each.
What is compared is the CPU of a frame, so the gateway's includes Kafka's fetches.
"""

from __future__ import annotations

import time

from bench.crowd import Crowd
from bench.figures import Figure, at_least, ratios
from bench.floor import SendFloor
from bench.ground import Gateway, Ground
from bench.load import record_of
from bench.scale import Scale
from bench.usage import cpu_seconds

SOCKETS = 1000
INTERVAL_SECONDS = 0.04
BURST = 10
ACCOUNT = "1001"
WAIT_SECONDS = 60.0


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """CPU of a frame: the floor's over the gateway's."""
    gateways: list[Gateway] = [ground.lastmile(), ground.plain()]
    crowds = [ground.crowd(gateway, [ACCOUNT] * SOCKETS) for gateway in gateways]
    for crowd in crowds:
        crowd.open(SOCKETS)
    pairs = list(zip(gateways, crowds, strict=True))
    costs: dict[str, list[float]] = {name: [] for name in ("floor", "lastmile", "lastmile burst", "plain")}
    rounds = scale.count(100)
    with SendFloor(SOCKETS) as floor:
        for _ in scale.runs("fan-out"):
            for gateway, crowd in pairs:
                costs[gateway.name].append(_frame_cpu_us(ground, gateway, crowd, rounds, burst=1))
            frame_bytes = crowds[0].report().frame_bytes
            costs["floor"].append(floor.cpu_microseconds(rounds, INTERVAL_SECONDS, frame_bytes))
            costs["lastmile burst"].append(_frame_cpu_us(ground, *pairs[0], rounds, burst=BURST))
    single, burst = ratios(costs["floor"], costs["lastmile"]), ratios(costs["floor"], costs["lastmile burst"])
    return [
        Figure(
            1, "fan-out to 1,000 sockets, messages per CPU second, of the C send floor's", "", single, at_least(0.65)
        ),
        Figure(
            1,
            "fan-out in bursts of 10, messages per CPU second, of single messages'",
            "",
            ratios(burst, single),
            at_least(6),
        ),
        Figure(0, "fan-out, CPU of a message to one socket: C floor", "µs", costs["floor"]),
        Figure(0, "fan-out, CPU of a message to one socket: Lastmile", "µs", costs["lastmile"]),
        Figure(0, "fan-out, CPU of a message to one socket: Lastmile, bursts", "µs", costs["lastmile burst"]),
        Figure(0, "fan-out, CPU of a message to one socket: plain gateway", "µs", costs["plain"]),
    ]


def _frame_cpu_us(ground: Ground, gateway: Gateway, crowd: Crowd, rounds: int, *, burst: int) -> float:
    crowd.reset()
    before = cpu_seconds(gateway.process.pid)
    for number in range(1, rounds + 1):
        began_at = time.monotonic()
        ground.records.produce(gateway.topic, [record_of(ACCOUNT) for _ in range(burst)])
        crowd.wait(number * burst * SOCKETS, WAIT_SECONDS)
        time.sleep(max(0.0, began_at + INTERVAL_SECONDS - time.monotonic()))  # the pace
    return (cpu_seconds(gateway.process.pid) - before) / (rounds * burst * SOCKETS) * 1e6
