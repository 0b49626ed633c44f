"""A bug that one client meets is that client's alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from fakeredis import FakeAsyncRedis
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from gateway.store.connections import ConnectionRecord, ConnectionStore
from gateway.transport import doorstep
from tests.transport.ground import standing
from tests.transport.raw import HANDSHAKE

CONNECTED = 4


class Buggy(ConnectionStore):
    """A store with a bug in it."""

    async def find(self, connection_key: str) -> ConnectionRecord | None:
        raise ZeroDivisionError


async def test_a_bug_while_a_client_is_let_in_costs_that_client_alone(caplog: pytest.LogCaptureFixture) -> None:
    """It is dropped with 1011, the log has the traceback, and whoever else is there stays."""
    async with standing() as ground:
        address = f"{ground.url}?accessToken={ground.token()}"
        async with connect(address) as other:
            assert json.loads(await other.recv())["action"] == CONNECTED
            ground.house.connections = Buggy(FakeAsyncRedis(), 2.0)

            async with connect(f"{address}&resume=twelve-chars!and-16-letters-x") as unlucky:
                with pytest.raises(ConnectionClosedError) as closed:
                    await unlucky.recv()
            await other.send('{"action":0,"id":"still here"}')

            assert closed.value.rcvd.code == 1011
            assert json.loads(await other.recv())["id"] == "still here"
            assert "ZeroDivisionError" in caplog.text


async def test_a_bug_on_the_doorstep_costs_that_client_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket is closed, the log has the traceback, and those who wait behind it are let in."""
    async with standing() as ground:
        request = HANDSHAKE.format(query=f"accessToken={ground.token()}").encode()
        with monkeypatch.context() as patched:
            patched.setattr(doorstep, "read_handshake", _fail_once(doorstep.read_handshake))
            clients = [await asyncio.open_connection("127.0.0.1", ground.port) for _ in range(3)]
            for _, writer in clients:
                writer.write(request)
            heads = [await _head(reader) for reader, _ in clients]
        for _, writer in clients:
            writer.transport.abort()

    assert sorted(head[:12] for head in heads) == [b"", b"HTTP/1.1 101", b"HTTP/1.1 101"]
    assert "ZeroDivisionError" in caplog.text


def _fail_once(work: Callable[[bytes], object]) -> Callable[[bytes], object]:
    outcomes = iter([True])

    def failing(data: bytes) -> object:
        if next(outcomes, False):
            raise ZeroDivisionError
        return work(data)

    return failing


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return b""
