"""
HTTP as uvicorn serves it, with the bounds it lacks, and the way to a WebSocket.

Uvicorn waits for ever for a request's head and takes one of any length, and it keeps an answer that nobody reads. Here
a request that is not whole after ``handshake_timeout_seconds``, or whose head is over ``request_head_max_bytes``, frees
its socket; so does an answer of which nothing was read for ``stall_timeout_seconds``.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.transport.gate import Admission, Gate, is_loopback
from gateway.transport.handshake import UpgradeRefused, upgrade_response

if TYPE_CHECKING:
    from gateway.transport.device import Device
    from gateway.transport.wheel import Wheel


class FrontDoor(HttpToolsProtocol):
    """
    One TCP connection until it is known what it wants.

    Args:
        gate: Knows who comes from where.
        wheel: Where its deadlines are kept.
        timeout_seconds: For a request to be whole.
        stall_seconds: Within which something of an answer must be read.
        max_head_bytes: Of request line and headers together.
        uvicorn: What uvicorn passes to its protocols.
    """

    def __init__(
        self,
        gate: Gate,
        wheel: Wheel,
        timeout_seconds: float,
        stall_seconds: float,
        max_head_bytes: int,
        **uvicorn: Any,
    ) -> None:
        super().__init__(**uvicorn)
        self._gate = gate
        self._wheel = wheel
        self._timeout_seconds = timeout_seconds
        self._stall_seconds = stall_seconds
        self._max_head_bytes = max_head_bytes
        self._head_bytes: int | None = 0  # None while a body comes
        self._requests = 0
        self._pauses = 0
        self._is_whole = False
        self.admission: Admission | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it
        """A client has come: it has so long to say what it wants."""
        super().connection_made(transport)
        # So `pause_writing` tells of whatever the kernel does not take. With 0, asyncio's TLS pauses for good.
        transport.set_write_buffer_limits(high=1)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a head that is still not whole beyond its bound is refused."""
        self._unset_keepalive_if_required()
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self._upgrade(data[upgrade.args[0] :])
            else:
                self._refuse(400, "only an upgrade to websocket is offered")
        except httptools.HttpParserError:
            self._refuse(400, "this is not HTTP/1.1")
        else:
            if self._head_bytes is not None and self._head_bytes > self._max_head_bytes:
                self._refuse(431, f"the head of a request may have at most {self._max_head_bytes} bytes")

    def on_message_begin(self) -> None:
        """A request starts: it has so long to be whole."""
        super().on_message_begin()
        if self._is_whole:
            self._expect_request()

    def on_headers_complete(self) -> None:
        """The head is whole: what comes now is the body's."""
        self._head_bytes = None
        self._note_visitor()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._gate.leave(self.admission)
        super().connection_lost(exc)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._is_whole = True
        self._head_bytes = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """An answer is not read as fast as it is written."""
        super().pause_writing()
        self._pauses += 1
        self._expect_reading(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It was."""
        self._pauses += 1
        super().resume_writing()

    @property
    def is_new(self) -> bool:
        """Whether its first request is still not whole."""
        return self._requests == 1 and not self._is_whole and self in self.connections

    def _expect_reading(self, unread_bytes: int) -> None:
        pause = self._pauses

        def check(_now: float) -> None:
            if pause != self._pauses:
                return
            left_bytes = self.transport.get_write_buffer_size()
            if left_bytes < unread_bytes:
                self._expect_reading(left_bytes)
            else:
                self.transport.abort()

        self._wheel.at(self.loop.time() + self._stall_seconds, check)

    def _expect_request(self) -> None:
        self._is_whole = False
        self._requests += 1
        request = self._requests

        def check(_now: float) -> None:
            is_waiting = not self._is_whole and request == self._requests and self in self.connections
            if is_waiting:
                self.transport.abort()

        self._wheel.at(self.loop.time() + self._timeout_seconds, check)

    def _note_visitor(self) -> None:
        """Have the app see the client behind a load balancer, and over which line it came."""
        if self.admission is None:
            return
        visitor = self._gate.forwarded(self.admission, self.headers) or self.admission.visitor
        self.scope["client"] = (visitor.address, 0)
        self.scope["scheme"] = (
            "https" if visitor.is_secure and not is_loopback(visitor.address) else self.scheme or "http"
        )

    def _upgrade(self, rest: bytes) -> None:
        try:
            response = upgrade_response(self.parser.get_method(), self.headers)
        except UpgradeRefused as refusal:
            self._refuse(refusal.status, refusal.reason)
            return
        self.connections.discard(self)
        device: Device = self.ws_protocol_class(  # type: ignore[misc, call-arg, assignment]
            config=self.config, server_state=self.server_state, app_state=self.app_state
        )
        device.admission, self.admission = self.admission, None
        self.transport.set_protocol(device)
        self.transport.write(response)
        device.begin(self.transport, self.url.partition(b"?")[2], self.headers)
        if rest:
            device.data_received(rest)

    def _refuse(self, status: int, reason: str) -> None:
        body = f"{reason}\n".encode()
        self.transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
            b"%bConnection: close\r\n\r\n%b"
            % (
                status,
                HTTPStatus(status).phrase.encode(),
                len(body),
                b"Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n" if status == 426 else b"",
                body,
            )
        )
        self.transport.close()
