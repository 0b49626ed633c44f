"""
The loop that writes the history.

    settle    a few times per lease: take and give back leases, begin what has no history, keep what is quiet
    turn      read some records of our partitions, and write them in one round trip

    no history (new, or Redis forgot)    begin as far back as is promised, by Kafka's time index
    Kafka has lost what comes next       begin anew at what is left
    Kafka ends before what was written   begin anew, and let records pass until they are new ones
    lease lost                           somebody else goes on; nothing of ours is written any more
    Redis or Kafka away                  start over when they are back; Redis says where to go on
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest

from gateway.core.interpreter import Interpreter
from gateway.errors import BackendFault, KafkaUnavailable
from gateway.historian.beginnings import Beginnings
from gateway.historian.detour import POLL_SECONDS, read_alone
from gateway.historian.progress import Progress
from gateway.historian.scribe import STEP_RECORDS, Scribe
from gateway.historian.shares import Shares
from gateway.metrics.counts import Counts
from gateway.settings import KafkaSettings
from gateway.store.history_keys import HistoryPlace
from gateway.store.history_writer import Answer, HistoryWriter, Step
from gateway.stream.cleanup import CleanupWatch
from gateway.stream.pace import PATIENT
from gateway.stream.reader import OutOfRange, Partition, Reader, Undecodable, UnreadableRecord
from gateway.stream.topics import TopicLife, Topics

_log = logging.getLogger("gateway.historian")
SETTLES_PER_LEASE = 4
FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.2, 5.0


class _Writing:
    """A partition that is ours, and where its history goes on."""

    __slots__ = ("next_offset", "place", "stepped_at")

    def __init__(self, place: HistoryPlace, next_offset: int) -> None:
        self.place = place
        self.next_offset = next_offset
        self.stepped_at = 0.0


class Historian:
    """
    Writes this edge's share of all histories.

    Args:
        kafka: How Kafka is reached.
        interpreter: What a record means.
        writer: Its way to Redis.
        lives: The topics, as the tail sees them.
        counts: What the metrics show.
        was_copy: Whether the tail has dropped the record at a serial as a copy.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        interpreter: Interpreter,
        writer: HistoryWriter,
        lives: Callable[[], Mapping[str, TopicLife]],
        counts: Counts,
        was_copy: Callable[[str], bool],
    ) -> None:
        self._kafka = kafka
        self._writer = writer
        self._lives = lives
        self._counts = counts
        self._scribe = Scribe(interpreter, writer.retention, was_copy)
        self._shares = Shares(writer)
        self._beginnings = Beginnings(writer, counts)
        self._topics = Topics(kafka)
        self._cleanup = CleanupWatch(self._topics)
        self._writing: dict[Partition, _Writing] = {}
        self._is_assigned = False
        self._settle_at = 0.0
        self._leaving = asyncio.Event()
        self.progress = Progress()

    @property
    def partitions(self) -> int:
        """How many partitions' histories this edge writes."""
        return len(self._writing)

    def leave(self) -> None:
        """End `run` after the turn that is under way; others take over at once."""
        self._leaving.set()

    async def run(self) -> None:
        """Write until told to leave; Kafka or Redis being away is waited for."""
        backoff = FIRST_BACKOFF_SECONDS
        try:
            while not self._leaving.is_set():
                reader = Reader(self._kafka, PATIENT)
                steps = self._counts.history_steps
                try:
                    await reader.start()
                    await self._write(reader)
                except BackendFault as error:
                    _log.warning(
                        "the history cannot be written now, it goes on later",
                        extra={"error": error.message, "reason": error.__cause__},
                    )
                finally:
                    self._forget_all()
                    await reader.stop()
                    await self._shares.let_all_go()
                has_progressed = self._counts.history_steps > steps
                backoff = FIRST_BACKOFF_SECONDS if has_progressed else min(backoff * 2, MAX_BACKOFF_SECONDS)
                await self._wait(backoff)
        finally:
            self._topics.close()

    async def _write(self, reader: Reader) -> None:
        while not self._leaving.is_set():
            if time.monotonic() >= self._settle_at:
                await self._settle(reader)
            if self._writing:
                await self._turn(reader)
            else:
                await self._wait(POLL_SECONDS)

    # ------------------------------------------------------------------ settling

    async def _settle(self, reader: Reader) -> None:
        self._settle_at = time.monotonic() + self._writer.lease_seconds / SETTLES_PER_LEASE
        if await self._writer.eviction.is_evicting():
            await self._stand_down()
            return
        lives = self._lives()
        whole = await self._whole(lives)
        await self._drop_thinned()
        taken = await self._shares.settle(whole)
        for place in [of.place for of in self._writing.values() if of.place not in self._shares.held]:
            self._forget(place)
        await self._open(reader, taken, lives)
        self._assign(reader)
        await self._keep_quiet_ones()
        if self.progress.is_due and self.progress.look(await reader.ends(self._writing), self._positions()):
            raise KafkaUnavailable("reading makes no progress")

    async def _open(
        self, reader: Reader, taken: Mapping[HistoryPlace, int | None], lives: Mapping[str, TopicLife]
    ) -> None:
        """Go on with what was taken; begin what has no history."""
        new = [place for place, next_offset in taken.items() if next_offset is None]
        begun = await self._beginnings.begin(reader, new, lives)
        for place, known in taken.items():
            next_offset = begun.get(place) if known is None else known
            if next_offset is None:
                self._forget(place)
            else:
                self._writing[place.topic, place.partition] = _Writing(place, next_offset)
                self._is_assigned = False

    async def _stand_down(self) -> None:
        """Redis may have dropped some of what was written: nobody is to take it for whole."""
        for place in list(self._shares.held):
            await self._writer.drop(place)
            await self._shares.let_go(place)
        self._forget_all()

    async def _whole(self, lives: Mapping[str, TopicLife]) -> dict[str, TopicLife]:
        """Topics whose records are all there until they are too old; the embedded listener keeps everything."""
        return {
            topic: life
            for topic, life in lives.items()
            if topic in self._writer.retention.topics and (not life.has_time_index or await self._keeps_all(topic))
        }

    async def _keeps_all(self, topic: str) -> bool:
        try:
            return await self._cleanup.cleanup_of(topic) == "keeps"
        except KafkaUnavailable:
            return False  # it is asked again at the next look

    async def _drop_thinned(self) -> None:
        """What was written of a topic that is compacted since may not go on: what comes next may have holes."""
        for place in [place for place in self._shares.held if self._cleanup.compacts(place.topic)]:
            await self._writer.drop(place)

    async def _keep_quiet_ones(self) -> None:
        """A step without messages keeps the lease, and the books of what may be gone by age."""
        since = time.monotonic() - self._writer.lease_seconds / SETTLES_PER_LEASE
        quiet = [writing for writing in self._writing.values() if writing.stepped_at <= since]
        await self._take_steps([Step(of.place, of.next_offset, of.next_offset, []) for of in quiet])

    def _assign(self, reader: Reader) -> None:
        """Let the reader read what is written, from where it goes on; whatever it has read ahead of that is read again."""
        if not self._is_assigned:
            self._is_assigned = True
            reader.assign(self._positions())

    # ------------------------------------------------------------------ writing

    async def _turn(self, reader: Reader) -> None:
        try:
            batches = await reader.poll(POLL_SECONDS, STEP_RECORDS)
        except OutOfRange as gone:
            await self._go_on_behind_loss(reader, gone.partitions)
            return
        except UnreadableRecord:
            return  # the tail counts and logs it
        except Undecodable:
            await self._turn_one_by_one(reader)
            return
        rows: list[Iterable[Step]] = []
        for partition, writing in self._writing.items():
            records = batches.get(partition, ())
            end = await reader.position(partition)
            rows.append(self._scribe.steps(writing.place, writing.next_offset, records, end))
        for column in zip_longest(*rows):
            await self._take_steps([step for step in column if step is not None])

    async def _turn_one_by_one(self, reader: Reader) -> None:
        """Something cannot be decoded: go on partition by partition, and past it with the other client library."""
        ends = await reader.ends(self._writing)
        for partition, writing in list(self._writing.items()):
            if writing.next_offset < ends[partition]:
                records, end = await read_alone(self._kafka, reader, partition, writing.next_offset)
                for step in self._scribe.steps(writing.place, writing.next_offset, records, end):
                    await self._take_steps([step])
        reader.assign(self._positions())

    async def _take_steps(self, steps: Sequence[Step]) -> None:
        if not steps:
            return
        answers = await self._writer.write(steps)
        for step, answer in zip(steps, answers, strict=True):
            self._note(step, answer)
        refused = [answer for answer in answers if answer.kind != "written"]
        if refused:
            _log.warning(
                "steps of the history were not taken, whoever has the leases goes on",
                extra={"count": len(refused), "reason": refused[0].kind, "error": refused[0].error},
            )

    def _note(self, step: Step, answer: Answer) -> None:
        partition = (step.place.topic, step.place.partition)
        writing = self._writing.get(partition)
        if writing is None or writing.place != step.place:
            return
        if answer.kind == "written":
            writing.next_offset = step.next_offset
            writing.stepped_at = time.monotonic()
            self._counts.history_steps += 1
            self._counts.history_messages += len(step.chapters)
            return
        self._forget(step.place)
        if answer.kind != "refused":
            self._settle_at = 0.0

    async def _go_on_behind_loss(self, reader: Reader, partitions: Sequence[Partition]) -> None:
        """Positions that are not in the log: retention overtook us, or the log ends before them."""
        for partition in partitions:
            writing = self._writing.get(partition)
            if writing is None:
                continue
            begun, position = await self._beginnings.begin_anew(reader, writing.place, writing.next_offset)
            if begun is None:
                self._forget(writing.place)
            else:
                writing.next_offset = begun
                reader.seek(partition, position)

    # ------------------------------------------------------------------ inside

    def _positions(self) -> dict[Partition, int]:
        return {partition: writing.next_offset for partition, writing in self._writing.items()}

    def _forget(self, place: HistoryPlace) -> None:
        """The next settling asks Redis whose it is, and where it goes on."""
        self._writing.pop((place.topic, place.partition), None)
        self._is_assigned = False
        self._shares.held.discard(place)

    def _forget_all(self) -> None:
        self._writing.clear()
        self._is_assigned = False
        self._settle_at = 0.0
        self.progress.forget()

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._leaving.wait()
