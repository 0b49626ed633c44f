"""
The reader of what was taken back: from the beginning of the topic, then on and on.

    poll    records, into the rulings; then whoever is connected is looked at, before the position moves
    look    every few seconds, beside it: which life of the topic, how many partitions, where they end

A record that cannot be read costs itself and nothing else. The topic is compacted, so it is read to the end in seconds
whatever its age. Kafka being away is waited for; what is known goes on to hold.

Source: docs/revocation.md.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from auth.revocation import Address, NoRoom, Rulings
from gateway.core.terms import Note
from gateway.errors import KafkaUnavailable
from gateway.metrics.counts import Counts
from gateway.revocation.record import Entitle, Revoke, UnreadableRuling, note_ruling, read_ruling
from gateway.settings import KafkaSettings
from gateway.stream.pace import IDLE
from gateway.stream.progress import Progress
from gateway.stream.reader import OutOfRange, Partition, Reader, Undecodable, UnreadableRecord
from gateway.stream.reading import Looks, keep_reading
from gateway.stream.salvage import salvage
from gateway.stream.topics import TopicFacts, Topics

_log = logging.getLogger("gateway.revocation")
TURN_RECORDS = 1000
POLL_SECONDS = 0.25
LOGGED_BETWEEN_LOOKS = 10  # records that cannot be read; all are counted
Enforce = Callable[[Sequence[Address]], Awaitable[None]]


class _Look(NamedTuple):
    """What Kafka said of the topic at *asked_at*; facts are None if it does not exist, ends if Kafka did not tell."""

    asked_at: float
    facts: TopicFacts | None
    ends: Mapping[Partition, int] | None


class Follower:
    """
    Keeps rulings as the topic has them.

    Args:
        kafka: How Kafka is reached.
        topic: Its name.
        rulings: What is kept.
        max_token_age_seconds: How old a token can be.
        counts: What the metrics show.
        enforce: Looks at who is connected and concerned.

    Attributes:
        note: Takes down, for the audit journal, what comes after the edge has begun.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        rulings: Rulings,
        max_token_age_seconds: float,
        counts: Counts,
        enforce: Enforce,
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._rulings = rulings
        self._max_token_age_seconds = max_token_age_seconds
        self._counts = counts
        self._enforce = enforce
        self.note: Note | None = None
        self._topics = Topics(kafka)
        self._progress = Progress()
        self._facts: TopicFacts | None = None
        self._is_missing = False
        self._known_as_of: float | None = None
        self._looks = Looks[_Look](kafka.metadata_interval_seconds, "look at the revocation topic")
        self._logged = 0

    @property
    def is_ready(self) -> bool:
        """Whether everything that was there at the start was read."""
        return self._progress.is_ready

    def age_seconds(self, now: float) -> float:
        """How old what is known may be; infinite before it was read for the first time."""
        return float("inf") if self._known_as_of is None else max(0.0, now - self._known_as_of)

    def has_read(self, partition: int, offset: int) -> bool:
        """Whether a record was read, and holds for everybody here."""
        return self._progress.positions.get((self._topic, partition), 0) > offset

    async def run(self) -> None:
        """Read for ever."""
        try:
            await keep_reading(self._kafka, self._follow, _tell_away, IDLE)
        finally:
            self._topics.close()

    # ------------------------------------------------------------------ reading

    async def _follow(self, reader: Reader) -> None:
        """Read with one consumer until it makes no progress any more."""
        if self._progress.positions:
            reader.assign(self._progress.positions)
        async with self._looks:
            while True:
                self._looks.begin_when_due(partial(self._look, reader))
                look = self._looks.found()
                if look is not None and await self._take_in(reader, look):
                    return
                if self._progress.positions:
                    await self._poll(reader)
                else:
                    await self._looks.wait(POLL_SECONDS)

    async def _poll(self, reader: Reader) -> None:
        try:
            batches = await reader.poll(POLL_SECONDS, TURN_RECORDS)
        except OutOfRange:
            await self._begin(reader, self._progress.positions)  # what is known stays; reading it again changes nothing
            return
        except UnreadableRecord as error:
            self._note_broken(f"a record is larger than can be read: {error}")
            return
        except Undecodable as error:
            _log.warning("rulings cannot be decoded in this way, reading in another", extra={"error": str(error)})
            await self._salvage(reader)
            return
        for partition, records in batches.items():
            await self._take(records)
            self._progress.move(partition, await reader.position(partition), reader.high_water(partition))
        if not batches:
            for partition in list(self._progress.positions):
                self._progress.move(partition, await reader.position(partition), reader.high_water(partition))
        await asyncio.sleep(0)

    async def _salvage(self, reader: Reader) -> None:
        """Go on with librdkafka where aiokafka fails on what some record has in its headers; nothing here needs these."""
        for partition, end in (await reader.ends(self._progress.positions)).items():
            position = self._progress.positions[partition]
            if position >= end:
                continue
            records = await salvage(self._kafka, partition, position, TURN_RECORDS)
            await self._take(records)
            if records:
                self._progress.move(partition, records[-1].offset + 1, end)
        reader.assign(self._progress.positions)

    async def _take(self, records: Sequence[Any]) -> None:
        """Take records in, then have whoever they concern looked at."""
        changed = dict.fromkeys(filter(None, map(self._take_one, records)))
        if changed:
            await self._enforce(list(changed))

    def _take_one(self, record: Any) -> Address | None:
        """Returns: whose standing may have changed."""
        try:
            ruling = read_ruling(record.key, record.value, record.timestamp, self._max_token_age_seconds)
            self._decide(ruling, time.time())
        except (UnreadableRuling, NoRoom) as error:
            reason = error.reason if isinstance(error, UnreadableRuling) else "there are revocation.max_records already"
            self._note_broken(f"{reason}, at {record.topic}-{record.partition}@{record.offset}")
            return None
        self._counts.rulings += 1
        if self.note is not None and self.is_ready:  # what was there before is no event of this edge's life
            note_ruling(self.note, ruling, record.partition, record.offset)
        return ruling.address

    def _decide(self, ruling: Revoke | Entitle, now: float) -> None:
        address = ruling.address
        if isinstance(ruling, Entitle):
            self._rulings.entitle(address.scope, address.target.value, ruling.capability)
        elif ruling.cut is None:
            self._rulings.pardon(address)
        else:
            self._rulings.revoke(address, ruling.cut, now)

    def _note_broken(self, reason: str) -> None:
        self._counts.broken_rulings += 1
        self._logged += 1
        if self._logged <= LOGGED_BETWEEN_LOOKS:
            _log.error(
                "a record of the revocation topic does not hold, nobody is refused by it",
                extra={"reason": reason},
            )

    # ------------------------------------------------------------------ looking

    async def _look(self, reader: Reader) -> _Look:
        asked_at = time.time()
        try:
            facts = (await self._topics.look([self._topic])).get(self._topic)
            ends = await reader.ends(self._partitions(facts)) if facts is not None else {}
        except KafkaUnavailable:
            return _Look(asked_at, self._facts, None)
        return _Look(asked_at, facts, ends)

    async def _take_in(self, reader: Reader, look: _Look) -> bool:
        """Go by what was found. Returns: whether reading has stood still for too long."""
        self._logged = 0
        if look.ends is None:
            return self._progress.look(None)
        self._report_missing(is_missing=look.facts is None)
        if look.facts is None:
            return False
        await self._compare(reader, look.facts)
        if not self._progress.has_goal:
            self._progress.set_goal(look.ends, int(look.asked_at * 1000))
        positions = self._progress.positions
        if all(positions.get(partition, 0) >= end for partition, end in look.ends.items()):
            self._known_as_of = look.asked_at
        return self._progress.look(look.ends)

    async def _compare(self, reader: Reader, facts: TopicFacts) -> None:
        """Read from the beginning what was not read yet: all of a new life, and partitions that were added."""
        known = self._facts
        partitions = self._partitions(facts)
        if known is None or known.topic_id != facts.topic_id:
            if known is not None:
                _log.error("the revocation topic was recreated; what it said before holds until this edge is restarted")
            await self._begin(reader, partitions)
        elif known.partitions < facts.partitions:
            added = await reader.beginnings([at for at in partitions if at not in self._progress.positions])
            self._progress.positions.update(added)
            reader.assign(self._progress.positions)
        self._facts = facts

    async def _begin(self, reader: Reader, partitions: Sequence[Partition] | Mapping[Partition, int]) -> None:
        self._progress.begin(self._topic, await reader.beginnings(list(partitions)))
        reader.assign(self._progress.positions)

    def _partitions(self, facts: TopicFacts | None) -> list[Partition]:
        return [] if facts is None else [(self._topic, number) for number in range(facts.partitions)]

    def _report_missing(self, *, is_missing: bool) -> None:
        if is_missing and not self._is_missing:
            _log.error("the revocation topic does not exist, this edge waits for it", extra={"topic": self._topic})
        self._is_missing = is_missing


def _tell_away(error: KafkaUnavailable) -> None:
    _log.warning("Kafka is away, revocations go on as they are known", extra={"error": error.message})
