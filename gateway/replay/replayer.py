"""
Who is where on the way from the past to the window.

    want ─▶ reading the history ─────────▶ the window takes it
              │  ▲ unproven, or no further
              │  └─ later                  (without scans: the history may still come closer)
              ▼
            proving ─▶ scanning ─────────▶ the window takes it
              │
              └─ refused

Each step ends with the question whether the window can take over; the answer and the going live are one step.
"""

from __future__ import annotations

import asyncio
import logging

from gateway.core.continuity import EXPIRED, gaps_after
from gateway.core.hub import Hub
from gateway.core.replay import Replay
from gateway.core.replaying import announce, feed, give_up, land, put_off, rewind_to
from gateway.errors import (
    BackendFault,
    ContinuityLost,
    HistoryUnproven,
    KafkaUnavailable,
    NotInTime,
    PositionExpired,
    StoreUnavailable,
    TooManyMissed,
)
from gateway.metrics.counts import Counts
from gateway.replay.deadlines import Deadlines
from gateway.replay.history import Found, HistoryReading
from gateway.replay.proving import Proving
from gateway.replay.queue import Queue, Share
from gateway.replay.rewinding import Rewinder
from gateway.replay.scanning import Scanning
from gateway.replay.tiers import Tiers
from gateway.settings import ReplaySettings

_log = logging.getLogger("gateway.replay")
ANSWER_SECONDS = 8.0  # SDKs give an ATTACH up after 10
LOOK_SECONDS = 0.25
RETRY_SECONDS = 0.5
PLACES_AT_ONCE = 64
READS_AT_ONCE = 64
PROOFS_AT_ONCE = 500


