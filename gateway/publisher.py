"""
From a publication to its acknowledgement.

    submit ─▶ a copy whose first was read already ─▶ its serials, at once
          ╰─▶ lane (by key: what has one key stays in order) ─▶ Kafka ─▶ serials
                                                                  ╰─▶ may be a copy: first see what the tail reads there

What waits too long for Kafka is answered with 50003; what waits all together is bounded in bytes. A publication that was
answered so may be stored all the same: whoever repeats it with the same id gets it delivered once. What Kafka has, and
waits too long for the tail, is acknowledged without serials: they may be those of a copy that nobody gets.

Source: PROTOCOL.md section 5; RTN7, RTN19a, RSL1k.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from gateway.core.acknowledging import Outcome
from gateway.core.hub import Hub
from gateway.core.publication import Publication
from gateway.core.serial import Serial
from gateway.errors import GatewayError, KafkaUnavailable, Overloaded, PublishUnconfirmed
from gateway.metrics.counts import Counts
from gateway.schema import Schema
from gateway.settings import Namespace, PublishSettings
from gateway.stream.producer import Placed, Producer

_log = logging.getLogger("gateway.publisher")
LANES = 64
RETRY_SECONDS = 0.2
UNCONFIRMED = "Kafka has not acknowledged this; publish it again with the same id"
Settle = Callable[[Outcome], None]


class _Submission:
    """
    A publication on its way.

    Attributes:
        deadline: When it is answered at the latest, in seconds since the epoch.
        if_late: With what.
    """

    __slots__ = ("_settle", "deadline", "if_late", "publication")

    def __init__(self, publication: Publication, settle: Settle, now: float, timeout_seconds: float) -> None:
        self.publication = publication
        self._settle: Settle | None = settle
        self.deadline = now + timeout_seconds
        self.if_late: Outcome = PublishUnconfirmed(UNCONFIRMED)

    @property
    def is_settled(self) -> bool:
        return self._settle is None

    def settle(self, outcome: Outcome) -> None:
        """Answer, once."""
        settle, self._settle = self._settle, None
        if settle is not None:
            settle(outcome)


class Publisher:
    """
    The way into Kafka.

    Args:
        producer: Writes; the caller stops it.
        namespaces: Where the publications of each go, and what they must look like.
        hub: Tells what the tail has read.
        settings: Bounds and deadlines.
        counts: What the metrics show.
    """

    def __init__(
        self,
        producer: Producer,
        namespaces: Mapping[str, Namespace],
        hub: Hub,
        settings: PublishSettings,
        counts: Counts,
    ) -> None:
        self._producer = producer
        self._topics = {name: of.publish_topic or of.topic for name, of in namespaces.items()}
        self.schemas = {
            name: Schema.read(of.publish_schema_file) for name, of in namespaces.items() if of.publish_schema_file
        }
        self._hub = hub
        self._settings = settings
        self._counts = counts
        self._lanes: dict[int, deque[_Submission]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[_Submission] = deque()
        self._away: set[str] = set()  # topics that Kafka does not take records for now
        self.pending_bytes = 0

    @property
    def pending_per_connection(self) -> int:
        """How many protocol messages of one connection may wait to be acknowledged."""
        return self._settings.pending_per_connection

    @property
    def pending_bytes_per_connection(self) -> int:
        """How many bytes of them."""
        return self._settings.pending_bytes_per_connection

    def submit(self, publication: Publication, settle: Settle, now: float) -> None:
        """
        Have *publication* written; *settle* is called once, with its serials or with why it was not.

        Args:
            now: Seconds since the epoch.
        """
        serials = self._known_serials(publication) if publication.may_be_copy else None
        if serials is not None:
            settle(serials)
            return
        if self.pending_bytes + publication.size_bytes > self._settings.max_pending_bytes:
            settle(Overloaded("too much waits for Kafka already; publish again later"))
            return
        submission = _Submission(publication, settle, now, self._settings.timeout_seconds)
        self.pending_bytes += publication.size_bytes
        self._waiting.append(submission)
        number = zlib.crc32(publication.records[0].key) % LANES
        lane = self._lanes.get(number)
        if lane is None:
            lane = self._lanes[number] = deque()
            self._start(self._drive(number, lane))
        lane.append(submission)

    def is_stored(self, publication: Publication) -> bool:
        """Whether it is a copy of one that the tail has read."""
        return publication.may_be_copy and self._known_serials(publication) is not None

    def sweep(self, now: float) -> None:
        """Answer what has waited for too long. Call now and then."""
        waiting = self._waiting
        while waiting and (waiting[0].is_settled or waiting[0].deadline <= now):
            submission = waiting.popleft()
            if not submission.is_settled:
                self._settle(submission, submission.if_late)

    async def stop(self, timeout_seconds: float) -> None:
        """Wait for what is under way, so long at most."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._producer.stop()

    # ------------------------------------------------------------------ inside

    def _known_serials(self, publication: Publication) -> list[str | None] | None:
        """The serials of the first copy, if all of it was read."""
        serials = [
            self._hub.duplicates.serial_of(publication.channel, record.copy_id) for record in publication.records
        ]
        return list(serials) if all(serials) else None

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drive(self, number: int, lane: deque[_Submission]) -> None:
        """Hand a lane's submissions over, one behind the other, until there is none."""
        try:
            while lane:
                submission = lane.popleft()
                if not submission.is_settled:
                    await self._hand_over(submission)
        finally:
            del self._lanes[number]

    async def _hand_over(self, submission: _Submission) -> None:
        """Have it written; while Kafka takes nothing it is tried again, until its time is up."""
        publication = submission.publication
        topic = self._topics[publication.source.namespace]
        while not submission.is_settled:
            try:
                placed = await self._producer.hand_over(topic, publication.records)
            except KafkaUnavailable as error:
                self._note_away(topic, error)
                await asyncio.sleep(RETRY_SECONDS)
            except GatewayError as error:
                self._settle(submission, error)
            else:
                self._start(self._confirm(submission, topic, placed))
                return

    async def _confirm(self, submission: _Submission, topic: str, placed: Awaitable[Placed]) -> None:
        try:
            where = await placed
        except KafkaUnavailable as error:
            self._note_away(topic, error)
            self._settle(submission, PublishUnconfirmed(UNCONFIRMED))
            return
        except GatewayError as error:
            self._settle(submission, error)
            return
        self._note_back(topic)
        publication = submission.publication
        if publication.may_be_copy and topic == publication.source.topic:
            self._await_tail(submission, where)
        else:
            self._settle(submission, self._serials(publication, topic, where))

    def _note_away(self, topic: str, error: KafkaUnavailable) -> None:
        """Say once that a topic is not written to, whatever it meets."""
        if topic not in self._away:
            self._away.add(topic)
            _log.warning("Kafka does not take what is published", extra={"topic": topic, "error": error.message})

    def _note_back(self, topic: str) -> None:
        if topic in self._away:
            self._away.discard(topic)
            _log.info("Kafka takes again what is published", extra={"topic": topic})

    def _await_tail(self, submission: _Submission, where: Placed) -> None:
        """What may be a copy is told the serial of the first: known once the tail has read what Kafka acknowledged."""
        publication = submission.publication
        topic = publication.source.topic
        generation = self._hub.window.generation(topic) or ""
        last = Serial(generation, where.partition, where.offset + len(publication.records) - 1)
        submission.if_late = [None] * len(publication.records)

        def look(_now: float) -> bool:
            if not submission.is_settled and self._hub.window.is_ahead(topic, last):
                return False
            known = self._known_serials(publication)
            self._settle(submission, known or self._serials(publication, topic, where))
            return True

        self._hub.waiting.add(submission, look)

    def _serials(self, publication: Publication, topic: str, where: Placed) -> list[str | None]:
        """The positions of what was written; none where subscribers see only what services write back."""
        generation = self._hub.window.generation(topic) if topic == publication.source.topic else None
        if generation is None:
            return [None] * len(publication.records)
        return [
            str(Serial(generation, where.partition, where.offset + index)) for index in range(len(publication.records))
        ]

    def _settle(self, submission: _Submission, outcome: Outcome) -> None:
        if submission.is_settled:
            return
        self.pending_bytes -= submission.publication.size_bytes
        if isinstance(outcome, GatewayError):
            self._counts.refused(outcome.code)
        else:
            self._counts.published += len(submission.publication.records)
        submission.settle(outcome)
