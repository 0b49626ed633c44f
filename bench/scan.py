"""
How fast one partition of Kafka is read again for a client, and what others notice of it.

Beside it, in turn: an aiokafka consumer that reads the same records and does nothing with them.
"""

from __future__ import annotations

import time

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.crowd import Crowd
from bench.figures import Figure, ratios
from bench.ground import Ground, Lastmile, account_names
from bench.load import write_all, write_paced, write_while
from bench.scale import Scale
from bench.usage import cpu_seconds
from tests.testbed.process import wait_until

ACCOUNTS = 200  # of one of them are those who come back
RECORDS = 300_000
PASSES = 3  # a run, one after the other
OTHERS = 100
PER_SECOND = 300  # to the others
QUIET_SECONDS = 4.0
WAIT_SECONDS = 60.0
GREETING = 2  # frames: CONNECTED and ATTACHED


class _Rereading:
    """An edge with a small window and no history, so that Kafka is all it has."""

    def __init__(self, ground: Ground, records: int, passengers: int) -> None:
        names = account_names(ACCOUNTS + OTHERS)
        self.ground = ground
        self.accounts, self.other_accounts = names[:ACCOUNTS], names[ACCOUNTS:]
        self.missed = records // ACCOUNTS
        self.edge: Lastmile = ground.lastmile(history_messages=0, partitions=1, window={"max_bytes": 1 << 20})
        self.others: Crowd = ground.crowd(self.edge, self.other_accounts)
        self.others.open(OTHERS)
        self.passengers: Crowd = ground.crowd(self.edge, self.accounts[:1] * passengers)
        self.passengers.open(passengers)
        write_all(ground.records, self.edge.topic, self.accounts[:1], 1)
        self.passengers.wait(passengers, WAIT_SECONDS)  # now each has a position
        self.passengers.leave()
        write_all(ground.records, self.edge.topic, self.accounts, self.missed * ACCOUNTS)
        self.quiet_ms(QUIET_SECONDS)  # when this has come, so has all before it

    def quiet_ms(self, seconds: float) -> float:
        """p99 of the others alone."""
        records = int(PER_SECOND * seconds)
        self.others.reset()
        write_paced(self.ground.records, self.edge.topic, self.other_accounts, records, PER_SECOND)
        self.others.wait(records, WAIT_SECONDS)
        return self.others.report().p99_ms

    def scanned(self) -> float:
        """Records that were read again so far."""
        return self.edge.edge.metrics()["lastmile_scanned_records_total"]

    def pass_seconds(self) -> float:
        """One client after the other comes back, as many as make a run."""
        return sum(self.passengers.open(1, frames=GREETING + self.missed) for _ in range(PASSES))

    def busy(self) -> tuple[float, float, float]:
        """Returns: records/s of the passes, CPU of the edge by record in µs, p99 of the others meanwhile in ms."""
        scanned, cpu = self.scanned(), cpu_seconds(self.edge.process.pid)
        self.others.reset()
        written, seconds = write_while(
            self.ground.records, self.edge.topic, self.other_accounts, PER_SECOND, self.pass_seconds
        )
        used = cpu_seconds(self.edge.process.pid) - cpu
        self.others.wait(written, WAIT_SECONDS)
        p99_ms = self.others.report().p99_ms
        wait_until(lambda: self.edge.edge.metrics()["lastmile_scans_under_way"] == 0, "the passes are over")
        records = self.scanned() - scanned
        return records / seconds, used / records * 1e6, p99_ms


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """Records/s of a pass, of a bare consumer's; the others' p99 with passes, of without."""
    rereading = _Rereading(ground, scale.count(RECORDS), PASSES * scale.repetitions)
    rates: list[float] = []
    bare: list[float] = []
    cpu_us: list[float] = []
    quiet: list[float] = []
    busy: list[float] = []
    for _ in scale.runs("scan"):
        quiet.append(rereading.quiet_ms(scale.seconds(QUIET_SECONDS)))
        rate, used_us, p99_ms = rereading.busy()
        rates.append(rate)
        cpu_us.append(used_us)
        busy.append(p99_ms)
        bare.append(uvloop.run(_bare_rate(ground.kafka, rereading.edge.topic, scale.count(RECORDS))))
    return [
        Figure(0, "Kafka read again for a client, records/s, of a bare consumer's", "", ratios(rates, bare)),
        Figure(0, "Kafka read again for a client", "records/s", rates),
        Figure(0, "a bare consumer of the same records", "records/s", bare),
        Figure(0, "Kafka read again, CPU of the edge by record, live ones included", "µs", cpu_us),
        Figure(0, "others' p99 while Kafka is read again, of before", "", ratios(busy, quiet)),
        Figure(0, "others' p99 while Kafka is read again", "ms", busy),
        Figure(0, "others' p99 before", "ms", quiet),
    ]


async def _bare_rate(kafka: str, topic: str, records: int) -> float:
    """Records/s of a consumer that only counts."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=None, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        began_at, seen = time.monotonic(), 0
        while seen < records:
            seen += sum(map(len, (await consumer.getmany(timeout_ms=1000)).values()))
        return seen / (time.monotonic() - began_at)
    finally:
        await consumer.stop()
