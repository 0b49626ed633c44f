"""
Writing histories: one writer a partition, who shows its lease at every step.

    take      the lease, which ends by itself; tells where the history goes on
    begin     where there is none, or where it cannot go on
    write     steps: the messages between two offsets; also none, to keep the lease
    drop      when it may have holes; whoever writes it begins anew
    release   for the next one

The lease is looked at inside each step, so one who has lost it changes nothing, however late its step arrives. Tokens are
random: a counter would begin again after a FLUSHALL and give an old holder's number to a new one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from gateway.core.message import Message
from gateway.core.retention import Keep, Retention
from gateway.store.eviction import EvictionWatch
from gateway.store.history_entry import pack
from gateway.store.history_keys import HistoryPlace, lease_key, mark_ms, marks_key, slack_ms, state_key, stream_key
from gateway.store.redis import Client, Line
from gateway.store.script import Call, load_script, run_script, run_scripts

MEMBERS_PREFIX = "lastmile:historians:"

_take = load_script("history_take")
_begin = load_script("history_begin")
_write = load_script("history_write")
_drop = load_script("history_drop")
_release = load_script("lease_release")
_attend = load_script("attendance")


class Chapter(NamedTuple):
    """One message for a history: whose it is, where it was, and how much of its kind is kept."""

    offset: int
    channel: str
    message: Message
    keep: Keep


class Step(NamedTuple):
    """
    What lies between two offsets of a partition.

    Args:
        from_offset: Where its history goes on, as its writer knows.
        next_offset: Up to here it is whole then, whether there were messages or not.
        chapters: The messages, of offsets between these, ascending.
    """

    place: HistoryPlace
    from_offset: int
    next_offset: int
    chapters: Sequence[Chapter]


class Answer(NamedTuple):
    """
    What became of a step. All but `written` have changed nothing.

    Args:
        kind: `fenced`: somebody else has the lease · `missing`: there is no history · `elsewhere`: it goes on at
            *next_offset* · `refused` by Redis, which *error* says why.
    """

    kind: Literal["written", "fenced", "missing", "elsewhere", "refused"]
    next_offset: int | None = None
    error: str | None = None


class HistoryWriter:
    """
    Writes histories, as one of several who could.

    Args:
        redis: From `gateway.store.redis.connect`.
        timeout_seconds: Deadline of every round trip.
        retention: What is kept, by the settings.
        lease_seconds: How long a partition stays this writer's without a step; also how long it counts as there.
    """

    def __init__(self, redis: Client, timeout_seconds: float, retention: Retention, lease_seconds: float) -> None:
        self.token = secrets.token_hex(8)
        self.lease_seconds = lease_seconds
        self._line = Line(redis, timeout_seconds)
        self.retention = retention
        self.eviction = EvictionWatch(self._line)
        self._lease_ms = max(1, round(lease_seconds * 1000))
        self._members = MEMBERS_PREFIX + retention.fingerprint

    async def attend(self) -> int:
        """
        Say that this writer is there. Returns: how many are, of those with the same rules.

        Raises:
            StoreUnavailable: If Redis does not answer in time.
        """
        return int(await run_script(self._line, _attend, [self._members], self.token, self._lease_ms))

    async def leave(self) -> None:
        """
        Say that it is there no longer.

        Raises:
            StoreUnavailable: If Redis does not answer in time; it counts as gone after a while then.
        """
        await self._line.ask(self._line.redis.zrem(self._members, self.token))

    async def take(self, place: HistoryPlace) -> tuple[bool, int | None]:
        """
        Take a partition's lease.

        Returns:
            Whether it is ours; and where the history goes on, None if there is none.

        Raises:
            StoreUnavailable: If Redis does not answer in time.
        """
        state, lease, _ = self._keys(place)
        answer = await run_script(self._line, _take, [state, lease], self.token, self._lease_ms)
        return answer[0] == b"taken", int(answer[1]) if answer[1:] and answer[1] else None

    async def begin(self, place: HistoryPlace, floor: int, *, expected: int | None) -> Answer:
        """
        Begin a history at *floor*; from there on it is whole.

        Args:
            expected: Where it goes on now, by what we know: it is not begun over somebody's head.

        Raises:
            StoreUnavailable: If Redis does not answer in time, or refuses.
        """
        times = self.retention.milliseconds_of(place.topic)
        ttl_ms = times[-1] + 2 * slack_ms(times[-1])
        said = "" if expected is None else str(expected)
        return _answer(await run_script(self._line, _begin, self._keys(place), self.token, said, floor, ttl_ms, *times))

    async def write(self, steps: Sequence[Step]) -> list[Answer]:
        """
        Take steps, in one round trip. What was written already stays as it is, so a step may be repeated.

        Raises:
            StoreUnavailable: If Redis does not answer in time; some may have been taken then.
        """
        return [_answer(answer) for answer in await run_scripts(self._line, [self._call(step) for step in steps])]

    async def drop(self, place: HistoryPlace) -> None:
        """
        Forget how far a history goes, since it may have holes; if its lease is ours.

        Raises:
            StoreUnavailable: If Redis does not answer in time.
        """
        await run_script(self._line, _drop, self._keys(place), self.token)

    async def release(self, place: HistoryPlace) -> None:
        """
        Let the next one take the lease at once.

        Raises:
            StoreUnavailable: If Redis does not answer in time; the lease ends by itself then.
        """
        await run_script(self._line, _release, [self._keys(place)[1]], self.token)

    async def close(self) -> None:
        """End everything that is under way."""
        await self._line.close()

    def _call(self, step: Step) -> Call:
        place = step.place
        times = self.retention.milliseconds_of(place.topic)
        fingerprint = self.retention.fingerprint_of(place.topic)
        keys = self._keys(place)
        numbers: dict[str, int] = {}
        streams: list[int] = []
        messages: list[int] = []
        packed: list[bytes] = []
        for offset, channel, message, keep in step.chapters:
            number = numbers.get(channel)
            if number is None:
                number = numbers[channel] = len(numbers) + 1
                keys.append(stream_key(place, fingerprint, channel))
                streams += (times.index(keep.milliseconds) + 1, keep.messages)
            entry = pack(offset, message)
            messages += (number, offset, len(entry))
            packed.append(entry)
        longest_ms = times[-1]
        lasting = (self._lease_ms, mark_ms(longest_ms), slack_ms(longest_ms))
        texts = [" ".join(map(str, one)) for one in (times, streams, messages)]
        return Call(_write, keys, [self.token, step.from_offset, step.next_offset, *lasting, *texts, b"".join(packed)])

    def _keys(self, place: HistoryPlace) -> list[str]:
        fingerprint = self.retention.fingerprint_of(place.topic)
        return [state_key(place, fingerprint), lease_key(place, fingerprint), marks_key(place, fingerprint)]


def _answer(said: Any) -> Answer:
    if isinstance(said, Exception):
        return Answer("refused", error=str(said))
    kind = said[0].decode()
    next_offset = int(said[1]) if said[1:] and said[1] else None
    return Answer(kind, next_offset)
