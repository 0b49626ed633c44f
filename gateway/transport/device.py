"""
One WebSocket: bytes in, frames out, and nothing that waits.

    in     what comes is taken at once, see transport.intake
    out    frames are collected and leave when the turn of the loop ends, in one write
    full   over the high-water mark: the hub suspends this outlet, and reading stops too, so that a client
           that does not read cannot make the edge hold answers either
    proof  heartbeats, and PINGs with numbers: who is there and what has arrived, see transport.proof

Source: RFC 6455; PROTOCOL.md sections 1 and 3.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from auth.principal import Principal
from gateway.core.flow import Flow
from gateway.core.frames import close_frame
from gateway.core.session import Session
from gateway.core.wire import JSON, Format
from gateway.errors import GatewayError
from gateway.transport.arrival import Arrival, refuse
from gateway.transport.gate import Admission
from gateway.transport.handshake import Headers
from gateway.transport.inbound import FrameReader
from gateway.transport.intake import take
from gateway.transport.lifetime import watch_expiry
from gateway.transport.proof import Proof
from gateway.transport.way import Way, way_of

if TYPE_CHECKING:
    from gateway.transport.house import House

CLOSE_GRACE_SECONDS = 2.0
MAX_JOINED_BYTES = 65536


class Device(asyncio.Protocol):
    """
    The transport of one client.

    Args:
        house: What all devices of an edge share.
        uvicorn: What uvicorn passes to its protocols; an edge has no use for it.
    """

    __slots__ = (
        "_house",
        "_is_put_off",
        "_pending",
        "_pending_bytes",
        "_transport",
        "admission",
        "arrival",
        "flow",
        "held_until",
        "is_closing",
        "is_full",
        "opened_at",
        "proof",
        "reader",
        "received_frames",
        "renewal_of",
        "session",
        "silent_beats",
        "wants_heartbeats",
        "wire",
        "written_bytes",
    )

    def __init__(self, house: House, **uvicorn: Any) -> None:
        self._house = house
        self._transport: asyncio.Transport | None = None
        self._pending: list[bytes] | None = None
        self._pending_bytes = 0
        self._is_put_off = False
        self.reader: FrameReader | None = None
        self.proof: Proof | None = None
        self.is_closing = False
        self.is_full = False
        self.held_until = 0.0
        self.flow: Flow | None = None
        self.wire: Format = JSON
        self.wants_heartbeats = False
        self.session: Session | None = None
        self.arrival: Arrival | None = None
        self.admission: Admission | None = None
        self.renewal_of: Principal | None = None
        self.opened_at = 0.0
        self.silent_beats = 0
        self.received_frames = 0
        self.written_bytes = 0

    # ------------------------------------------------------------------ the life of the socket

    def begin(self, transport: asyncio.Transport, query: bytes, headers: Headers) -> None:
        """Take over a socket whose handshake was answered; say CONNECTED, or why not."""
        self._transport = transport
        self.opened_at = self._house.loop.time()
        transport.set_write_buffer_limits(high=self._house.write_high_water_bytes)
        self.proof = Proof(self._house, self)
        self._house.devices.add(self)
        self._house.wheel.at(self.opened_at + self._house.beat_seconds, self.proof.beat)
        self.arrival = Arrival(self._house, self, transport)
        self.arrival.begin(query, headers)

    def open(self, session: Session, error: GatewayError | None) -> None:
        """Serve *session* from now on. *error*: why a resume failed, if it did."""
        self.arrival = None
        self.session = session
        session.open(error)
        self._house.ledger.opened(session)
        self._house.roster.enter(self, session.principal)
        self._house.log_opened(self)
        self.watch_expiry()

    def watch_expiry(self) -> None:
        """See to the end of the session's token, if it comes soon."""
        if self.session is not None:
            watch_expiry(self._house, self, self.session.principal)

    @property
    def address(self) -> str | None:
        """Where the client is, as far as that is known."""
        return None if self.admission is None else self.admission.visitor.address or None

    @property
    def unsent_bytes(self) -> int:
        """What waits in the process for the client to read."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def leave(self, error: GatewayError) -> None:
        """Tell the client to go elsewhere, whether or not its session has begun."""
        if self.session is not None:
            self.session.disconnect(error)
        else:
            refuse(self._house, self, error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, for whatever reason."""
        house = self._house
        house.devices.discard(self)
        house.gate.leave(self.admission)
        self._transport = self.proof = None
        self._pending = None
        self.reader = None
        if self.arrival is not None:
            self.arrival.cancel()
            self.arrival = None
        if self.session is not None:
            self.session.over()  # which notes where it stood
            house.roster.leave(self, self.session.principal)
            house.gate.visitors.dismiss(self.session.principal.app_id, self.session.principal.client_id)
            house.ledger.closed(self.session, is_final=self.session.was_closed)
            house.log_closed(self)
            self.session = None

    def eof_received(self) -> bool:
        """The client will send no more: nothing to wait for."""
        return False

    # ------------------------------------------------------------------ in

    def data_received(self, data: bytes) -> None:
        """Take what came; whatever it is, it ends in frames, an answer or a close."""
        self.silent_beats = 0
        take(self._house, self, data)

    def pause_reading(self) -> None:
        """Leave what the client sends in the kernel for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on, unless something else still holds it up."""
        session = self.session
        is_held_up = (
            self.held_until
            or self.is_full
            or self.arrival is not None
            or (session is not None and session.is_congested)
        )
        if self._transport is not None and not self._transport.is_closing() and not is_held_up:
            self._transport.resume_reading()

    # ------------------------------------------------------------------ out

    def write(self, frame: bytes) -> None:
        """Take a frame; it leaves when this turn of the loop ends."""
        pending = self._pending
        if pending is None:
            self._pending = [frame]
            self._pending_bytes = len(frame)
            self._house.turn.add(self)
        else:
            pending.append(frame)
            self._pending_bytes += len(frame)
            if self._is_put_off:
                self._is_put_off = False
                self._house.turn.add(self)
        if self._pending_bytes > MAX_JOINED_BYTES:
            self.flush()

    def write_later(self, frame: bytes) -> None:
        """Take a frame of the past: it leaves with whatever is written next, or in a moment."""
        if self._pending is not None:
            self._pending.append(frame)
            self._pending_bytes += len(frame)
            if self._pending_bytes > MAX_JOINED_BYTES:
                self.flush()
        else:
            self._pending = [frame]
            self._pending_bytes = len(frame)
            self._is_put_off = True
            self._house.turn.add_later(self)

    def flush(self) -> None:
        """Hand what was collected to the kernel, in one call."""
        pending = self._pending
        if pending is None:
            return
        joined = pending[0] if len(pending) == 1 else b"".join(pending)
        self._pending = None
        self._is_put_off = False
        transport = self._transport
        if transport is not None:
            size_bytes = self._pending_bytes
            counts = self._house.counts
            counts.writes += 1
            counts.written_bytes += size_bytes
            self.written_bytes += size_bytes
            transport.write(joined)
            proof = self.proof
            if proof is not None and proof.is_idle:
                proof.begin()

    def finish(self, code: int = 1000, reason: str = "") -> None:
        """Close the WebSocket after what was written; the TCP connection goes with the client's answer, or soon without it."""
        if self.is_closing or self._transport is None:
            return
        self.is_closing = True
        self.write(close_frame(code, reason))
        self.flush()
        self._house.wheel.at(self._house.loop.time() + CLOSE_GRACE_SECONDS, self.abort)

    def hang_up(self) -> None:
        """The client has closed the WebSocket, or sent what is none: the TCP connection goes after what was written."""
        if self._transport is None:
            return
        self.is_closing = True
        self.flush()
        self._transport.close()
        self._house.wheel.at(self._house.loop.time() + CLOSE_GRACE_SECONDS, self.abort)

    def pause_writing(self) -> None:
        """The client does not read: it lags from here on."""
        self.is_full = True
        self._house.counts.suspensions += 1
        self._house.hub.suspend(self)
        self.pause_reading()

    def resume_writing(self) -> None:
        """The client has read: it gets what it lacks."""
        self.is_full = False
        self.resume_reading()
        self.serve_soon()

    def serve_soon(self) -> None:
        """Get what it lacks, a share in each turn of the loop."""
        self._house.pump.add(self)

    def abort(self, _now: float = 0.0) -> None:
        """End the connection now; what was not sent yet is not sent any more."""
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------------ whether the client is there

    @property
    def is_open(self) -> bool:
        """Whether the socket is there, and nobody has begun to close it."""
        return self._transport is not None and not self.is_closing

    @property
    def is_serving(self) -> bool:
        """Whether there is a session on an open socket."""
        return self.session is not None and self.is_open

    @property
    def way(self) -> Way | None:
        """What the kernel knows of the way to the client."""
        return None if self._transport is None else way_of(self._transport)
