"""
The state machine of one connection on one transport: decides, never waits.

    opened ──CONNECTED──▶ serving ──CLOSE──▶ CLOSED ─▶ over
                           │  ▲  ├─expiry──▶ DISCONNECTED 40142 ─▶ over
                      AUTH │  │  ├─drain───▶ DISCONNECTED 80003 ─▶ over
                           ▼  │  └─fault───▶ ERROR ─▶ over
                         renewing (the shell verifies the token, then calls `renew` or `refuse`)

What becomes of its channels is in core.channels, of what it publishes in core.outbox.

Source: PROTOCOL.md section 3; RTN15, RTN22.
"""

from __future__ import annotations

from collections.abc import Mapping

from auth.errors import AuthError
from auth.principal import Principal
from gateway.core.attach_pace import AttachPace
from gateway.core.channels import attach, detach, leave_all, restrict_all, tell_positions
from gateway.core.confirming import positions_of
from gateway.core.frames import protocol_frame
from gateway.core.look_ups import LookUps
from gateway.core.outbox import Outbox
from gateway.core.postponed import Postponed
from gateway.core.terms import SessionOutlet, Terms
from gateway.core.wire import Action, ConnectionDetails, Format, ProtocolMessage, WireError
from gateway.errors import BadRequest, ClientIdIncompatible, GatewayError, NotOffered

_ACKNOWLEDGED = frozenset({Action.MESSAGE, Action.PRESENCE, Action.OBJECT, Action.ANNOTATION})
_FALLBACK_STATUSES = range(500, 505)  # of these, SDKs look for another host (RTN17f1)


