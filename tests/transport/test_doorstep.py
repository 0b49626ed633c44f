"""Handshakes that come in one segment, and the front door for all others."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from gateway.transport.doorstep import Doorstep, read_handshake
from gateway.transport.handshake import upgrade_response
from tests.transport.ground import Ground, standing
from tests.transport.raw import HANDSHAKE, Raw, frame

GOOD = HANDSHAKE.format(query="format=json&v=3").encode()


def test_a_whole_handshake_is_read() -> None:
    found = read_handshake(GOOD)

    assert found is not None
    assert found.query == b"format=json&v=3"
    assert (b"host", b"127.0.0.1") in found.headers
    assert found.response == upgrade_response(b"GET", found.headers)
    assert found.rest == b""


def test_what_comes_behind_it_is_kept() -> None:
    found = read_handshake(GOOD + b"\x81\x80abcd")

    assert found is not None
    assert found.rest == b"\x81\x80abcd"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(GOOD[:-1], id="not whole"),
        pytest.param(GOOD.replace(b"GET", b"POST"), id="not a GET"),
        pytest.param(GOOD.replace(b"websocket", b"h2c"), id="another upgrade"),
        pytest.param(GOOD.replace(b"Connection: Upgrade", b"Connection: close"), id="no upgrade"),
        pytest.param(GOOD.replace(b"Version: 13", b"Version: 8"), id="an old version"),
        pytest.param(GOOD.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), id="a bad key"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="plain HTTP"),
        pytest.param(b"GET nonsense\r\n\r\n", id="no HTTP"),
    ],
)
def test_everything_else_is_for_the_front_door(data: bytes) -> None:
    assert read_handshake(data) is None


@pytest.mark.parametrize("cut", [1, 40, len(GOOD) - 1])
async def test_a_handshake_in_two_segments_is_taken_too(cut: int) -> None:
    async with standing() as ground:
        reader, writer = await asyncio.open_connection("127.0.0.1", ground.port)
        request = HANDSHAKE.format(query=f"accessToken={ground.token()}").encode()
        writer.write(request[:cut])
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(request[cut:])
        head = await reader.readuntil(b"\r\n\r\n")
        got = await Raw(reader, writer).read()
        writer.transport.abort()

    assert head.startswith(b"HTTP/1.1 101 ")
    assert got is not None
    assert b'"action":4' in got.payload


async def test_a_frame_in_the_same_segment_as_the_handshake_is_answered() -> None:
    async with standing() as ground:
        reader, writer = await asyncio.open_connection("127.0.0.1", ground.port)
        request = HANDSHAKE.format(query=f"accessToken={ground.token()}").encode()
        writer.write(request + frame(1, b'{"action":0,"id":"here"}'))
        await reader.readuntil(b"\r\n\r\n")
        raw = Raw(reader, writer)
        got = [await raw.read(), await raw.read()]
        writer.transport.abort()

    assert [b'"action":4' in one.payload if one else None for one in got] == [True, False]
    assert got[1] is not None
    assert b'"id":"here"' in got[1].payload


class ClosedLobby:
    """Where everybody waits until the test lets them in."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.waiting: list[Doorstep] = []
        ground.house.lobby = self  # type: ignore[assignment]  # its only use is `add`

    def add(self, doorstep: Doorstep) -> None:
        if doorstep not in self.waiting:
            self.waiting.append(doorstep)

    async def join(self, said: bytes | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client comes, and has been heard when this returns."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ground.port)
        before = len(self.waiting)
        writer.write(said or HANDSHAKE.format(query=f"accessToken={self.ground.token()}").encode())
        async with asyncio.timeout(10):
            while len(self.waiting) == before:
                await asyncio.sleep(0.001)
        return reader, writer

    def let_in(self) -> None:
        for doorstep in self.waiting:
            doorstep.enter()


async def test_who_waits_in_the_lobby_is_not_late() -> None:
    """The deadline is for saying something; whoever has is let in however long that takes."""
    async with standing(handshake_timeout_seconds=1.0) as ground:
        lobby = ClosedLobby(ground)
        reader, writer = await lobby.join()
        silent, silent_writer = await asyncio.open_connection("127.0.0.1", ground.port)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(silent.read(), 10) == b""  # it came later, and was late
        lobby.let_in()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        for one in (writer, silent_writer):
            one.transport.abort()

    assert head.startswith(b"HTTP/1.1 101 ")


async def test_who_leaves_the_lobby_is_not_let_in() -> None:
    async with standing() as ground:
        lobby = ClosedLobby(ground)
        _, writer = await lobby.join()
        writer.transport.abort()
        reader, other = await lobby.join()
        lobby.let_in()
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)

        assert len(ground.house.devices) == 1
        other.transport.abort()


async def test_more_than_a_head_may_have_is_not_read_in_the_lobby() -> None:
    """It stays with the client, and is refused when it is its turn."""
    said = b"GET /?" + b"x" * (64 << 20)
    async with standing(request_head_max_bytes=4096) as ground:
        lobby = ClosedLobby(ground)
        reader, writer = await lobby.join(said)
        others = [await lobby.join() for _ in range(10)]
        unread_bytes = writer.transport.get_write_buffer_size()
        lobby.let_in()
        with contextlib.suppress(ConnectionResetError):
            assert b" 431 " in await asyncio.wait_for(reader.read(), 10)
        for one in (writer, *(other for _, other in others)):
            one.transport.abort()

    assert unread_bytes > len(said) // 2
