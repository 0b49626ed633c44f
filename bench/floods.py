"""
What good clients notice of those who only come to cost something, and what it costs to refuse them.

Good clients get records all the while. Their p99 before an attack is what their p99 meanwhile is compared with, and the
edge's CPU of that time is taken off the attack's. Attackers come as fast as the edge takes them.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from bench.crowd import Client, Crowd
from bench.figures import Figure, ratios
from bench.ground import Ground, Lastmile, account_names
from bench.load import write_paced, write_while
from bench.scale import Scale
from bench.usage import cpu_seconds
from tests.testbed.process import wait_until

GOOD = 500
PER_SECOND = 500
QUIET_SECONDS = 3.0
ATTACK_SECONDS = 4.0
ATTACKERS = 5000
AT_ONCE = 256
WAIT_SECONDS = 60.0
OTHER_FILES = 30  # an edge opens and closes some by itself, to Redis and to Kafka
FREED_SECONDS = 30.0
HALF_OPEN = "half-open handshakes"
RATE_LIMITED = "connections above the rate limit"


class Quiet(NamedTuple):
    """How it is without an attack: p99 of the good clients, CPU of the edge by second."""

    p99_ms: float
    cpu: float


class _Target:
    """An edge and its good clients."""

    def __init__(self, ground: Ground, edge: Lastmile) -> None:
        self.ground, self.edge = ground, edge
        self.accounts = account_names(GOOD)
        self.good: Crowd = ground.crowd(edge, self.accounts)
        self.good.open(GOOD)

    def quiet(self, seconds: float) -> Quiet:
        """No attack."""
        records, before, began_at = int(PER_SECOND * seconds), cpu_seconds(self.edge.process.pid), time.monotonic()
        self.good.reset()
        write_paced(self.ground.records, self.edge.topic, self.accounts, records, PER_SECOND)
        self.good.wait(records, WAIT_SECONDS)
        used = (cpu_seconds(self.edge.process.pid) - before) / (time.monotonic() - began_at)
        return Quiet(self.good.report().p99_ms, used)


class _Attack:
    """One kind of it; what was found, run by run."""

    def __init__(self, target: _Target, name: str, client: Client) -> None:
        self.target, self.name = target, name
        self.crowd: Crowd = target.ground.strangers(target.edge, [client] * ATTACKERS)
        self.p99_ms: list[float] = []
        self.quiet_ms: list[float] = []
        self.per_second: list[float] = []
        self.per_cpu_second: list[float] = []

    def run(self, quiet_seconds: float, seconds: float) -> None:
        target = self.target
        quiet = target.quiet(quiet_seconds)
        target.good.reset()
        before, began_at = cpu_seconds(target.edge.process.pid), time.monotonic()
        written, attackers = write_while(
            target.ground.records, target.edge.topic, target.accounts, PER_SECOND, lambda: self._go_on(seconds)
        )
        took = time.monotonic() - began_at
        used = cpu_seconds(target.edge.process.pid) - before - quiet.cpu * took
        target.good.wait(written, WAIT_SECONDS)
        self.p99_ms.append(target.good.report().p99_ms)
        self.quiet_ms.append(quiet.p99_ms)
        self.per_second.append(attackers / took)
        self.per_cpu_second.append(attackers / used)

    def figures(self) -> list[Figure]:
        return [
            Figure(0, f"{self.name}: good clients' p99, of before", "", ratios(self.p99_ms, self.quiet_ms)),
            Figure(0, f"{self.name}: good clients' p99", "ms", self.p99_ms),
            Figure(0, f"{self.name}: attackers a second", "", self.per_second),
            Figure(0, f"{self.name}: attackers a CPU second of the edge", "", self.per_cpu_second),
        ]

    def _go_on(self, seconds: float) -> int:
        """Returns: how many came."""
        until, came = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            self.crowd.knock(ATTACKERS, frames=1, ahead=AT_ONCE)
            self.crowd.leave()
            came += ATTACKERS
        return came


class _HalfOpen(_Attack):
    """They come once and stay, until the edge frees their sockets."""

    def __init__(self, target: _Target, name: str, client: Client) -> None:
        super().__init__(target, name, client)
        self.freed_seconds: list[float] = []

    def figures(self) -> list[Figure]:
        return [*super().figures(), Figure(0, f"{self.name}: until the last socket is free", "s", self.freed_seconds)]

    def _go_on(self, seconds: float) -> int:
        pid = self.target.edge.process.pid
        before, began_at = _files(pid), time.monotonic()
        self.crowd.knock(ATTACKERS, frames=1, ahead=AT_ONCE)
        came_at = time.monotonic()
        wait_until(lambda: _files(pid) > before + 2 * OTHER_FILES, "they are in")
        wait_until(
            lambda: _files(pid) <= before + OTHER_FILES, "their sockets are free", deadline_seconds=FREED_SECONDS
        )
        self.freed_seconds.append(time.monotonic() - came_at)
        time.sleep(max(0.0, began_at + seconds - time.monotonic()))
        self.crowd.leave()
        return ATTACKERS


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """p99 with each attack, of without; attackers by CPU second."""
    target = _Target(ground, ground.lastmile())
    limited = _Target(
        ground, ground.lastmile(limits={"connects_per_second": GOOD / 2})
    )  # a burst is two seconds' worth
    good = target.edge.client("1").target
    forged = good[:-9] + "A" * 9
    attacks = [
        _Attack(target, "no credentials", Client("/?v=3", None)),
        _Attack(target, "tokens with a wrong signature", Client(forged, None)),
        _HalfOpen(target, HALF_OPEN, Client("/?v=3", None, is_whole=False)),
        _Attack(limited, RATE_LIMITED, Client(good, None)),
    ]
    for one in (target, limited):
        one.quiet(QUIET_SECONDS)  # warm
    for _ in scale.runs("floods"):
        for attack in attacks:
            attack.run(scale.seconds(QUIET_SECONDS), scale.seconds(ATTACK_SECONDS))
    return [figure for attack in attacks for figure in attack.figures()]


def _files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
