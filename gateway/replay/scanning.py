"""
Passes over partitions of Kafka: each partition has one at most, and whoever needs it rides along.

Who comes while a pass is under way gets on if it has not yet passed what he lacks; the others wait, and the next pass
begins at the lowest position of all who wait. So ten thousand clients of a partition cost two passes, or three.

Only so many passes are under way at once, over all partitions; which is next is a matter of who has boarded, see
`gateway.core.passes`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Protocol

from gateway.core.entry import Entry
from gateway.core.hub import Hub
from gateway.core.passes import Boarding, Pass
from gateway.core.replay import Replay
from gateway.core.replaying import advance, hand
from gateway.errors import ContinuityLost, KafkaUnavailable
from gateway.metrics.counts import Counts
from gateway.replay.queue import Share
from gateway.replay.records import entry_of
from gateway.replay.tiers import Tiers
from gateway.stream.reader import Partition
from gateway.stream.scan import PastGone, Scan

_log = logging.getLogger("gateway.replay")
RETRY_SECONDS = 0.5


class Platform(Protocol):
    """Where those are who are not on a pass."""

    def arrive(self, replay: Replay) -> None:
        """Its partition has nothing more for it that the window does not hold."""

    def take_back(self, replay: Replay) -> None:
        """Its pass ended early; it lacks what it has not got."""


class Scanning:
    """
    Runs passes.

    Args:
        tiers: What is read, and how.
        hub: Gets what is read.
        counts: What the metrics show.
        platform: Takes those who get off.
    """

    def __init__(self, tiers: Tiers, hub: Hub, counts: Counts, platform: Platform) -> None:
        self._kafka = tiers.kafka
        self._past = tiers.past
        self._router = tiers.router
        self._interpreter = tiers.interpreter
        self._hub = hub
        self._counts = counts
        self._platform = platform
        self._waiting: dict[Partition, Boarding] = {}
        self._passes: dict[Partition, Pass] = {}
        self._asked = asyncio.Event()

    @property
    def under_way(self) -> int:
        """How many passes are."""
        return len(self._passes)

    def add(self, replay: Replay) -> None:
        """Read its *partition* for it, from its *next_offset* on."""
        partition = (replay.attachment.topic, replay.partition)
        under_way = self._passes.get(partition)
        if under_way is None or not under_way.board(replay):
            now = asyncio.get_running_loop().time()
            waiting = self._waiting.get(partition)
            if waiting is None:
                waiting = self._waiting[partition] = Boarding(now)
            waiting.add(replay, now)
            self._asked.set()

    def drop(self, replay: Replay) -> None:
        """Read no more for it; idempotent."""
        partition = (replay.attachment.topic, replay.partition)
        if (waiting := self._waiting.get(partition)) is not None:
            waiting.riders.pop(replay, None)
            if not waiting.riders:
                del self._waiting[partition]
        if (under_way := self._passes.get(partition)) is not None:
            under_way.drop(replay)

    async def run(self) -> None:
        """Make one pass after the other, for ever; run as many of these as passes may be under way at once."""
        scan = Scan(self._kafka)
        try:
            while True:
                await self._ride(scan, await self._board_next())
        finally:
            await scan.stop()

    async def _board_next(self) -> Pass:
        """The next pass to be made, with everybody on it who waited for it."""
        loop = asyncio.get_running_loop()
        while True:
            departures = ((of.departs_at, one) for one, of in self._waiting.items() if one not in self._passes)
            departs_at, partition = min(departures, default=(math.inf, None))
            if partition is None:
                self._asked.clear()
                await self._asked.wait()
            elif (boarding_seconds := departs_at - loop.time()) > 0:
                await asyncio.sleep(boarding_seconds)
            else:
                return await self._board(partition)

    async def _board(self, partition: Partition) -> Pass:
        waiting = self._waiting.pop(partition).riders
        begins_at = min(replay.next_offset for replay in waiting)
        ride = self._passes[partition] = Pass(self._hub.window, self._router, *partition, begins_at)
        share = Share()
        for replay in waiting:
            if not replay.is_over:
                ride.board(replay)
            await share.spend()
        self._counts.scans += 1
        return ride

    async def _ride(self, scan: Scan, ride: Pass) -> None:
        """One pass from its beginning to where nobody needs it any more."""
        partition = (ride.topic, ride.partition)
        try:
            await self._past.check(ride.topic, ride.generation)  # a while may have passed since the riders were told
            await scan.begin(partition, ride.next_offset)
            while not ride.is_empty and ride.is_current:
                await self._read_piece(scan, ride)
                if ride.next_offset >= ride.bound:
                    break
            scan.rest()
        except (PastGone, ContinuityLost):
            _log.info(
                "what is to be read again is not what it was",
                extra={"topic": ride.topic, "partition": ride.partition, "offset": ride.next_offset},
            )
        except KafkaUnavailable as error:
            _log.warning("Kafka is away, a scan starts over when it is back", extra={"error": error.message})
            await scan.stop()
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            del self._passes[partition]
            self._asked.set()
            for replay in ride.disembark():
                self._platform.take_back(replay)

    async def _read_piece(self, scan: Scan, ride: Pass) -> None:
        piece = await scan.read()
        bound = ride.bound
        share = Share()
        for record in piece.records:
            if record.offset >= bound:
                break
            channel = ride.channel_of(record.key)
            entry = (
                None
                if channel is None
                else entry_of(self._interpreter, ride.duplicates, ride.generation, record, channel)
            )
            is_copy = entry is not None and self._hub.duplicates.was_copy(
                entry.serial
            )  # its first may lie before the pass
            if entry is not None and not is_copy:
                await self._hand_out(ride, entry, ride.lacking(entry.channel, entry.offset), share)
        self._counts.scanned_records += len(piece.records)
        ride.reach(min(piece.next_offset, bound))
        while (replay := ride.arrived()) is not None:
            self._platform.arrive(replay)
            await share.spend()
        if piece.next_offset > ride.next_offset:
            scan.go_back(ride.next_offset)

    async def _hand_out(self, ride: Pass, entry: Entry, lacking: Sequence[Replay], share: Share) -> None:
        for replay in lacking:
            if replay.is_over:
                continue
            if hand(self._hub, replay, entry):
                self._counts.replayed_from_kafka += 1
            else:
                ride.drop(replay)
                advance(replay, ride.partition, entry.offset)
            await share.spend()
