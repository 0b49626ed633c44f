"""
Connections that can be resumed, on any edge: key → who it was.

A connection key is a secret: whoever shows it goes on as that connection. So Redis holds its digest only, and a copy of
Redis resumes nothing. Each connection is one Redis key of its own, and each command names one of them, so a cluster may
spread them as it likes.

When thousands of clients come back at once their look-ups are joined: one batch is under way, the next one gathers.

Source: PROTOCOL.md section 3; RTN15.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from gateway.errors import StoreUnavailable
from gateway.store.keyspace import Keyspace
from gateway.store.redis import Client, Line

PREFIX = "lastmile:connection:"
BATCH = 500
_NOT_ANSWERED = "the store of connections does not answer"


class ConnectionRecord(msgspec.Struct, frozen=True, array_like=True):
    """
    What must be known of a connection to resume it.

    Args:
        connection_id: Its public name.
        client_id: Whose it is; None if anonymous.
        app_id: The app whose credentials opened it.
        id_base: What the ids of the messages begin with that it publishes; None: its own.
        is_closed: Whether its client has ended it for good, so that nobody can resume it.
        positions: Where it stood on its channels, by the names that its client uses: serials.
    """

    connection_id: str
    client_id: str | None
    app_id: str
    id_base: str | None = None
    is_closed: bool = False
    positions: Mapping[str, str] = {}


_decode = msgspec.msgpack.Decoder(ConnectionRecord).decode
_encode = msgspec.msgpack.Encoder().encode


class ConnectionStore:
    """
    The connections of all edges.

    Args:
        redis: From `gateway.store.redis.connect`.
        timeout_seconds: Deadline of every call.
    """

    def __init__(self, redis: Client, timeout_seconds: float) -> None:
        self._redis = redis
        self._line = Line(redis, timeout_seconds)
        self._timeout_seconds = timeout_seconds
        self._wanted: dict[str, asyncio.Future[ConnectionRecord | None]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def find(self, connection_key: str) -> ConnectionRecord | None:
        """
        Look a connection up.

        Returns:
            None if there is no such connection, or no longer.

        Raises:
            StoreUnavailable: If Redis does not answer in time.
        """
        name = _name(connection_key)
        found = self._wanted.get(name)
        if found is None:
            found = self._wanted[name] = asyncio.get_running_loop().create_future()
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await asyncio.shield(found)
        except TimeoutError:
            raise StoreUnavailable(_NOT_ANSWERED) from None

    async def save_many(self, records: Sequence[tuple[str, ConnectionRecord]], ttl_seconds: float) -> None:
        """
        Keep connections for so long from now.

        Args:
            records: Connection key and what is known of it, each.

        Raises:
            StoreUnavailable: If Redis does not answer in time; some may have been kept then.
        """
        if records:
            ttl_ms = _milliseconds(ttl_seconds)
            pipeline = self._redis.pipeline(transaction=False)
            for connection_key, record in records:
                pipeline.execute_command("SET", _name(connection_key), _encode(record), "PX", ttl_ms)
            await self._line.ask(pipeline.execute())

    async def erase(self, app_id: str, client_id: str) -> int:
        """
        Forget all connections of a client, so that nobody can resume them. It walks over all keys of Redis.

        One that is open is written anew, sooner or later: its edge knows it.

        Returns:
            How many there were.

        Raises:
            StoreUnavailable: If Redis does not answer in time; some may be gone then.
        """
        keyspace = Keyspace(self._line)
        erased, after = 0, ""
        while True:
            page = await keyspace.page(f"{PREFIX}*", after, BATCH)
            values = await keyspace.values(page.keys)
            theirs = [
                name
                for name, record in zip(page.keys, map(_record, values), strict=True)
                if record is not None and (record.app_id, record.client_id) == (app_id, client_id)
            ]
            if theirs:
                pipeline = self._redis.pipeline(transaction=False)
                for name in theirs:
                    pipeline.execute_command("UNLINK", name)
                erased += sum(await self._line.ask(pipeline.execute()))
            if page.after is None:
                return erased
            after = page.after

    async def close(self) -> None:
        """End everything that is under way; who still waits gets no answer."""
        await self._line.close()

    async def _look(self) -> None:
        """Answer what is wanted, a batch at a time, until nothing is."""
        try:
            while self._wanted:
                names = list(self._wanted)[:BATCH]
                await self._answer({name: self._wanted.pop(name) for name in names})
        finally:
            self._looking = None

    async def _answer(self, wanted: Mapping[str, asyncio.Future[ConnectionRecord | None]]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for name in wanted:
            pipeline.get(name)
        try:
            values = await self._line.ask(pipeline.execute())
        except StoreUnavailable as error:
            for found in wanted.values():
                found.set_exception(error)
                found.exception()  # seen, for those who no longer wait
        else:
            for found, value in zip(wanted.values(), values, strict=True):
                found.set_result(_record(value))


def _record(value: bytes | None) -> ConnectionRecord | None:
    """What was kept; a value that is none of ours is no connection."""
    try:
        return None if value is None else _decode(value)
    except msgspec.DecodeError:
        return None


def _name(connection_key: str) -> str:
    return PREFIX + hashlib.sha256(connection_key.encode("utf-8", "surrogatepass")).hexdigest()


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
