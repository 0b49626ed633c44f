"""
Target 6: ten thousand clients back at once, each twenty messages behind, and what others notice of it.

Each client has attached and got a message before, and attaches with the channelSerial of the last one. By the settings of
its edge what it lacks is in the window, in the history only, or nowhere but in Kafka. Others have channels of their own
and get records all the while; their p99 before it is what their p99 meanwhile is compared with.
"""

from __future__ import annotations

from typing import Any

from bench.crowd import Crowd, Delivered
from bench.figures import Figure, at_most
from bench.ground import Ground, Lastmile, account_names
from bench.load import write_all, write_paced, write_while
from bench.scale import Scale
from bench.usage import cpu_seconds, peak_bytes_since_reset, redis_calls, reset_peak, resident_bytes
from tests.testbed.process import wait_until

CLIENTS = 10_000
MISSED = 20
OTHERS = 100
PER_SECOND = 300  # to the others
QUIET_SECONDS = 4.0
WAIT_SECONDS = 60.0
AT_ONCE = 1000  # handshakes under way: more than that would wait in the kernel for the same time
GREETING = 2  # frames: CONNECTED and ATTACHED
SMALL_WINDOW = {"max_bytes": 1 << 20}
TIERS: dict[str, dict[str, Any]] = {
    "window": {},
    "history": {"window": SMALL_WINDOW},
    "kafka": {"window": SMALL_WINDOW, "history_messages": 0},
}


class _Returning:
    """An edge, the many who come and go, and the others who stay."""

    def __init__(self, ground: Ground, tier: str, clients: int) -> None:
        names = account_names(clients + OTHERS)
        self.ground, self.tier = ground, tier
        self.edge: Lastmile = ground.lastmile(**TIERS[tier])
        self.accounts, self.other_accounts = names[:clients], names[clients:]
        self.crowd: Crowd = ground.crowd(self.edge, self.accounts)
        self.others: Crowd = ground.crowd(self.edge, self.other_accounts)
        self.written = 0
        self.found: dict[str, list[float]] = {}

    def be_there_once(self) -> None:
        """Everybody gets a position."""
        self.others.open(OTHERS)
        self.crowd.open(len(self.accounts))
        self.write_to_all(1)
        self.crowd.wait(len(self.accounts), WAIT_SECONDS)
        self.go()

    def go(self) -> None:
        self.crowd.leave()
        wait_until(lambda: self.edge.edge.metrics()["lastmile_connections"] == OTHERS, "those who left are gone")

    def write_to_all(self, messages: int) -> None:
        count = messages * len(self.accounts)
        write_all(self.ground.records, self.edge.topic, self.accounts, count)
        self.written += count

    def run(self, seconds: float) -> None:
        found, clients, pid = self.found, len(self.accounts), self.edge.process.pid
        unmissed_seconds = self.crowd.open(clients, frames=GREETING, ahead=AT_ONCE)
        self.go()
        self.write_to_all(MISSED)
        quiet = self._quiet(seconds)
        self._wait_for_history()
        reset_peak(pid)
        resident, cpu, calls = resident_bytes(pid), cpu_seconds(pid), redis_calls(self.ground.redis)
        self.others.reset()
        written, back_seconds = write_while(
            self.ground.records, self.edge.topic, self.other_accounts, PER_SECOND, self._come_back
        )
        used = cpu_seconds(pid) - cpu
        self.written += written
        self.others.wait(written, WAIT_SECONDS)
        asked = redis_calls(self.ground.redis) - calls
        meanwhile = self.others.report()
        for name, value in {
            "seconds": back_seconds,
            "of unmissed": back_seconds / unmissed_seconds,
            "p99 ratio": meanwhile.p99_ms / quiet.p99_ms,
            "p99": meanwhile.p99_ms,
            "p99 quiet": quiet.p99_ms,
            "cpu": used,
            "memory": peak_bytes_since_reset(pid) / resident,
            "peak": peak_bytes_since_reset(pid) / 2**20,
            "set": asked["set"] / (clients * MISSED),
            "evalsha": asked["evalsha"] / (clients * MISSED),
        }.items():
            found.setdefault(name, []).append(value)
        self.go()

    def _come_back(self) -> float:
        return self.crowd.open(len(self.accounts), frames=GREETING + MISSED, ahead=AT_ONCE)

    def _quiet(self, seconds: float) -> Delivered:
        """The others alone; when they have got all of it, so has the edge what was written before."""
        records = int(PER_SECOND * seconds)
        write_paced(self.ground.records, self.edge.topic, self.other_accounts, records // 2, PER_SECOND)
        self.others.wait(records // 2, WAIT_SECONDS)
        self.others.reset()
        write_paced(self.ground.records, self.edge.topic, self.other_accounts, records, PER_SECOND)
        self.others.wait(records, WAIT_SECONDS)
        self.written += records + records // 2
        return self.others.report()

    def _wait_for_history(self) -> None:
        def is_written() -> bool:
            return self.edge.edge.metrics()["lastmile_history_messages_total"] >= self.written

        if "history_messages" not in TIERS[self.tier]:
            wait_until(is_written, "the history has it all", deadline_seconds=WAIT_SECONDS)


def measure(ground: Ground, scale: Scale, tier: str) -> list[Figure]:
    """How long until all have what they missed, what others notice, and what it takes."""
    clients = scale.count(CLIENTS)
    returning = _Returning(ground, tier, clients)
    returning.be_there_once()
    for _ in scale.runs(f"comeback from {tier}"):
        returning.run(scale.seconds(QUIET_SECONDS))
    found, who = returning.found, f"{clients:,} back, {MISSED} messages behind, from {tier}"
    return [
        Figure(6, f"{who}: until all have everything", "s", found["seconds"], at_most(4 * clients / CLIENTS)),
        Figure(6, f"{who}: others' p99 meanwhile, of before", "", found["p99 ratio"], at_most(3)),
        Figure(0, f"{who}: others' p99 meanwhile", "ms", found["p99"]),
        Figure(0, f"{who}: others' p99 before", "ms", found["p99 quiet"]),
        Figure(0, f"{who}: time, of the same when nothing was missed", "", found["of unmissed"]),
        Figure(0, f"{who}: CPU of the edge", "s", found["cpu"]),
        Figure(0, f"{who}: resident memory at its peak, of before", "", found["memory"]),
        Figure(0, f"{who}: resident memory at its peak", "MiB", found["peak"]),
        Figure(0, f"{who}: commands of Redis for connection state, by message", "", found["set"]),
        Figure(0, f"{who}: scripts of Redis, by message", "", found["evalsha"]),
    ]
