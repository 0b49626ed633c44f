"""
From an upgraded socket to a session: origin, room, credentials, and the connection to resume.

    begin ─▶ refused (ERROR or DISCONNECTED in the socket)
         ├─▶ open at once            an Ably key or token, or an issuer's key that is known: no task, no wait
         └─▶ a task with a deadline  an issuer's keys must be fetched, or Redis asked for a connection
                └─▶ refused, or open

Source: PROTOCOL.md sections 1 and 3; RTN14, RTN15, RTN16.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from auth.errors import AuthError, IssuerUnavailable
from auth.principal import Principal
from auth.verifier import Credentials, KeysNeeded
from gateway.core.frames import protocol_frame
from gateway.core.session import Session
from gateway.core.wire import Action, ProtocolMessage, WireError
from gateway.errors import (
    Draining,
    GatewayError,
    HandshakeTimeout,
    OriginForbidden,
    Overloaded,
    TooManyConnections,
    TransportFault,
    UnknownConnection,
)
from gateway.store.connections import ConnectionRecord
from gateway.transport.handshake import ConnectRequest, Headers, is_origin_allowed, parse_connect_request
from gateway.transport.proxied import Visitor
from gateway.transport.resuming import ID_LETTERS, KEY_LETTERS, WORD_LETTERS, find_connection

if TYPE_CHECKING:
    from gateway.transport.device import Device
    from gateway.transport.house import House


class Arrival:
    """
    The way of one device from handshake to session.

    Args:
        house: The edge's.
        device: Who arrives.
        transport: Its socket, for the address and TLS.
    """

    __slots__ = ("_device", "_house", "_task", "_transport", "_wants_echo")

    def __init__(self, house: House, device: Device, transport: asyncio.Transport) -> None:
        self._house = house
        self._device = device
        self._transport = transport
        self._wants_echo = True
        self._task: asyncio.Task[None] | None = None

    def begin(self, query: bytes, headers: Headers) -> None:
        """Go as far as can be gone without waiting."""
        house, device = self._house, self._device
        try:
            request = parse_connect_request(query.decode("latin-1"))
            device.wire = request.wire
            device.wants_heartbeats = request.wants_heartbeats
            self._wants_echo = request.wants_echo
            visitor = self._check_room(headers)
            is_safe = request.token is not None or visitor.is_secure  # a token may be shown over any line
            credentials = Credentials(request.key, request.token, request.client_id, is_safe)
            principal = house.verifier.verify(credentials, house.now())
        except KeysNeeded:
            self._go_on_later(request, credentials)
        except (AuthError, GatewayError) as error:
            refuse(house, device, error)
        else:
            if request.resume is None:
                self._open(principal, None, None)
            else:
                self._go_on_later(request, credentials)

    def cancel(self) -> None:
        """The socket is gone before its session began."""
        if self._task is not None:
            self._task.cancel()

    def _check_room(self, headers: Headers) -> Visitor:
        """Refuse who need not be asked for credentials. Returns: who it is."""
        house = self._house
        visitor = self._check_origin_address(headers)
        if not is_origin_allowed(headers, house.allowed_origins):
            raise OriginForbidden("pages of this origin may not connect; add it to server.allowed_origins")
        if house.is_draining:
            raise Draining("this server is going down; connect again")
        if len(house.devices) > house.max_connections:
            raise Overloaded("this server is full; connect again")
        if house.is_short_of_memory:
            raise Overloaded("this server is short of memory; connect again")
        return visitor

    def _check_origin_address(self, headers: Headers) -> Visitor:
        gate, device = self._house.gate, self._device
        before = device.admission or gate.admission_of(self._transport)
        admission = None if before is None else gate.behind(before, headers)
        if admission is None:
            raise TooManyConnections("there are too many new connections; connect again later", "connects")
        device.admission = admission
        if admission.refusal is not None:
            raise admission.refusal
        return admission.visitor

    def _go_on_later(self, request: ConnectRequest, credentials: Credentials) -> None:
        self._device.pause_reading()
        self._task = self._house.wait_for(self._device, lambda: self._go_on(request, credentials))

    async def _go_on(self, request: ConnectRequest, credentials: Credentials) -> None:
        house, device = self._house, self._device
        try:
            async with asyncio.timeout(house.authentication_timeout_seconds):
                principal = await house.verify(credentials)
                found, error = await self._found(request, principal)
            principal = house.verifier.review(principal, house.now())  # it may have been revoked meanwhile
        except (AuthError, GatewayError) as refusal:
            self._settled()
            refuse(house, device, refusal)
        except TimeoutError:
            self._settled()
            refuse(house, device, HandshakeTimeout("authentication took too long; connect again"))
        else:
            self._settled()
            self._open(principal, found, error, is_recovery=request.is_recovery)

    def _settled(self) -> None:
        self._device.arrival = None
        self._device.resume_reading()

    async def _found(
        self, request: ConnectRequest, principal: Principal
    ) -> tuple[ConnectionRecord | None, GatewayError | None]:
        """The connection to go on with, or None and why a new one begins."""
        if request.resume is None:
            return None, None
        try:
            return await find_connection(self._house.connections, request.resume, principal), None
        except UnknownConnection as error:
            self._house.counts.refused(error.code)
            return None, error

    def _open(
        self,
        principal: Principal,
        found: ConnectionRecord | None,
        error: GatewayError | None,
        *,
        is_recovery: bool = False,
    ) -> None:
        try:
            self._house.gate.welcome(principal.app_id, principal.client_id)
        except TooManyConnections as refusal:
            refuse(self._house, self._device, refusal)
            return
        drawn = secrets.token_urlsafe(ID_LETTERS + KEY_LETTERS + WORD_LETTERS)  # at once: each draw is a system call
        connection_id = drawn[:ID_LETTERS] if found is None else found.connection_id
        key = f"{connection_id}!{drawn[ID_LETTERS : ID_LETTERS + KEY_LETTERS]}"
        device = self._device
        session = Session(self._house.terms, device, device.wire, principal, connection_id, key)
        session.is_resumed, session.wants_echo = found is not None, self._wants_echo
        if found is not None:
            word = drawn[-WORD_LETTERS:]
            session.id_base = f"{connection_id}.{word}" if is_recovery else found.id_base or connection_id
            session.known = found.positions
        device.open(session, error)


def refuse(house: House, device: Device, error: GatewayError | AuthError) -> None:
    """
    Say why there is no connection, inside the socket: SDKs cannot read the status of a failed upgrade.

    ERROR, or DISCONNECTED where coming back at once is what helps.
    """
    house.counts.refused(error.code)
    if house.terms.note is not None:
        house.terms.note("refuse", code=error.code, address=device.address)
    if isinstance(error, AuthError):
        house.counts.failed(error.reason)
    action = Action.DISCONNECTED if isinstance(error, (TransportFault, IssuerUnavailable)) else Action.ERROR
    told = ProtocolMessage(action=action, error=WireError(error.code, error.status, error.message))
    device.write(protocol_frame(device.wire, told))
    device.finish()


def renew(house: House, device: Device, token: str) -> None:
    """Verify the token of an AUTH message, at once or in a task, and go on with it or not."""
    credentials = Credentials(None, token, None, is_secure=True)
    try:
        principal = house.verifier.verify(credentials, house.now())
    except KeysNeeded:
        house.wait_for(device, lambda: _renew_later(house, device, credentials))
    except AuthError as error:
        _settle_renewal(house, device, error)
    else:
        _settle_renewal(house, device, principal)


async def _renew_later(house: House, device: Device, credentials: Credentials) -> None:
    try:
        async with asyncio.timeout(house.authentication_timeout_seconds):
            _settle_renewal(house, device, await house.verify(credentials))
    except (AuthError, GatewayError) as error:
        _settle_renewal(house, device, error)
    except TimeoutError:
        _settle_renewal(house, device, HandshakeTimeout("authentication took too long; connect again"))


def _settle_renewal(house: House, device: Device, outcome: Principal | AuthError | GatewayError) -> None:
    session = device.session
    if session is None:
        return
    if isinstance(outcome, AuthError):
        house.counts.failed(outcome.reason)
    if isinstance(outcome, (TransportFault, IssuerUnavailable)):
        session.disconnect(outcome)
    elif isinstance(outcome, (AuthError, GatewayError)):
        session.fail(outcome)
    else:
        before = session.principal
        session.renew(outcome)
        if session.principal is not before and device.session is session:
            house.roster.leave(device, before)
            house.roster.enter(device, session.principal)
        device.watch_expiry()
