"""
Targets 2 and 3: 2,000 records/s for 5,000 accounts.

A bare consumer reads the same topic at the same time as the gateway, and only prints: what lies between its latency and
the gateway's is the gateway's own. The plain gateway is measured in turn, on its own topic, with its own bare consumer.
"""

from __future__ import annotations

from statistics import quantiles

from bench.crowd import Crowd, Delivered
from bench.figures import Figure, at_most, ratios
from bench.ground import Gateway, Ground, account_names
from bench.load import write_paced
from bench.scale import Scale
from bench.usage import cpu_seconds
from tests.testbed.process import Process, wait_until

ACCOUNTS = 5000
PER_SECOND = 2000
SECONDS = 8.0
WARM_UP_SECONDS = 3.0
WAIT_SECONDS = 30.0


class _Beside:
    """A gateway with its clients, and a bare consumer of the same topic."""

    def __init__(self, ground: Ground, gateway: Gateway, accounts: list[str]) -> None:
        self.ground = ground
        self.gateway = gateway
        self.accounts = accounts
        self.crowd: Crowd = ground.crowd(gateway, accounts)
        self.consumer: Process = ground.bare_consumer(gateway.topic)
        self.delivered: list[Delivered] = []
        self.cpu_us: list[float] = []
        self.bare_cpu_us: list[float] = []
        self.bare_p50_ms: list[float] = []
        self.bare_p99_ms: list[float] = []
        self.crowd.open(len(accounts))

    def warm_up(self) -> None:
        self._write(int(PER_SECOND * WARM_UP_SECONDS), self._printed())

    def run(self, seconds: float) -> None:
        records, before = int(PER_SECOND * seconds), self._printed()
        pids = self.gateway.process.pid, self.consumer.pid
        cpu = [cpu_seconds(pid) for pid in pids]
        self._write(records, before)
        own, bare = [(cpu_seconds(pid) - at) / records * 1e6 for pid, at in zip(pids, cpu, strict=True)]
        bare_ms = [int(line) / 1000 for line in self.consumer.log_text().splitlines()[before:]]
        self.cpu_us.append(own)
        self.bare_cpu_us.append(bare)
        self.delivered.append(self.crowd.report())
        self.bare_p50_ms.append(quantiles(bare_ms, n=100)[49])
        self.bare_p99_ms.append(quantiles(bare_ms, n=100)[98])

    def _write(self, records: int, printed: int) -> None:
        self.crowd.reset()
        write_paced(self.ground.records, self.gateway.topic, self.accounts, records, PER_SECOND)
        self.crowd.wait(records, WAIT_SECONDS)
        wait_until(lambda: self._printed() >= printed + records, "the bare consumer has printed every record")

    def _printed(self) -> int:
        return self.consumer.log.read_bytes().count(b"\n")


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """p99 of the gateway over that of the bare consumer; CPU of a message."""
    accounts = account_names(ACCOUNTS)
    ours, plain = (_Beside(ground, gateway, accounts) for gateway in (ground.lastmile(), ground.plain()))
    for one in (ours, plain):
        one.warm_up()
    for _ in scale.runs("steady"):
        ours.run(scale.seconds(SECONDS))
        plain.run(scale.seconds(SECONDS))
    p99 = [of.p99_ms for of in ours.delivered]
    return [
        Figure(
            3,
            "2,000 records/s to 5,000 accounts, p99, of a bare consumer's of the same records",
            "",
            ratios(p99, ours.bare_p99_ms),
            at_most(2),
        ),
        Figure(3, "2,000 records/s, CPU of a message, fetches included", "µs", ours.cpu_us, at_most(150)),
        Figure(
            2,
            "2,000 records/s, CPU of a message, of the plain gateway's",
            "",
            ratios(ours.cpu_us, plain.cpu_us),
            at_most(0.5),
        ),
        Figure(0, "2,000 records/s, CPU of a message: plain gateway", "µs", plain.cpu_us),
        Figure(0, "2,000 records/s, CPU of a record: bare consumer", "µs", ours.bare_cpu_us),
        Figure(0, "2,000 records/s, p50: Lastmile", "ms", [of.p50_ms for of in ours.delivered]),
        Figure(0, "2,000 records/s, p99: Lastmile", "ms", p99),
        Figure(0, "2,000 records/s, p50: bare consumer", "ms", ours.bare_p50_ms),
        Figure(0, "2,000 records/s, p99: bare consumer", "ms", ours.bare_p99_ms),
        Figure(0, "2,000 records/s, p50: plain gateway", "ms", [of.p50_ms for of in plain.delivered]),
        Figure(0, "2,000 records/s, p99: plain gateway", "ms", [of.p99_ms for of in plain.delivered]),
    ]
