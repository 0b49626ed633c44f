"""
What the history costs: 2,000 records/s with and without it, in CPU and in commands of Redis, and how fast a Redis that
forgot everything is filled again.

Two edges are measured in turn, each on its own topic with clients of its own; they differ in `history_messages` only. Then
Redis forgets all, and the time is taken until the history of the records before is whole again.
"""

from __future__ import annotations

import time

from bench.crowd import Crowd, Delivered
from bench.figures import Figure, ratios
from bench.ground import Ground, Lastmile, account_names
from bench.load import write_paced
from bench.scale import Scale
from bench.usage import cpu_seconds, redis_calls
from tests.testbed.process import wait_until

ACCOUNTS = 5000
PER_SECOND = 2000
SECONDS = 8.0
WARM_UP_SECONDS = 3.0
WAIT_SECONDS = 60.0
FILL_RECORDS = 60_000
QUICK_LEASE = {"lease_seconds": 2.0}  # how soon a Redis that forgot is noticed


class _Beside:
    """An edge and its clients."""

    def __init__(self, ground: Ground, edge: Lastmile, accounts: list[str], *, has_history: bool) -> None:
        self.ground = ground
        self.edge = edge
        self.accounts = accounts
        self.has_history = has_history
        self.crowd: Crowd = ground.crowd(edge, accounts)
        self.written = 0
        self.delivered: list[Delivered] = []
        self.cpu_us: list[float] = []
        self.redis_cpu_us: list[float] = []
        self.scripts: list[float] = []
        self.commands: list[float] = []
        self.crowd.open(len(accounts))

    def write(self, records: int) -> None:
        self.written += records
        self.crowd.reset()
        write_paced(self.ground.records, self.edge.topic, self.accounts, records, PER_SECOND)
        self.crowd.wait(records, WAIT_SECONDS)

    def run(self, seconds: float) -> None:
        records = int(PER_SECOND * seconds)
        pids = self.edge.process.pid, self.ground.redis.pid
        before, calls_before = [cpu_seconds(pid) for pid in pids], redis_calls(self.ground.redis)
        self.write(records)
        _wait_for_history(self, self.written)
        own, redis = [(cpu_seconds(pid) - at) / records * 1e6 for pid, at in zip(pids, before, strict=True)]
        self.cpu_us.append(own)
        self.redis_cpu_us.append(redis)
        calls = redis_calls(self.ground.redis) - calls_before
        self.scripts.append(calls["evalsha"] / records)
        self.commands.append(calls.total() / records)
        self.delivered.append(self.crowd.report())


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """CPU and p99 with the history, of those without; and the filling."""
    accounts = account_names(ACCOUNTS)
    with_it, without = (
        _Beside(
            ground,
            ground.lastmile(history_messages=messages, history=QUICK_LEASE),
            accounts,
            has_history=messages > 0,
        )
        for messages in (1000, 0)
    )
    for one in (with_it, without):
        one.write(int(PER_SECOND * WARM_UP_SECONDS))
    for _ in scale.runs("history"):
        with_it.run(scale.seconds(SECONDS))
        without.run(scale.seconds(SECONDS))
    fill = _filling(ground, with_it, scale)
    return [
        Figure(
            0,
            "2,000 records/s, CPU of a message with history, of without",
            "",
            ratios(with_it.cpu_us, without.cpu_us),
        ),
        Figure(
            0,
            "2,000 records/s, p99 with history, of without",
            "",
            ratios([of.p99_ms for of in with_it.delivered], [of.p99_ms for of in without.delivered]),
        ),
        Figure(0, "2,000 records/s, CPU of a message with history: edge", "µs", with_it.cpu_us),
        Figure(0, "2,000 records/s, CPU of a message with history: Redis", "µs", with_it.redis_cpu_us),
        Figure(
            0,
            "2,000 records/s, CPU of a message that the history adds: edge",
            "µs",
            [one - other for one, other in zip(with_it.cpu_us, without.cpu_us, strict=True)],
        ),
        Figure(0, "2,000 records/s, scripts asked of Redis, by message, with history", "", with_it.scripts),
        Figure(0, "2,000 records/s, scripts asked of Redis, by message, without", "", without.scripts),
        Figure(0, "2,000 records/s, commands inside of scripts too, by message, with history", "", with_it.commands),
        Figure(0, "2,000 records/s, commands inside of scripts too, by message, without", "", without.commands),
        Figure(0, "history filled again after FLUSHALL", "records/s", fill),
    ]


def _filling(ground: Ground, of: _Beside, scale: Scale) -> list[float]:
    """Records of the topic, by the seconds from FLUSHALL until all of them are in the history again."""
    more = scale.count(FILL_RECORDS)
    ground.records.produce(of.edge.topic, ((of.accounts[number % ACCOUNTS], "x" * 200) for number in range(more)))
    total = of.written + more
    _wait_for_history(of, total)
    rates: list[float] = []
    for number in scale.runs("history, filling"):
        began_at = time.monotonic()
        ground.redis.flush()
        _wait_for_history(of, total * (number + 1))
        rates.append(total / (time.monotonic() - began_at))
    return rates


def _wait_for_history(of: _Beside, messages: int) -> None:
    def is_written() -> bool:
        return not of.has_history or of.edge.edge.metrics()["lastmile_history_messages_total"] >= messages

    wait_until(is_written, f"{messages} messages are in the history", deadline_seconds=WAIT_SECONDS)
