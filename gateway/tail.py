"""
The reader of every partition of the namespaces' topics, into the hub.

    read      polls, bounded per turn of the loop; what becomes of records is in gateway.stream.intake
    look      every few seconds, beside the reading: which topics exist, which life of them, how many partitions

    position out of range   interrupt, at what is left; clients are told
    no progress             a new consumer, which goes on exactly where the last one was

What becomes of topics is in gateway.stream.lives, how far they were read in gateway.stream.progress.

Source: docs/operations; KIP-98 for read_committed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence, Set
from functools import partial
from typing import Any, NamedTuple

from gateway.core.hub import Hub
from gateway.core.interpreter import Interpreter
from gateway.core.routing import Router
from gateway.errors import KafkaUnavailable
from gateway.metrics.counts import Counts
from gateway.metrics.readings import TopicLag
from gateway.settings import KafkaSettings, Namespace
from gateway.stream.fingerprint import Marks
from gateway.stream.intake import TURN_SECONDS, Intake
from gateway.stream.lives import Lives
from gateway.stream.progress import Progress
from gateway.stream.reader import OutOfRange, Partition, Reader, Undecodable, UnreadableRecord
from gateway.stream.reading import Looks, keep_reading
from gateway.stream.salvage import salvage
from gateway.stream.topics import TopicFacts, TopicLife, Topics

_log = logging.getLogger("gateway.tail")

TURN_RECORDS = 500
POLL_SECONDS = 0.25
GROWTH_LOOK_SECONDS = 0.2  # until partitions that were added may be read
NOTE_SECONDS = 0.5  # between looks at how far the quiet partitions are, while others flow


class _Look(NamedTuple):
    """What was found: topics, those whose records are others now, ends and when they were asked for; None where Kafka did not tell."""

    facts: Mapping[str, TopicFacts] | None
    recreated: Set[str] = frozenset()
    ends: Mapping[Partition, int] | None = None
    asked_at_ms: int = 0


class Tail:
    """
    Reads the topics that feed channels.

    Args:
        kafka: How Kafka is reached.
        namespaces: How records become messages.
        window_seconds: How far back reading begins.
        router: Which channel a record is for.
        hub: Where messages go.
        counts: What the metrics show.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        namespaces: Mapping[str, Namespace],
        window_seconds: float,
        router: Router,
        hub: Hub,
        counts: Counts,
    ) -> None:
        self._kafka = kafka
        self._namespaces = namespaces
        self._router = router
        self._hub = hub
        self._counts = counts
        self._topics = Topics(kafka)
        self._progress = Progress()
        interpreter = Interpreter(router, namespaces, kafka.max_record_bytes)
        self._intake = Intake(interpreter, hub, counts, self._progress.served_from)
        self._lives = Lives(hub, self._progress, window_seconds)
        self._looks = Looks[_Look](kafka.metadata_interval_seconds, "look at topics")
        self._note_at = 0.0
        self._marks = Marks(kafka)

    @property
    def is_ready(self) -> bool:
        """Whether everything that was there at the start was read."""
        return self._progress.is_ready

    def lag(self) -> dict[str, TopicLag]:
        """By namespace, how far the end of its topic is away."""
        now_ms = time.time() * 1000
        lags = {topic: self._progress.lag(topic, now_ms) for topic in self._lives.topics}
        return {name: lags[of.topic] for name, of in self._namespaces.items() if of.topic in lags}

    def as_of_ms(self, topic: str, partition: int | None) -> int:
        """Up to when all that Kafka had of a partition, or of all of a topic's, was read; 0 if that never was so."""
        return self._progress.as_of_ms(topic, partition)

    def complete_ms(self, topic: str, partition: int | None) -> int:
        """The same, as Kafka said when it was asked: then nobody can have read more before."""
        return self._progress.complete_ms(topic, partition)

    def lives(self) -> Mapping[str, TopicLife]:
        """The topics that exist, as they were seen last."""
        return self._lives.current

    async def run(self) -> None:
        """Read for ever; Kafka being away is waited for."""
        try:
            await keep_reading(self._kafka, self._read, _tell_away)
        finally:
            self._topics.close()

    # ------------------------------------------------------------------ reading

    async def _read(self, reader: Reader) -> None:
        """Read with one consumer until it makes no progress any more."""
        positions = self._progress.positions
        if positions:
            reader.assign(positions)
        async with self._looks:
            while True:
                self._looks.begin_when_due(partial(self._look, reader))
                look = self._looks.found()
                if look is not None and await self._take_in(reader, look):
                    _log.warning("reading makes no progress, starting over with a new consumer")
                    return
                if positions:
                    await self._poll(reader)
                else:
                    await self._looks.wait(POLL_SECONDS)

    async def _poll(self, reader: Reader) -> None:
        try:
            batches = await reader.poll(POLL_SECONDS, TURN_RECORDS)
        except OutOfRange as gone:
            await self._go_on_behind_loss(reader, gone.partitions)
            return
        except UnreadableRecord as error:
            self._counts.poisoned("too_large")
            _log.error("a record was skipped, the client library cannot read it", extra={"error": str(error)})
            return
        except Undecodable as error:
            _log.error("records cannot be decoded, reading on one by one", extra={"error": str(error)})
            if not await self._read_each_alone(reader):
                raise KafkaUnavailable(f"records cannot be decoded: {error}") from None
            return
        if not batches:
            await self._note_positions(reader)
            return
        self._counts.fetches += 1
        until = time.monotonic() + TURN_SECONDS
        for partition, records in batches.items():
            until = await self._take(reader, partition, records, until)
        if time.monotonic() >= self._note_at:
            await self._note_positions(reader)
        else:
            self._hub.waiting.settle(time.time())
        await asyncio.sleep(0)  # what was written leaves before more is read

    async def _take(self, reader: Reader, partition: Partition, records: Sequence[Any], until: float) -> float:
        until = await self._intake.take(records, until)
        await self._note_position(reader, partition)
        self._note_last(partition, records[-1])
        return until

    def _note_last(self, partition: Partition, record: Any) -> None:
        self._progress.note_newest(partition[0], record.timestamp)
        self._marks.note(partition, record)

    async def _read_each_alone(self, reader: Reader) -> bool:
        """
        Something cannot be decoded: go on partition by partition, so that it holds up its own only, and not for long.

        Returns:
            Whether anything was read.
        """
        before = dict(self._progress.positions)
        ends = await reader.ends(before)
        for partition, end in ends.items():
            position = self._progress.positions[partition]
            if position >= end:
                continue
            reader.assign({partition: position})
            try:
                batches = await reader.poll(POLL_SECONDS, TURN_RECORDS)
            except Undecodable:
                await self._salvage(partition)
            except (OutOfRange, UnreadableRecord):
                continue  # it will be met again
            else:
                for records in batches.values():
                    await self._take(reader, partition, records, time.monotonic() + TURN_SECONDS)
        reader.assign(self._progress.positions)
        self._hub.waiting.settle(time.time())
        return self._progress.positions != before

    async def _salvage(self, partition: Partition) -> None:
        """Read some records in the other way, each for itself."""
        position = self._progress.positions[partition]
        for record in await salvage(self._kafka, partition, position, TURN_RECORDS):
            if record.headers is None:
                self._intake.count_poison(record, "header_undecodable")
            else:
                await self._intake.take([record], time.monotonic() + TURN_SECONDS)
            self._note(partition, record.offset + 1, None)
            self._note_last(partition, record)

    async def _note_positions(self, reader: Reader) -> None:
        """Positions move without records too: past aborted transactions, control records and gaps of compaction."""
        self._note_at = time.monotonic() + NOTE_SECONDS
        for partition in list(self._progress.positions):
            await self._note_position(reader, partition)
        self._hub.waiting.settle(time.time())

    async def _note_position(self, reader: Reader, partition: Partition) -> None:
        position = await reader.position(partition)
        self._progress.move(partition, position, reader.high_water(partition), reader.told_at_ms(partition))
        self._hub.advance(*partition, position)

    def _note(self, partition: Partition, position: int, end: int | None) -> None:
        self._progress.move(partition, position, end)
        self._hub.advance(*partition, position)

    async def _go_on_behind_loss(self, reader: Reader, partitions: Sequence[Partition]) -> None:
        """Positions that are not in the log: retention overtook the tail, or the topic is another one."""
        await self._looks.stop()  # what it finds would be older than what is found here
        self._marks.forget()
        facts = await self._topics.look(self._router.topics)
        if not await self._lives.compare(reader, facts, frozenset()):
            positions = self._progress.positions
            beginnings, ends = await reader.beginnings(partitions), await reader.ends(partitions)
            for partition in partitions:
                if positions[partition] < beginnings[partition]:
                    self._skip(partition, beginnings[partition])
            for topic in {partition[0] for partition in partitions if positions[partition] > ends[partition]}:
                if topic in facts:
                    await self._lives.cut(reader, topic, facts[topic])
        reader.assign(self._progress.positions)

    def _skip(self, partition: Partition, beginning: int) -> None:
        """Go on where the log begins; clients are told if they were to get what is gone."""
        if beginning <= self._progress.served_from.get(partition, 0):
            self._progress.move(partition, beginning, None)  # only ids were to be learned from it
            return
        _log.error(
            "records were deleted before they were read, clients are told",
            extra={
                "topic": partition[0],
                "partition": partition[1],
                "expected_offset": self._progress.positions[partition],
                "next_offset": beginning,
            },
        )
        self._progress.move(partition, beginning, None)
        self._hub.interrupt(*partition, beginning, time.time())

    # ------------------------------------------------------------------ looking

    async def _look(self, reader: Reader) -> _Look:
        """See what became of the topics; never raises for Kafka's being away, since reading may go on all the same."""
        try:
            facts = await self._topics.look(self._router.topics)
        except KafkaUnavailable as error:
            _log.warning("Kafka does not tell what its topics are like", extra={"error": error.message})
            return _Look(None)
        nameless = {topic for topic, found in facts.items() if found.topic_id is None}
        try:
            others = await self._marks.compare(nameless)
            asked_at_ms = int(time.time() * 1000)
            ends = await reader.ends([at for at in self._progress.positions if at[0] in facts])
        except KafkaUnavailable:
            return _Look(facts)  # some partition has no leader now
        return _Look(facts, others, ends, asked_at_ms)

    async def _take_in(self, reader: Reader, look: _Look) -> bool:
        """Go by what was found. Returns: whether reading has stood still for too long."""
        self._intake.allow_logs()
        has_changed = False
        if look.facts is not None:
            self._lives.report_missing(set(self._router.topics) - set(look.facts))
            has_changed = await self._lives.compare(reader, look.facts, look.recreated)
            if self._lives.is_growing:
                self._looks.hurry(GROWTH_LOOK_SECONDS)
            if has_changed:
                self._marks.forget()
                reader.assign(self._progress.positions)
            if not self._progress.has_goal and len(look.facts) == len(self._router.topics):
                asked_at_ms = int(time.time() * 1000)
                self._progress.set_goal(await reader.ends(self._progress.positions), asked_at_ms)
        await self._note_positions(reader)
        return not has_changed and self._progress.look(look.ends, look.asked_at_ms)


def _tell_away(error: KafkaUnavailable) -> None:
    _log.warning("Kafka is away, reading goes on when it is back", extra={"error": error.message})
