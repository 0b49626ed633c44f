"""
The history of channels in Redis: what was written there, read with the proof that nothing is missing.

One partition's one life has keys of its own, all in one slot, so that each step is atomic in a cluster too:

    lastmile:history:{TOPIC:PARTITION:GENERATION:RULES}:state           floor, next, at, marked, safe:MILLISECONDS…
                                                       :lease           who may write
                                                       :marks           "at:next", oldest first
                                                       :channel:NAME    a stream; ids are the records' offsets

    floor    from this offset on everything was written, without a gap
    next     up to here
    safe     entries below it may be gone by age; one for each length of time that is promised
    at       when the last step was, by the clock of Redis, which also expires the streams

A stream's entry has the message (`m`) and the offset of the channel's entry before it (`p`), so the first entry that is
left tells whether there was something before it. Who has everything up to *o* lacks nothing but the entries after *o* when

    floor <= o + 1      it was all written,
    safe  <= o + 1      nothing of it is gone by age,
    p     <= o          nor by count, of the first entry after o.

Why `safe` is right whatever producers write as timestamps: see `history_write.lua` and docs/decisions.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import msgspec

from gateway.core.retention import Retention
from gateway.errors import GatewayError, HistoryUnproven, StoreUnavailable
from gateway.store.eviction import EvictionWatch
from gateway.store.history_entry import HistoryEntry, unpack
from gateway.store.history_keys import HistoryPlace, patience_ms, safe_field, state_key, stream_key
from gateway.store.redis import Client, Line
from gateway.store.script import Call, load_script, run_scripts

__all__ = ["HistoryEntry", "HistoryPage", "HistoryPlace", "HistoryStore", "NewestPage", "OldestPage"]

ANSWER_BYTES = 262_144  # of messages in one page, but always one message at least
MAX_ENTRIES = 500
SPAN_SECONDS = 1.0  # how far a history goes is asked once in so long
BATCH_ENTRIES = 2000  # asked for in one round trip, over all readers
Older = Literal["more", "trimmed", "expired", "none"]

_read = load_script("history_standing", "history_read")
_newest = load_script("history_standing", "history_newest")
_span = load_script("history_standing", "history_span")


class HistoryPage(NamedTuple):
    """
    What a channel got, from an offset on.

    Args:
        entries: In order.
        next_offset: Below it everything of the channel is in *entries*, or was before them.
        is_whole: Whether the history has no more of the channel.
    """

    entries: list[HistoryEntry]
    next_offset: int
    is_whole: bool


class NewestPage(NamedTuple):
    """
    The newest of a channel.

    Args:
        entries: Newest first.
        next_offset: How far this history was written; what came after it is not among the entries.
        older: What became of older ones: there are more, some were trimmed by count, some may have expired by age (or
            are from before this history), or there never were any.
    """

    entries: list[HistoryEntry]
    next_offset: int
    older: Older


class OldestPage(NamedTuple):
    """
    The oldest that is left of a channel.

    Args:
        entries: In order.
        next_offset: Below it everything of the channel that is left is in *entries*.
        is_whole: Whether the history has no more of the channel.
        older: What became of older ones, as in `NewestPage`; never "more".
    """

    entries: list[HistoryEntry]
    next_offset: int
    is_whole: bool
    older: Older


class Span(NamedTuple):
    """
    Between which offsets a history has everything, apart from what was trimmed by count.

    Args:
        least: The first one.
        next_offset: The one after the last.
    """

    least: int
    next_offset: int


class HistoryStore:
    """
    Reads histories. What is asked for within one turn of the loop goes to Redis together.

    Args:
        redis: From `gateway.store.redis.connect`.
        timeout_seconds: Deadline of every round trip.
        retention: What is kept, by the settings.
    """

    def __init__(self, redis: Client, timeout_seconds: float, retention: Retention) -> None:
        self._line = Line(redis, timeout_seconds)
        self._retention = retention
        self._eviction = EvictionWatch(self._line)
        self._wanted: list[tuple[Call, int, asyncio.Future[Any]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._spans: dict[tuple[HistoryPlace, int], tuple[float, asyncio.Future[Sequence[Any]]]] = {}

    async def read(self, place: HistoryPlace, channel: str, after_offset: int, limit: int) -> HistoryPage:
        """
        What a channel got after an offset.

        Args:
            place: Its partition, in the life of the topic that the offset is of.
            after_offset: The reader has everything up to here; -1 is the beginning.
            limit: Of entries; fewer come when they are long.

        Raises:
            HistoryUnproven: If the history cannot prove that it is complete from there on.
            StoreUnavailable: If Redis does not answer in time.
        """
        answer = await self._ask(_read, place, channel, str(after_offset), limit)
        next_offset = max(int(answer[1]), after_offset + 1)
        return HistoryPage(_entries(answer[3]), next_offset, bool(answer[2]))

    async def oldest(self, place: HistoryPlace, channel: str, limit: int) -> OldestPage:
        """
        The oldest that is left of what a channel got; `read` goes on from there.

        Args:
            limit: Of entries; fewer come when they are long.

        Raises:
            HistoryUnproven: If there is no history, or it may have holes.
            StoreUnavailable: If Redis does not answer in time.
        """
        answer = await self._ask(_read, place, channel, "", limit)
        return OldestPage(_entries(answer[3]), int(answer[1]), bool(answer[2]), cast("Older", answer[4].decode()))

    async def newest(
        self, place: HistoryPlace, channel: str, limit: int, *, before_offset: int | None = None
    ) -> NewestPage:
        """
        The newest that a channel got; newest first.

        Args:
            before_offset: To go on where a page before ended; absent: from the end.
            limit: Of entries; fewer come when they are long, and `NewestPage.older` says whether there are more.

        Raises:
            HistoryUnproven: If there is no history, or it may have holes.
            StoreUnavailable: If Redis does not answer in time.
        """
        answer = await self._ask(_newest, place, channel, "" if before_offset is None else str(before_offset), limit)
        return NewestPage(_entries(answer[3]), int(answer[1]), cast("Older", answer[2].decode()))

    async def span(self, place: HistoryPlace, channel: str) -> Span:
        """
        From where to where the history of a partition goes, for channels of *channel*'s namespace.

        A channel that `find` does not find in a partition afterwards got nothing there between the two. The answer may be
        a moment old: the history goes further by then.

        Raises:
            HistoryUnproven: If there is no history, or it may have holes.
            StoreUnavailable: If Redis does not answer in time.
        """
        keep = self._retention.keep_of_channel(channel)
        if keep is None:
            raise HistoryUnproven("off")
        now = time.monotonic()
        asked = self._spans.get((place, keep.milliseconds))
        if asked is None or now >= asked[0]:
            answer = asyncio.ensure_future(self._ask(_span, place, channel, "", 1))
            asked = self._spans[place, keep.milliseconds] = (now + SPAN_SECONDS, answer)
        _, next_offset, least = await asyncio.shield(asked[1])
        return Span(int(least), int(next_offset))

    async def find(self, topic: str, generation: str, partitions: int, channel: str) -> list[int]:
        """
        The partitions in which the history has something of a channel: one, unless its records are scattered.

        None is no proof that there is nothing: it may be too old, or not written yet.

        Raises:
            StoreUnavailable: If Redis does not answer in time.
        """
        keep = self._retention.keep_of_channel(channel)
        if keep is None:
            return []
        pipeline = self._line.redis.pipeline(transaction=False)
        for number in range(partitions):
            place = HistoryPlace(topic, number, generation)
            pipeline.execute_command("EXISTS", stream_key(place, self._retention.fingerprint_of(topic), channel))
        answers: Sequence[int] = await self._line.ask(pipeline.execute())
        return [number for number, exists in enumerate(answers) if exists]

    async def close(self) -> None:
        """End everything that is under way."""
        await self._line.close()

    async def _ask(self, script: Any, place: HistoryPlace, channel: str, at: str, limit: int) -> Sequence[Any]:
        keep = self._retention.keep_of_channel(channel)
        if keep is None:
            raise HistoryUnproven("off")
        if await self._eviction.is_evicting():
            raise HistoryUnproven("evicting")
        fingerprint = self._retention.fingerprint_of(place.topic)
        longest_ms = self._retention.milliseconds_of(place.topic)[-1]
        limit = max(1, min(limit, MAX_ENTRIES))
        arguments = (at, limit, ANSWER_BYTES, safe_field(keep.milliseconds), patience_ms(longest_ms))
        keys = (state_key(place, fingerprint), stream_key(place, fingerprint, channel))
        answer: Sequence[Any] = await self._joined(Call(script, keys, arguments), limit)
        if answer[0] != b"page":
            raise HistoryUnproven(answer[0].decode())
        return answer

    async def _joined(self, call: Call, limit: int) -> Any:
        """Ask together with others: one batch is under way, the next one gathers."""
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._wanted.append((call, limit, answered))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        return await answered

    async def _ask_all(self) -> None:
        try:
            while self._wanted:
                entries = count = 0
                while count < len(self._wanted) and entries < BATCH_ENTRIES:
                    entries += self._wanted[count][1]
                    count += 1
                batch, self._wanted = self._wanted[:count], self._wanted[count:]
                await self._answer([(call, answered) for call, _, answered in batch if not answered.done()])
        finally:
            self._asking = None

    async def _answer(self, batch: Sequence[tuple[Call, asyncio.Future[Any]]]) -> None:
        answers: Sequence[Any]
        try:
            answers = await run_scripts(self._line, [call for call, _ in batch]) if batch else []
        except StoreUnavailable as error:
            batch = [
                *batch,
                *((call, answered) for call, _, answered in self._wanted),
            ]  # nobody waits longer for the same
            self._wanted = []
            answers = [error] * len(batch)
        for (_, answered), answer in zip(batch, answers, strict=True):
            if answered.done():
                continue
            if isinstance(answer, Exception):
                refused = answer if isinstance(answer, GatewayError) else StoreUnavailable("Redis refused a step")
                answered.set_exception(refused)
            else:
                answered.set_result(answer)


def _entries(packed: bytes) -> list[HistoryEntry]:
    try:
        return unpack(packed)
    except msgspec.DecodeError:
        raise HistoryUnproven("damaged") from None
