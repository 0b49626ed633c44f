"""
Cursors: where a device's reading of a channel stands, kept for those who keep nothing themselves.

All that is kept of one client of one app lies in one slot, so that each step is atomic in a cluster too:

    lastmile:cursors:{DIGEST}            cursor → when it was last given time (sorted)
                             :who        the app and the client; keys of Redis hold digests of these only
                             :swept      while it is there, nothing old is looked for
                             :at:CURSOR  channel → "milliseconds owner serial", with "~" before a serial at which a device only began

Each cursor ends by itself, `cursors.ttl_seconds` after the last write to any of its channels; a channel to which nothing
was written for so long counts as none. There is no table of all clients: an operator's listing walks over Redis' keys.

**Beginnings.** Who looks up what is not there leaves the position at which he begins, in the same step. So a device that is
told ATTACHED has a position, and one that comes back before it was heard of begins there again.

**Ownership.** Looking a position up makes who looks its owner, and only the owner's positions are taken; so an edge that
does not know yet that a device has come back elsewhere moves nothing under it. A cursor that is gone, since Redis was
emptied, belongs to whoever saves next.

**Never back.** Of two positions of one life of a topic the later one stays, in whatever order they come: `cursor.lua`.

**Few commands.** Redis runs one script for what lies in many cursors, and in it two commands for each of these, whatever
the number of its channels; in a cluster, one script for each client.

Source: PROTOCOL.md section 4; architecture.md, "Confirmed positions, cursors, receipts".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple, cast

import msgspec
from redis.asyncio import RedisCluster

from gateway.core.look_ups import Kept
from gateway.errors import StoreUnavailable, TooManyCursors
from gateway.settings import CursorSettings
from gateway.store.joined import Joined
from gateway.store.keyspace import Keyspace
from gateway.store.redis import Client, Line
from gateway.store.script import Call, load_script

PREFIX = "lastmile:cursors:"
CHANNELS_A_CALL = 200  # a script keeps everybody else waiting while it runs

_cursor = load_script("cursor")
_remove = load_script("cursor_remove")
_LOOK_UP, _BEGUN = "?", "~"
_decode_who = msgspec.msgpack.Decoder(tuple[str, str]).decode
_REFUSED = {
    b"cursors": "this client has as many cursors as it may have; use one name for each device, or have old ones removed",
    b"channels": "this cursor has as many channels as it may have; have those removed that are no longer read",
}


class CursorPlace(NamedTuple):
    """Whose reading of what."""

    app_id: str
    client_id: str
    cursor: str
    channel: str


class CursorEntry(NamedTuple):
    """
    One position that is kept.

    Args:
        serial: None where a device attached and nothing was confirmed yet, not even that it heard so.
    """

    cursor: str
    channel: str
    serial: str | None
    updated_at_ms: int

    def shown(self) -> dict[str, str | int | None]:
        """As operators see it."""
        return dict(zip(("cursor", "channel", "serial", "updatedAt"), self, strict=True))


class ClientPage(NamedTuple):
    """
    Some clients that have cursors, in no order.

    Args:
        after: Where the next page begins; None: this was the last.
    """

    clients: list[str]
    after: str | None


class CursorStore:
    """
    The cursors of all edges. What is asked for within one turn of the loop goes to Redis together.

    Args:
        redis: From `gateway.store.redis.connect`.
        timeout_seconds: Deadline of every call.
        settings: How many are kept, and for how long.
    """

    def __init__(self, redis: Client, timeout_seconds: float, settings: CursorSettings) -> None:
        self._line = Line(redis, timeout_seconds)
        self._joined = Joined(self._line, timeout_seconds)
        self._keyspace = Keyspace(self._line)
        self._is_cluster = isinstance(redis, RedisCluster)
        self._bounds = (round(settings.ttl_seconds * 1000), settings.per_client, settings.channels_per_cursor)

    async def find_many(
        self, places: Sequence[tuple[CursorPlace, str]], owner: str
    ) -> list[Kept | TooManyCursors | None]:
        """
        Look positions up, and become the owner of them.

        Args:
            places: Where, and the serial at which it begins from now on if there is none, each; empty: at none.
            owner: A word without blanks that nobody else uses, such as a connection id; for every attach another one
                where the older attachment of the same connection may still be saving.

        Returns:
            For each place what is kept; None: nothing was; or why nothing can be kept there.

        Raises:
            StoreUnavailable: If Redis does not answer in time.
        """
        asked = [(place, _LOOK_UP + begin) for place, begin in places]
        return [_found(answer) for answer in await self._run(asked, owner)]

    async def save_many(self, positions: Sequence[tuple[CursorPlace, str]], owner: str) -> None:
        """
        Keep positions; those that come too late, or not from their owner, change nothing.

        A position that has not moved may be saved again, so that its cursor does not end while a device is there.

        Args:
            positions: Where, and the serial up to which the device has everything, each.

        Raises:
            StoreUnavailable: If Redis does not answer in time; some may have been kept then.
        """
        for answer in await self._run(positions, owner):
            if isinstance(answer, Exception):
                raise StoreUnavailable("Redis refused a step") from answer

    async def of_client(self, app_id: str, client_id: str) -> list[CursorEntry]:
        """
        Everything that is kept of a client, by cursor and channel.

        Raises:
            StoreUnavailable: If Redis does not answer in time.
        """
        cursors = await self._cursors(app_id, client_id)
        pipeline = self._line.redis.pipeline(transaction=False)
        for cursor in cursors:
            pipeline.hgetall(_keys(app_id, client_id, cursor)[3])
        kept: Sequence[dict[bytes, bytes]] = await self._line.ask(pipeline.execute()) if cursors else []
        return sorted(
            _entry(cursor, channel, value)
            for cursor, channels in zip(cursors, kept, strict=True)
            for channel, value in channels.items()
        )

    async def clients(self, app_id: str, after: str, limit: int) -> ClientPage:
        """
        Clients that have cursors.

        It walks over all keys of Redis, so it takes its time. Who comes or goes meanwhile may be seen, also twice, or not.

        Args:
            after: The `ClientPage.after` of the page before; empty: from the beginning.
            limit: About how many; a page ends too when many keys were looked at, and may then be empty.

        Raises:
            BadParameter: If *after* is no such text.
            StoreUnavailable: If Redis does not answer in time.
        """
        page = await self._keyspace.page(f"{PREFIX}*:who", after, limit)
        whose = await self._keyspace.values(page.keys)
        found = [_who(value) for value in whose if value is not None]
        return ClientPage([client_id for app, client_id in found if app == app_id], page.after)

    async def remove(self, app_id: str, client_id: str, cursor: str | None = None, channel: str | None = None) -> int:
        """
        Forget positions of a client: all, those of a cursor, those of a channel.

        A device that is attached meanwhile goes on, and its next confirmed position is kept anew.

        Returns:
            How many there were.

        Raises:
            StoreUnavailable: If Redis does not answer in time; some may be gone then.
        """
        cursors = [cursor] if cursor is not None else await self._cursors(app_id, client_id)
        calls = [
            Call(_remove, _keys(app_id, client_id, name), (name, *([] if channel is None else [channel])))
            for name in cursors
        ]
        removed = 0
        for answer in await self._joined.run(calls):
            if isinstance(answer, Exception):
                raise StoreUnavailable("Redis refused a step") from answer
            removed += answer
        return removed

    async def close(self) -> None:
        """End everything that is under way."""
        await self._line.close()

    async def _run(self, positions: Sequence[tuple[CursorPlace, str]], owner: str) -> list[Any]:
        """Returns: an answer for each position, in their order."""
        parts = list(self._parts(positions))
        calls = [self._call([positions[at] for at in part], owner) for part in parts]
        answers: list[Any] = [None] * len(positions)
        for part, answer in zip(parts, await self._joined.run(calls), strict=True):
            for nth, at in enumerate(part):
                answers[at] = answer if isinstance(answer, Exception) else answer[nth]
        return answers

    def _parts(self, positions: Sequence[tuple[CursorPlace, str]]) -> Iterator[list[int]]:
        """What one call each is for, cursor by cursor; in a cluster all keys of a call must lie in one slot."""
        grouped: dict[tuple[str, str], dict[str, list[int]]] = {}
        for at, (place, _) in enumerate(positions):
            grouped.setdefault(place[:2], {}).setdefault(place.cursor, []).append(at)
        part: list[int] = []
        client = None
        for at in (at for cursors in grouped.values() for same in cursors.values() for at in same):
            before, client = client, positions[at][0][:2]
            if len(part) == CHANNELS_A_CALL or (part and self._is_cluster and client != before):
                yield part
                part = []
            part.append(at)
        if part:
            yield part

    def _call(self, positions: Sequence[tuple[CursorPlace, str]], owner: str) -> Call:
        keys: list[str] = []
        arguments: list[str | bytes | int] = [owner, *self._bounds]
        for (app_id, client_id, cursor), same in groupby(positions, key=lambda position: position[0][:3]):
            keys += _keys(app_id, client_id, cursor)
            flat = [text for place, serial in same for text in (place.channel, serial)]
            arguments += [cursor, msgspec.msgpack.encode((app_id, client_id)), len(flat) // 2, *flat]
        return Call(_cursor, keys, arguments)

    async def _cursors(self, app_id: str, client_id: str) -> list[str]:
        names = await self._line.ask(self._line.redis.zrange(_slot(app_id, client_id), 0, -1))
        return [name.decode() for name in cast("list[bytes]", names)]


def _found(answer: Any) -> Kept | TooManyCursors | None:
    if isinstance(answer, Exception):
        raise StoreUnavailable("Redis refused a step") from answer
    if answer in _REFUSED:
        return TooManyCursors(_REFUSED[answer])
    serial = answer.decode()
    return Kept(serial.removeprefix(_BEGUN), serial.startswith(_BEGUN)) if serial else None


def _entry(cursor: str, channel: bytes, value: bytes) -> CursorEntry:
    at_ms, _, serial = value.decode().split(" ", 2)
    is_heard = serial and not serial.startswith(_BEGUN)
    return CursorEntry(cursor, channel.decode(), serial if is_heard else None, int(at_ms))


def _who(value: bytes) -> tuple[str, str]:
    """Whose it is; a value that is none of ours is nobody's."""
    try:
        return _decode_who(value)
    except msgspec.DecodeError:
        return "", ""


def _keys(app_id: str, client_id: str, cursor: str) -> tuple[str, str, str, str]:
    slot = _slot(app_id, client_id)
    return slot, f"{slot}:who", f"{slot}:swept", f"{slot}:at:{cursor}"


@lru_cache(maxsize=4096)  # who is attached saves again and again
def _slot(app_id: str, client_id: str) -> str:
    """Client ids are people, and may be any text; an app's id has no NUL."""
    whose = hashlib.sha256(f"{app_id}\x00{client_id}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"{PREFIX}{{{whose[:40]}}}"
