"""Thousands of clients in one process that only watch: what came, when each was told to go, and what came after that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import msgspec
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Side
from websockets.protocol import Protocol as FrameReader

OPENED_AT_ONCE = 50
DEADLINE_SECONDS = 120.0
CONNECTED, DISCONNECTED, ATTACHED, MESSAGE = 4, 6, 11, 15


class _Said(msgspec.Struct, rename="camel"):
    """Of a protocol message, what is looked at."""

    action: int
    messages: list[dict[str, object]] = []
    error: dict[str, object] | None = None


_read = msgspec.json.Decoder(_Said).decode


class Watcher(asyncio.Protocol):
    """
    One client on one channel.

    Args:
        token: Whose it is.
        channel: What it attaches to.
    """

    def __init__(self, token: str, channel: str) -> None:
        self._token = token
        self._channel = channel
        self._head: bytearray | None = bytearray()
        self._frames = FrameReader(Side.CLIENT, state=OPEN)
        self.attached = asyncio.Event()
        self.gone = asyncio.Event()
        self.data: list[object] = []
        self.code: object = None
        self.told_at = 0.0
        self.after = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for an upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(
            f"GET /?v=6&format=json&accessToken={self._token} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._head is not None:
            self._head += data
            head, found, data = bytes(self._head).partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._head = None
        self._frames.receive_data(data)
        for frame in self._frames.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode is Opcode.TEXT:
                self._take(_read(bytes(frame.data)))
        self._transport.write(b"".join(self._frames.data_to_send()))

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        self.gone.set()

    def close(self) -> None:
        """Leave, without a word."""
        self._transport.abort()

    def _take(self, said: _Said) -> None:
        if self.told_at:
            self.after += 1
        elif said.action == CONNECTED:
            self._frames.send_text(b'{"action":10,"channel":"%s"}' % self._channel.encode())
        elif said.action == ATTACHED:
            self.attached.set()
        elif said.action == MESSAGE:
            self.data.extend(message["data"] for message in said.messages)
        elif said.action == DISCONNECTED and said.error is not None:
            self.code = said.error["code"]
            self.told_at = time.monotonic()


class Watchers:
    """
    Clients of one edge.

    Args:
        port: Of the edge.
        clients: Token and channel of each.
    """

    def __init__(self, port: int, clients: Sequence[tuple[str, str]]) -> None:
        self._port = port
        self._clients = clients
        self._running = AsyncExitStack()
        self.all: list[Watcher] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(DEADLINE_SECONDS):
            for at in range(0, len(self._clients), OPENED_AT_ONCE):
                some = self._clients[at : at + OPENED_AT_ONCE]
                made = [Watcher(token, channel) for token, channel in some]
                for watcher in made:
                    await loop.create_connection(lambda watcher=watcher: watcher, "127.0.0.1", self._port)
                    self._running.callback(watcher.close)
                self.all += made
                for watcher in made:
                    await watcher.attached.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    async def until_gone(self, watchers: Sequence[Watcher]) -> None:
        """Wait until all of these have lost their connections."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            for watcher in watchers:
                await watcher.gone.wait()

    async def until_got(self, watchers: Sequence[Watcher], data: object) -> None:
        """Wait until each of these has got this."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            for watcher in watchers:
                while not watcher.data or watcher.data[-1] != data:
                    await asyncio.sleep(0.02)
