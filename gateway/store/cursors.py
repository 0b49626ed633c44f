"""
Cursors: where a device's reading of a channel stands, kept for those who keep nothing themselves.

All that is kept of one client of one app lies in one slot, so that each step is atomic in a cluster too:

    lastmile:cursors:{DIGEST}            cursor → when it was last given time (sorted)
                             :who        the app and the client; keys of Redis hold digests of these only
                             :swept      while it is there, nothing old is looked for
                             :at:CURSOR  channel → "milliseconds owner serial"

Each cursor ends by itself, `cursors.ttl_seconds` after the last write to any of its channels; a channel to which nothing
was written for so long counts as none. There is no table of all clients: an operator's listing walks over Redis' keys.

**Ownership.** Looking a position up makes who looks its owner, and only the owner's positions are taken; so an edge that
does not know yet that a device has come back elsewhere moves nothing under it. A cursor that is gone, since Redis was
emptied, belongs to whoever saves next.

**Never back.** Of two positions of one life of a topic the later one stays, in whatever order they come: `cursor.lua`.

Source: PROTOCOL.md section 4; architecture.md, "Confirmed positions, cursors, receipts".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import msgspec

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
_LOOK_UP = ""
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
        serial: None where a device attached and nothing was confirmed yet.
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
        self._bounds = (round(settings.ttl_seconds * 1000), settings.per_client, settings.channels_per_cursor)

    async def find_many(self, places: Sequence[CursorPlace], owner: str) -> list[str | TooManyCursors | None]:
        """
        Look positions up, and become the owner of them.

        Args:
            owner: A word without blanks that nobody else uses, such as a connection id; for every attach another one
                where the older attachment of the same connection may still be saving.

        Returns:
            For each place its serial; None: none is kept; or why none can be kept there.

        Raises:
            StoreUnavailable: If Redis does not answer in time.
        """
        return [_found(answer) for answer in await self._run([(place, _LOOK_UP) for place in places], owner)]

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
        """One call for what lies in one cursor. Returns: an answer for each position, in their order."""
        grouped: dict[tuple[str, str, str], list[int]] = {}
        for at, (place, _) in enumerate(positions):
            grouped.setdefault(place[:3], []).append(at)
        asked = [
            (whose, same[start : start + CHANNELS_A_CALL])
            for whose, same in grouped.items()
            for start in range(0, len(same), CHANNELS_A_CALL)
        ]
        calls = [
            self._call(whose, [(positions[at][0].channel, positions[at][1]) for at in part], owner)
            for whose, part in asked
        ]
        answers: list[Any] = [None] * len(positions)
        for (_, part), answer in zip(asked, await self._joined.run(calls), strict=True):
            for nth, at in enumerate(part):
                answers[at] = answer if isinstance(answer, Exception) else answer[nth]
        return answers

    def _call(self, whose: tuple[str, str, str], pairs: Sequence[tuple[str, str]], owner: str) -> Call:
        app_id, client_id, cursor = whose
        who = msgspec.msgpack.encode((app_id, client_id))
        flat = [text for pair in pairs for text in pair]
        return Call(_cursor, _keys(app_id, client_id, cursor), (cursor, owner, who, *self._bounds, *flat))

    async def _cursors(self, app_id: str, client_id: str) -> list[str]:
        names = await self._line.ask(self._line.redis.zrange(_slot(app_id, client_id), 0, -1))
        return [name.decode() for name in cast("list[bytes]", names)]


def _found(answer: Any) -> str | TooManyCursors | None:
    if isinstance(answer, Exception):
        raise StoreUnavailable("Redis refused a step") from answer
    if answer in _REFUSED:
        return TooManyCursors(_REFUSED[answer])
    return answer.decode() if answer else None


def _entry(cursor: str, channel: bytes, value: bytes) -> CursorEntry:
    at_ms, _, serial = value.decode().split(" ", 2)
    return CursorEntry(cursor, channel.decode(), serial or None, int(at_ms))


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
