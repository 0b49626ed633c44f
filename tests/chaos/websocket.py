"""The client's end of a WebSocket, as small as it can be: RFC 6455 without fragments and extensions."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
from collections.abc import Callable

RECEIVE_BUFFER_BYTES = 4096  # small, so that who does not read is noticed soon
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class WebSocket(asyncio.Protocol):
    """
    One transport.

    Args:
        path: With query.
        on_frame: Called with the payload of each message.
    """

    def __init__(self, path: str, on_frame: Callable[[bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self._path = path
        self._on_frame = on_frame
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self.is_over = False
        self.is_paused = False
        self.heard_at = loop.time()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    async def connect(self, port: int, *, deadline_seconds: float) -> None:
        """
        Connect to a port of loopback; frames may come before this returns.

        Raises:
            OSError: If nobody is there, or it is no WebSocket.
            TimeoutError: If the handshake takes too long.
        """
        loop = asyncio.get_running_loop()
        end = socket.socket()
        try:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            end.setblocking(False)
            async with asyncio.timeout(deadline_seconds):
                await loop.sock_connect(end, ("127.0.0.1", port))
        except BaseException:
            end.close()
            raise
        await loop.create_connection(lambda: self, sock=end)
        async with asyncio.timeout(deadline_seconds):
            await asyncio.shield(self.opened)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self.is_over:
            transport.abort()
            return
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self.heard_at = asyncio.get_running_loop().time()
        if not self.opened.done() and not self._take_head():
            return
        while not self.is_over and self._take_frame():
            pass

    def connection_lost(self, error: Exception | None) -> None:
        self.is_over = True
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("the server closed before the handshake was over"))
            self.opened.exception()  # seen, for who no longer waits
        if not self.ended.done():
            self.ended.set_result(None)

    def send(self, payload: bytes, *, is_binary: bool) -> None:
        """Send one message."""
        self._send(BINARY if is_binary else TEXT, payload)

    def abort(self) -> None:
        """Go away without a word; what comes is nobody's."""
        self.is_over = True
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Read nothing: buffers fill up behind it."""
        if self._transport is not None and not self.is_over and not self.is_paused:
            self.is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """End `pause`."""
        if self.is_paused:
            self.is_paused = False
            self.heard_at = asyncio.get_running_loop().time()
            if self._transport is not None and not self.is_over:
                self._transport.resume_reading()

    # ------------------------------------------------------------------ frames

    def _take_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self._buffer.startswith(b"HTTP/1.1 101 "):
            self.abort()
            return False
        del self._buffer[: end + 4]
        self.opened.set_result(None)
        return True

    def _take_frame(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        size, start = buffer[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return False
            size = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + size:
            return False
        first, payload = buffer[0], bytes(buffer[start : start + size])
        del buffer[: start + size]
        if not first & 0x80:
            raise ValueError("a fragment came, which this server does not send")
        self._take(first & 15, payload)
        return True

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode in (TEXT, BINARY):
            self._on_frame(payload)
        elif opcode == PING:
            self._send(PONG, payload)
        elif opcode == CLOSE and self._transport is not None:
            self._transport.close()

    def _send(self, opcode: int, payload: bytes) -> None:
        if self.is_over or self._transport is None or self._transport.is_closing():
            return
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        else:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        self._transport.write(head + bytes(4) + payload)  # masked with zeros
