"""
The first bytes of a TCP connection: mostly one whole WebSocket handshake, which needs no HTTP server.

    the lobby                            where all who have spoken wait in a row: a crowd is let in bit by bit, between
                                         what is live for those who are in
    one segment with a whole handshake   ─▶ a device
    anything else                        ─▶ the front door, which has patience and says what is wrong

What uvicorn sets up for HTTP was two thirds of a connection's memory (docs/performance.md), and ten thousand clients
that come back would each have it set up for nothing.

Source: RFC 6455 section 4.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import httptools

from gateway.transport.device import Device
from gateway.transport.front_door import FrontDoor
from gateway.transport.gate import Admission, peer_of
from gateway.transport.handshake import Headers, UpgradeRefused, upgrade_response
from gateway.transport.proxied import BadProxyHeader, read_proxy_header

if TYPE_CHECKING:
    from gateway.transport.house import House


class Handshake(NamedTuple):
    """A handshake that can be accepted: the answer to it, what it asks for, and what came behind it."""

    response: bytes
    query: bytes
    headers: Headers
    rest: bytes


class Doorstep(asyncio.Protocol):
    """
    One TCP connection until something has come over it.

    Args:
        house: The edge's.
        timeout_seconds: For a request to be whole, whoever reads it.
        max_head_bytes: Of request line and headers together.
        front_door: Makes what serves everything but plain handshakes.
        uvicorn: What uvicorn passes to its protocols.
    """

    __slots__ = (
        "_admission",
        "_door",
        "_front_door",
        "_heard",
        "_house",
        "_max_head_bytes",
        "_proxy_header",
        "_timeout_seconds",
        "_transport",
        "_uvicorn",
    )

    def __init__(
        self,
        house: House,
        timeout_seconds: float,
        max_head_bytes: int,
        front_door: Callable[..., FrontDoor],
        **uvicorn: Any,
    ) -> None:
        self._house = house
        self._timeout_seconds = timeout_seconds
        self._max_head_bytes = max_head_bytes
        self._front_door = front_door
        self._uvicorn: dict[str, Any] | None = uvicorn
        self._transport: asyncio.Transport | None = None
        self._door: FrontDoor | None = None
        self._admission: Admission | None = None
        self._heard = b""  # while it waits in the lobby
        self._proxy_header: bytes | None = None  # as much as has come of it; None: there is none to come

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # narrowed
        """A client has come: it has so long to say what it wants."""
        self._transport = transport
        gate = self._house.gate
        if gate.speaks_proxy:
            self._proxy_header = b""
            if not gate.may_speak_proxy(peer_of(transport)):
                transport.abort()
                return
        else:
            self._admission = gate.admission_of(transport)
            if self._admission is None:
                transport.abort()
                return
        if self._uvicorn is not None:
            self._uvicorn["server_state"].connections.add(self)
        self._house.wheel.at(self._house.loop.time() + self._timeout_seconds, self._expire)

    def connection_lost(self, exc: Exception | None) -> None:
        """It left without a word."""
        self._house.gate.leave(self._admission)
        self._step_aside()

    def abort(self) -> None:
        """End the connection now, whoever has its socket by now."""
        transport = self._transport
        self._step_aside()
        if transport is not None:
            transport.abort()

    def shutdown(self) -> None:
        """Uvicorn is going down: nothing was asked yet, so nothing is owed."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """The client waits until it is its turn."""
        if self._proxy_header is not None:
            data = self._read_proxy_header(self._proxy_header + data)
            if not data:
                return
        self._heard += data
        self._house.lobby.add(self)
        if len(self._heard) > self._max_head_bytes and self._transport is not None:
            self._transport.pause_reading()

    def enter(self) -> None:
        """See what the client wants, and hand its socket on."""
        data, self._heard = self._heard, b""
        transport, uvicorn = self._transport, self._uvicorn
        if transport is None or uvicorn is None:
            return  # it has not waited
        if len(data) > self._max_head_bytes:
            transport.resume_reading()
        handshake = read_handshake(data) if len(data) <= self._max_head_bytes else None
        if handshake is None:
            door = self._door = self._front_door(**uvicorn)
            door.admission = self._admission
            transport.set_protocol(door)
            door.connection_made(transport)
            door.data_received(data)
        else:
            device = Device(self._house)
            device.admission = self._admission
            transport.set_protocol(device)
            device.write(handshake.response)  # it leaves together with CONNECTED
            device.begin(transport, handshake.query, handshake.headers)
            if handshake.rest:
                device.data_received(handshake.rest)
        self._step_aside()

    def _read_proxy_header(self, data: bytes) -> bytes:
        """Returns: what the client itself has sent behind it."""
        transport, gate = self._transport, self._house.gate
        if transport is None:
            return b""
        try:
            header = read_proxy_header(data)
        except BadProxyHeader:
            transport.abort()
            return b""
        if header is None:
            self._proxy_header = data
            return b""
        self._proxy_header = None
        self._admission = gate.admit(header.visitor or peer_of(transport))
        if self._admission is None:
            transport.abort()
            return b""
        return data[header.length :]

    def _step_aside(self) -> None:
        if self._uvicorn is not None:
            self._uvicorn["server_state"].connections.discard(self)
            self._uvicorn = None
        self._transport = None

    def _expire(self, _now: float) -> None:
        if self._transport is not None:
            if not self._heard:  # who waits in the lobby has done what was asked
                self._transport.abort()
        elif self._door is not None and self._door.is_new:
            self._door.transport.abort()


class _Request:
    """What the parser finds."""

    __slots__ = ("headers", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def read_handshake(data: bytes) -> Handshake | None:
    """
    Read a WebSocket handshake that *data* begins with.

    Returns:
        None if it is not whole, or not acceptable as it stands: the front door sees to it then.
    """
    if not data.startswith(b"GET ") or b"\r\n\r\n" not in data:
        return None
    request = _Request()
    parser = httptools.HttpRequestParser(request)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade as upgrade:
        if (b"upgrade", b"websocket") not in request.headers:
            return None
        try:
            response = upgrade_response(b"GET", request.headers)
        except UpgradeRefused:
            return None
        return Handshake(response, request.url.partition(b"?")[2], request.headers, data[upgrade.args[0] :])
    except httptools.HttpParserError:
        return None
    return None