class Session:
    """
    One connection on one transport.

    Args:
        terms: The edge's.
        outlet: The transport.
        wire: The format of its frames.
        principal: Who is there and what they may do.
        connection_id: Public name of the connection.
        connection_key: Secret that resumes it.

    *id_base*: what the ids of the messages that it publishes begin with.

    Attributes:
        known: Where the connection stood on channels that it was attached to before, and is not yet again.
        attach_pace: How often it attaches; like the next two for core.channels only.
        look_ups: What of its ATTACHes waits for a stored position, if any ever did.
        postponed: What of them waits for the tail, likewise.
    """

    __slots__ = (
        "_outbox",
        "attach_pace",
        "connection_id",
        "connection_key",
        "id_base",
        "is_over",
        "is_resumed",
        "known",
        "look_ups",
        "outlet",
        "postponed",
        "principal",
        "terms",
        "wants_echo",
        "was_closed",
        "wire",
    )

    def __init__(
        self,
        terms: Terms,
        outlet: SessionOutlet,
        wire: Format,
        principal: Principal,
        connection_id: str,
        connection_key: str,
    ) -> None:
        self.terms = terms
        self.outlet = outlet
        self.wire = wire
        self.principal = principal
        self.connection_id = connection_id
        self.connection_key = connection_key
        self.id_base = connection_id
        self.is_over = False
        self.was_closed = False
        self.is_resumed = False
        self.wants_echo = True
        self.known: Mapping[str, str] = {}
        self.attach_pace = AttachPace()
        self.look_ups: LookUps | None = None
        self.postponed: Postponed | None = None
        self._outbox: Outbox | None = None

    # ------------------------------------------------------------------ the shell's calls

    def open(self, error: GatewayError | None = None) -> None:
        """
        Say CONNECTED.

        Args:
            error: Why a resume failed; the client then resets what it counted (RTN15c7).
        """
        common = self.terms.details
        self.send(
            ProtocolMessage(
                action=Action.CONNECTED,
                connection_id=self.connection_id,
                connection_details=ConnectionDetails(
                    connection_key=self.connection_key,
                    max_message_size=common.max_message_size,
                    max_frame_size=common.max_frame_size,
                    connection_state_ttl=common.connection_state_ttl,
                    max_idle_interval=common.max_idle_interval,
                    server_id=common.server_id,
                    client_id="*" if self.principal.is_wildcard else self.principal.client_id,
                    max_inbound_rate=common.max_inbound_rate,
                    lag=self.terms.hub.freshness.lags_for(self.principal.capability),
                ),
                error=None if error is None else _wire_error(error),
            )
        )

    def receive(self, message: ProtocolMessage, now: float) -> str | None:
        """
        Take one message of the client.

        Args:
            now: Seconds since the epoch.

        Returns:
            A token that the shell must verify before it calls `renew` or `refuse`; mostly None.
        """
        action = message.action
        if action == Action.HEARTBEAT:
            self._answer_heartbeat(message)
        elif action == Action.ATTACH:
            attach(self, message, now)
        elif action == Action.DETACH:
            detach(self, message)
        elif action in _ACKNOWLEDGED:
            self._publish(message, now)
        elif action == Action.CLOSE:
            self.was_closed = True
            self._end(ProtocolMessage(action=Action.CLOSED))
        elif action == Action.DISCONNECT:
            self._end(None)
        elif action == Action.AUTH:
            return self._token_of(message)
        return None

    def renew(self, principal: Principal) -> None:
        """
        Go on with new credentials of the same client.

        Channels that they no longer allow fail at once (40160), those that they allow less are told so; another client's credentials end the connection (40102).
        """
        if principal.client_id != self.principal.client_id or principal.app_id != self.principal.app_id:
            self.fail(ClientIdIncompatible("the new token is of another clientId than this connection's"))
            return
        self.entitle(principal)
        self.open()

    def entitle(self, principal: Principal) -> None:
        """
        Go on as the same client with other rights, of which it did not ask for.

        Channels that they no longer allow fail at once (40160), those that they allow less are told so.
        """
        self.principal = principal
        restrict_all(self)

    def ask_renewal(self) -> None:
        """Ask for a new token before this one expires (RTN22)."""
        self.send(ProtocolMessage(action=Action.AUTH))

    def fail(self, error: GatewayError | AuthError) -> None:
        """
        End the connection with an error: a retry cannot heal it.

        With a code from 40140 to 40149 the client renews its token and comes back instead (RTN15h2).
        """
        self.terms.count_refusal(error.code)
        self.note("refuse", code=error.code)
        self._end(ProtocolMessage(action=Action.ERROR, error=_wire_error(error)))

    def disconnect(self, error: GatewayError | AuthError) -> None:
        """
        End this transport only: the client comes back at once, after renewing its token where the code says so.

        It is told first where it stands on each channel. The last message that it got may be hours old, and an edge that
        has just started could not prove from its position that nothing came since.

        Source: PROTOCOL.md section 2 for the status that is told instead of 500 to 504; RTN15h, RTN17f1.
        """
        tell_positions(self)
        told = _wire_error(error)
        if told.status_code in _FALLBACK_STATUSES:
            told.status_code = 400
        self._end(ProtocolMessage(action=Action.DISCONNECTED, error=told))

    def over(self) -> None:
        """Leave everything; the transport is gone. Idempotent."""
        if not self.is_over:
            self.known = positions_of(self)
        self.is_over = True
        leave_all(self)

    # ------------------------------------------------------------------ publishing

    @property
    def is_congested(self) -> bool:
        """Whether so much waits for Kafka that what the client sends next should wait in its socket."""
        return self._outbox is not None and self._outbox.is_congested

    def _publish(self, message: ProtocolMessage, now: float) -> None:
        if self._outbox is None:
            self._outbox = Outbox(self, now)
        if message.action == Action.MESSAGE:
            self._outbox.publish(message, now)
        else:
            self._outbox.refuse(message, NotOffered("presence, objects and annotations are not offered by this server"))

    # ------------------------------------------------------------------ what is said and noted

    def note(self, event: str, **details: object) -> None:
        """Have something taken down that this connection did."""
        if self.terms.note is not None:
            by = self.principal
            self.terms.note(
                event,
                connection=self.connection_id,
                app=by.app_id,
                key=by.key_name,
                client=by.client_id,
                **details,
            )

    def send(self, message: ProtocolMessage) -> None:
        """Say *message* to the client."""
        self.outlet.write(protocol_frame(self.wire, message))

    # ------------------------------------------------------------------ inside

    def _answer_heartbeat(self, message: ProtocolMessage) -> None:
        if message.id is not None:
            self.send(ProtocolMessage(action=Action.HEARTBEAT, id=message.id))

    def _token_of(self, message: ProtocolMessage) -> str | None:
        if message.auth is None or not message.auth.access_token:
            self.fail(BadRequest("AUTH carries no accessToken"))
            return None
        return message.auth.access_token

    def _end(self, last: ProtocolMessage | None) -> None:
        if self.is_over:
            return
        self.over()
        if last is not None:
            self.send(last)
        self.outlet.finish()


def _wire_error(error: GatewayError | AuthError) -> WireError:
    return WireError(error.code, error.status, error.message)
