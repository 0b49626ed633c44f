"""What all devices of one edge share."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from auth.principal import Principal
from auth.verifier import Credentials, KeysNeeded, Verifier
from gateway.core.flow import FlowTerms
from gateway.core.hub import Hub
from gateway.core.limits import rate_of
from gateway.core.terms import Terms
from gateway.metrics.counts import Counts
from gateway.settings import LimitSettings, ServerSettings
from gateway.store.connections import ConnectionStore
from gateway.transport.gate import Gate
from gateway.transport.ledger import Ledger
from gateway.transport.roster import Roster
from gateway.transport.turn import Pump, Turn
from gateway.transport.wheel import Wheel

if TYPE_CHECKING:
    from gateway.transport.device import Device
    from gateway.transport.doorstep import Doorstep

_log = logging.getLogger("gateway.connections")
BEAT_SHARE = 0.8  # of the interval within which a client must hear something
SHARE_SECONDS = 0.004  # of a turn of the loop, for those who lag
LOBBY_SECONDS = 0.002  # of a turn of the loop, for those who have come


class House:
    """
    The ground that devices stand on: the loop's queues and timers, the hub, and what is asked of every client.

    Args:
        server: Bounds and deadlines.
        limits: How many.
        terms: What every session is told.
        verifier: Who may come in.
        connections: Where resumable connections are kept.
        counts: What the metrics show.
        tasks: Where the few tasks run that an arrival may need.
    """

    def __init__(
        self,
        server: ServerSettings,
        limits: LimitSettings,
        terms: Terms,
        verifier: Verifier,
        connections: ConnectionStore,
        counts: Counts,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.wheel = Wheel(self.loop.time())
        self.turn = Turn(self.loop)
        self.hub: Hub = terms.hub
        self.pump: Pump[Device] = Pump(self.loop, self._serve, SHARE_SECONDS)
        self.prover: Pump[Device] = Pump(self.loop, _prove, SHARE_SECONDS)
        self.lobby: Pump[Doorstep] = Pump(self.loop, _let_in, LOBBY_SECONDS)
        self.terms = terms
        self.verifier = verifier
        self.connections = connections
        self.ledger = Ledger(connections, server.connection_state_seconds)
        self.counts = counts
        self.tasks = tasks
        self.devices: set[Device] = set()
        self.roster = Roster(self.devices)
        self.gate = Gate(server, limits, counts.limit, self.loop.time)
        self.is_draining = False
        self.is_short_of_memory = False
        self.allowed_origins = server.allowed_origins
        self.max_connections = limits.max_connections
        self.flow_terms = FlowTerms(
            rate_of(limits.inbound_messages_per_second, limits.burst_seconds),
            rate_of(limits.inbound_bytes_per_second, limits.burst_seconds),
            limits.flood_seconds,
        )
        self.max_frame_bytes = server.max_frame_bytes
        self.write_high_water_bytes = server.write_high_water_bytes
        self.authentication_timeout_seconds = server.authentication_timeout_seconds
        self.beat_seconds = server.idle_interval_seconds * BEAT_SHARE
        self.silent_beats = _beats(server.silence_timeout_seconds, self.beat_seconds)
        self.stalled_beats = _beats(server.stall_timeout_seconds, self.beat_seconds)
        self.stall_timeout_seconds = server.stall_timeout_seconds
        self.confirm_after_seconds = server.confirm_after_seconds
        self.confirm_every_seconds = server.confirm_every_seconds
        self.confirm_timeout_seconds = server.confirm_timeout_seconds
        self.frame_log = logging.getLogger("gateway.frames")

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def _serve(self, device: Device) -> bool:
        """A share of what a drained device lacks. Returns: whether more is to come."""
        has_more = self.hub.serve(device)
        device.flush()
        if not has_more and not device.is_full:
            self.counts.catch_ups += 1
        return has_more

    async def verify(self, credentials: Credentials) -> Principal:
        """
        Verify, fetching an issuer's keys first where they are not known.

        Raises:
            AuthError: If they are not valid, or the issuer does not know the key either.
        """
        try:
            return self.verifier.verify(credentials, self.now())
        except KeysNeeded as needed:
            await needed.issuer.refresh(self.now())
        return self.verifier.verify(credentials, self.now(), may_wait=False)

    def wait_for(self, device: Device, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Do what one client has to wait for. A bug in it costs that client its socket, and not everybody the process."""
        return self.tasks.create_task(self._contained(device, work))

    async def _contained(self, device: Device, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:  # noqa: BLE001  # whatever it is, it is logged, and the others go on
            _log.exception("a client was dropped, something failed that must not")
            device.finish(1011, "internal error")

    def log_opened(self, device: Device) -> None:
        """One line for a connection that begins."""
        session = device.session
        if session is not None:
            self.counts.connections_opened += 1
            session.note("connect", method=session.principal.method, resumed=session.is_resumed)
            _log.info(
                "connection opened",
                extra={
                    "connection_id": session.connection_id,
                    "client_id": session.principal.client_id,
                    "app_id": session.principal.app_id,
                },
            )

    def log_closed(self, device: Device) -> None:
        """One line for a connection that ends."""
        session = device.session
        if session is not None:
            session.note("disconnect", closed=session.was_closed)
            _log.info(
                "connection closed",
                extra={
                    "connection_id": session.connection_id,
                    "client_id": session.principal.client_id,
                    "seconds": round(self.loop.time() - device.opened_at, 3),
                    "received_frames": device.received_frames,
                    "written_bytes": device.written_bytes,
                },
            )


def _prove(device: Device) -> bool:
    if device.proof is not None:
        device.proof.ping()
    return False


def _let_in(doorstep: Doorstep) -> bool:
    doorstep.enter()
    return False


def _beats(seconds: float, beat_seconds: float) -> int:
    return max(2, round(seconds / beat_seconds))