class Replayer:
    """
    Serves attachments from before the window: the hub's `Catcher`.

    Args:
        settings: How much may be read, and how long that may take.
        hub: Whose attachments they are.
        tiers: What is read.
        counts: What the metrics show.
    """

    def __init__(self, settings: ReplaySettings, hub: Hub, tiers: Tiers, counts: Counts) -> None:
        self._settings = settings
        self._hub = hub
        self._counts = counts
        self._past = tiers.past
        self._reading = HistoryReading(tiers.store, hub.window)
        self._rewinder = Rewinder(hub.window, tiers.store, tiers.past, settings.max_records)
        self._proving = Proving(tiers.past, hub.window, settings.max_records)
        self._scanning = Scanning(tiers, hub, counts, self)
        self._to_place, self._to_read, self._to_prove, self._later = Queue(), Queue(), Queue(), Queue()
        self._answers = Deadlines(ANSWER_SECONDS)
        self._budgets = Deadlines(settings.max_seconds)
        self._is_kafka_away = False

    @property
    def scans(self) -> int:
        """How many passes are under way."""
        return self._scanning.under_way

    # ------------------------------------------------------------------ the hub's calls

    def want(self, replay: Replay) -> None:
        """Take somebody in, for the first time or after it has read what it was given."""
        now = asyncio.get_running_loop().time()
        self._counts.replays += 1
        self._budgets.start(replay, now)
        if not replay.is_announced:
            self._answers.start(replay, now)
        (self._to_read if replay.is_placed else self._to_place).add(replay)

    def drop(self, replay: Replay) -> None:
        """Forget somebody who left, went live, or is served from now on."""
        for queue in (self._to_place, self._to_read, self._to_prove, self._later):
            queue.drop(replay)
        self._scanning.drop(replay)
        self._answers.stop(replay)
        self._budgets.stop(replay)

    # ------------------------------------------------------------------ the passes' calls

    def arrive(self, replay: Replay) -> None:
        """A pass has nothing more for it: the window takes it, or another partition may have something."""
        if not self._land(replay):
            self._board(replay)

    def take_back(self, replay: Replay) -> None:
        """A pass ended early: whether Kafka still has the rest is a new question."""
        if not replay.is_over:
            self._to_prove.add(replay)

    # ------------------------------------------------------------------ the workers

    async def run(self) -> None:
        """Read for ever; Kafka or Redis being away is waited for."""
        try:
            async with asyncio.TaskGroup() as workers:
                workers.create_task(self._place(), name="replay: beginnings")
                workers.create_task(self._read(), name="replay: history")
                workers.create_task(self._prove(), name="replay: proofs")
                workers.create_task(self._look(), name="replay: deadlines")
                for number in range(self._settings.passes if self._settings.max_records else 0):
                    workers.create_task(self._scanning.run(), name=f"replay: scan {number}")
        finally:
            await self._past.stop()

    async def _place(self) -> None:
        while True:
            replays = await self._to_place.take(PLACES_AT_ONCE)
            await asyncio.gather(*(self._rewind(replay) for replay in replays))

    async def _read(self) -> None:
        while True:
            replays = await self._to_read.take(READS_AT_ONCE)
            findings = await self._reading.find_all(replays)
            share = Share()
            for replay, found in zip(replays, findings, strict=True):
                if not replay.is_over:
                    self._take(replay, found)
                await share.spend()

    async def _prove(self) -> None:
        while True:
            replays = await self._to_prove.take(PROOFS_AT_ONCE)
            try:
                verdicts = await self._proving.prove_all(replays)
                self._is_kafka_away = False
            except KafkaUnavailable as error:
                self._is_kafka_away = True
                _log.warning("Kafka is away, its past is read when it is back", extra={"error": error.message})
                for replay in replays:
                    self.take_back(replay)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            share = Share()
            for replay, verdict in zip(replays, verdicts, strict=True):
                if not replay.is_over:
                    self._judge(replay, verdict)
                await share.spend()

    async def _look(self) -> None:
        """See who is late, and let those try again who wait for the history."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now, share = asyncio.get_running_loop().time(), Share()
            for replay in self._answers.expired(now):
                if not replay.is_announced:
                    self._be_late(replay)
                await share.spend()
            for replay in self._budgets.expired(now):
                if not replay.is_paused:
                    self._be_late(replay)
                await share.spend()
            if len(self._later):
                for replay in await self._later.take(len(self._later)):
                    self._to_read.add(replay)

    # ------------------------------------------------------------------ one step each

    async def _rewind(self, replay: Replay) -> None:
        if replay.rewind is not None:
            position = await self._rewinder.find(replay, replay.rewind)
            if position is not None:
                rewind_to(replay, position)
        replay.is_placed = True
        if not replay.is_over:
            self._to_read.add(replay)

    def _take(self, replay: Replay, found: list[Found] | ContinuityLost | StoreUnavailable) -> None:
        """What the history said: hand it on, and see how to go on."""
        if not isinstance(found, list):
            self._go_on_without_history(replay, found)
            return
        delivered = self._hub.deliveries
        try:
            for part in found:
                pairs = ((entry.offset, entry.message) for entry in part.entries)
                feed(self._hub, replay, part.partition, pairs, part.next_offset, is_home=part.is_home)
        except ContinuityLost as error:
            self._refuse(replay, error)
            return
        self._counts.replayed_from_history += self._hub.deliveries - delivered
        if replay.is_paused or self._land(replay):
            return
        if all(part.is_whole for part in found):
            self._go_on_without_history(replay, None)
        else:
            self._to_read.add(replay)

    def _go_on_without_history(self, replay: Replay, why: ContinuityLost | StoreUnavailable | None) -> None:
        """*why* the history has no proof; None: it has no more for now."""
        if isinstance(why, ContinuityLost) and not isinstance(why, HistoryUnproven):
            self._refuse(replay, why)
        elif self._land(replay):
            return
        elif self._settings.max_records:
            self._to_prove.add(replay)
        elif why is None:
            self._later.add(replay)
        elif isinstance(why, StoreUnavailable):
            self._put_off(replay, why)
        elif why.reason == "trimmed":
            self._refuse(
                replay, TooManyMissed("more messages came since this channelSerial than are kept; load the state anew")
            )
        else:
            self._refuse(replay, PositionExpired(EXPIRED))

    def _judge(self, replay: Replay, verdict: ContinuityLost | None) -> None:
        """What Kafka can prove."""
        if self._land(replay):
            return
        if verdict is not None:
            self._refuse(replay, verdict)
            return
        announce(self._hub, replay)
        self._board(replay)

    def _board(self, replay: Replay) -> None:
        try:
            gap, *_ = gaps_after(self._hub.window, replay.attachment.topic, replay.attachment.channel, replay.position)
        except ContinuityLost as error:
            self._refuse(replay, error)
            return
        replay.partition, replay.next_offset = gap.partition, gap.next_offset
        self._scanning.add(replay)

    def _land(self, replay: Replay) -> bool:
        """Returns: whether it is over, one way or the other."""
        if replay.is_over:
            return True
        try:
            return land(self._hub, replay)
        except ContinuityLost as error:
            self._refuse(replay, error)
            return True

    def _refuse(self, replay: Replay, error: ContinuityLost) -> None:
        if replay.rewind is None or replay.is_announced:
            self._counts.refused(error.code)
        give_up(self._hub, replay, error)

    def _put_off(self, replay: Replay, error: BackendFault) -> None:
        self._counts.refused(error.code)
        put_off(self._hub, replay, error)

    def _be_late(self, replay: Replay) -> None:
        """Its time is up: what is away now may be back soon, what is too much stays too much."""
        if replay.rewind is not None and not replay.is_announced:
            self._refuse(replay, PositionExpired(EXPIRED))
        elif self._is_kafka_away or not replay.is_announced:
            self._put_off(replay, NotInTime("what this channel missed cannot be read now; attach again"))
        else:
            self._refuse(
                replay, TooManyMissed("what this channel missed could not be read in time; load the state anew")
            )
