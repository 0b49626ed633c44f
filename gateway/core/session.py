"""
The state machine of one connection on one transport: decides, never waits.

    opened ──CONNECTED──▶ serving ──CLOSE──▶ CLOSED ─▶ over
                           │  ▲  ├─expiry──▶ DISCONNECTED 40142 ─▶ over
                      AUTH │  │  ├─drain───▶ DISCONNECTED 80003 ─▶ over
                           ▼  │  └─fault───▶ ERROR ─▶ over
                         renewing (the shell verifies the token, then calls `renew` or `refuse`)

Per channel the machine is in core.hub (live, lagging), but for ATTACHes that wait for the tail, see core.postponed.

Source: PROTOCOL.md sections 3 and 4; RTN15, RTN22, RTL4, RTL5, RTL13.
"""

from __future__ import annotations

from collections.abc import Mapping

from auth.errors import AuthError
from auth.principal import Principal
from gateway.core.attach_pace import AttachPace
from gateway.core.attaching import (
    Behind,
    granted_modes,
    mode_names,
    start_of,
    start_without_past,
    still_allowed,
    wish_of,
)
from gateway.core.attachment import Attachment
from gateway.core.confirming import Following, positions_of
from gateway.core.frames import protocol_frame
from gateway.core.freshness import wished_freshness
from gateway.core.look_ups import Cursors, LookedUp, LookUps, beginning_of, cursor_of
from gateway.core.names import parse_channel_name
from gateway.core.outbox import Outbox
from gateway.core.postponed import Postponed, must_wait
from gateway.core.replay import Replay, Rewinding
from gateway.core.replaying import begin
from gateway.core.terms import SessionOutlet, Terms
from gateway.core.wire import Action, ConnectionDetails, Flag, Format, ProtocolMessage, WireError
from gateway.errors import (
    BackendFault,
    BadRequest,
    ChannelDenied,
    ClientIdIncompatible,
    GatewayError,
    NoSuchChannel,
    NotOffered,
    TooManyChannels,
)

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
    """

    __slots__ = (
        "_attach_pace",
        "_look_ups",
        "_outbox",
        "_postponed",
        "connection_id",
        "connection_key",
        "id_base",
        "is_over",
        "is_resumed",
        "known",
        "outlet",
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
        self._look_ups: LookUps | None = None
        self._postponed: Postponed | None = None
        self._outbox: Outbox | None = None
        self._attach_pace = AttachPace()

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
            self._attach(message, now)
        elif action == Action.DETACH:
            self._detach(message)
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
        for name, attachment in list(self._attachments().items()):
            modes = still_allowed(principal, attachment.channel, attachment.flags)
            if not modes:
                self._leave(attachment)
                self._refuse_channel(Action.ERROR, name, ChannelDenied("the token no longer allows this channel"))
            elif modes != attachment.flags:
                self.terms.hub.confirm(attachment, modes)

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
        for attachment in list(self._attachments().values()):
            self.terms.hub.confirm(attachment, attachment.flags)
        told = _wire_error(error)
        if told.status_code in _FALLBACK_STATUSES:
            told.status_code = 400
        self._end(ProtocolMessage(action=Action.DISCONNECTED, error=told))

    def over(self) -> None:
        """Leave everything; the transport is gone. Idempotent."""
        if not self.is_over:
            self.known = positions_of(self)
        self.is_over = True
        if self._look_ups is not None:
            self._look_ups.end()
            self._look_ups = None
        if self._postponed is not None:
            self._postponed.end()
            self._postponed = None
        for attachment in list(self._attachments().values()):
            self._leave(attachment)

    # ------------------------------------------------------------------ attaching

    def _attach(self, message: ProtocolMessage, now: float) -> None:
        if not message.channel:
            self.fail(BadRequest("ATTACH names no channel"))
            return
        refusal = self._attach_pace.exceeded(self.terms.limits, now)
        if refusal is not None:
            self._leave_channel(message.channel)
            self._refuse_channel(Action.DETACHED, message.channel, refusal)  # the SDK tries again, later (RTL13b)
            return
        known = self.known.get(message.channel)
        if known is not None and not message.channel_serial and (message.flags or 0) & Flag.ATTACH_RESUME:
            message.channel_serial = known
        self._answer_attach(message, message.channel, now, may_wait=True)

    def _answer_attach(
        self,
        message: ProtocolMessage,
        wire_name: str,
        now: float,
        *,
        may_wait: bool,
        looked_up: LookedUp | None = None,
    ) -> None:
        try:
            self._attach_to(message, wire_name, now, may_wait=may_wait, looked_up=looked_up)
        except GatewayError as error:
            self._refuse_attach(wire_name, error)

    def _refuse_attach(self, wire_name: str, error: GatewayError) -> None:
        may_try_again = isinstance(error, BackendFault)  # as the SDK does (RTL13b)
        self._refuse_channel(Action.DETACHED if may_try_again else Action.ERROR, wire_name, error)

    def _attach_to(
        self, message: ProtocolMessage, wire_name: str, now: float, *, may_wait: bool, looked_up: LookedUp | None
    ) -> None:
        name, qualifier_params = parse_channel_name(wire_name)
        params = {**qualifier_params, **(message.params or {})}
        source = self.terms.router.source_of(name)
        if source is None:
            raise NoSuchChannel("no namespace of this server has channels of this name")
        modes = granted_modes(self.principal, name, message.flags, params)
        freshness = wished_freshness(params)
        attachment = self._attachments().get(wire_name)
        if attachment is not None:
            attachment.echo("freshness", params.get("freshness"))
            self.terms.hub.freshness.watch(attachment, freshness)
            self.terms.hub.confirm(attachment, modes)
            return
        self._check_room()
        cursors = self.terms.cursors
        cursor = cursor_of(params, self.principal) if cursors is not None and modes & Flag.SUBSCRIBE else None
        may_rewind = not message.channel_serial and source.namespace in self.terms.rewind_namespaces
        rewound = wish_of(params, now) if may_rewind else None
        if looked_up is None and cursors is not None and cursor is not None:
            rewind = None if rewound is None else rewound[0]
            begin_at = beginning_of(self.terms.hub.window, source.topic, name, message.channel_serial, rewind)
            self._look_up(cursors, message, wire_name, cursor, name, begin_at)
            return
        is_begun = looked_up is not None and looked_up.is_begun
        if may_wait and must_wait(self.terms.hub.window, source.topic, message.channel_serial):
            self._postpone(message, wire_name, now, is_begun=is_begun)
            return
        deaf_to = None if self.wants_echo else self.connection_id
        attachment = Attachment(self.outlet, self.wire, name, wire_name, source.topic, deaf_to)
        attachment.flags = modes
        if cursor is not None or source.namespace in self.terms.receipt_namespaces:
            attachment.following = Following(source.namespace, cursor)
        attachment.echo("cursor", cursor)
        attachment.echo("freshness", params.get("freshness"))
        if self.terms.note is not None:
            self.note("attach", channel=name, modes=mode_names(modes))
        self._begin(attachment, message.channel_serial, rewound, is_begun=is_begun)
        if cursors is not None and cursor is not None:
            cursors.keep(self, attachment)
        self.terms.hub.freshness.watch(attachment, freshness)

    def _check_room(self) -> None:
        waiting = len(self._postponed or ()) + len(self._look_ups or ())
        if len(self._attachments()) + waiting >= self.terms.channels_per_connection:
            raise TooManyChannels(
                f"a connection may attach to {self.terms.channels_per_connection} channels; detach from some or open another"
            )

    def _begin(
        self,
        attachment: Attachment,
        serial: str | None,
        rewound: tuple[Rewinding, dict[str, str]] | None,
        *,
        is_begun: bool,
    ) -> None:
        hub = self.terms.hub
        rewind, echoed = (None, {}) if rewound is None else rewound
        for param, value in echoed.items():
            attachment.echo(param, value)
        start = start_of(hub.window, attachment.topic, attachment.channel, serial, rewind)
        if isinstance(start, Behind):
            if hub.catcher is not None and attachment.flags & Flag.SUBSCRIBE:
                replay = Replay(attachment, start.position, serial=start.serial, rewind=start.rewind)
                if is_begun:
                    replay.flags = Flag.NONE
                hub.replay(replay)
                return
            start = start_without_past(hub.window, attachment.topic, attachment.channel, start)
        if start.error is not None:
            self.terms.count_refusal(start.error.code)
        begin(hub, attachment, start._replace(flags=Flag.NONE) if is_begun else start)

    def _postpone(self, message: ProtocolMessage, wire_name: str, now: float, *, is_begun: bool) -> None:
        if self._postponed is None:
            self._postponed = Postponed(self.terms, self._answer_at_last)
        self._postponed.add(message, wire_name, now, is_begun=is_begun)

    def _answer_at_last(self, message: ProtocolMessage, wire_name: str, now: float, is_begun: bool) -> None:
        self._answer_attach(message, wire_name, now, may_wait=False, looked_up=LookedUp(is_begun))

    def _look_up(
        self, cursors: Cursors, message: ProtocolMessage, wire_name: str, cursor: str, channel: str, begin_at: str
    ) -> None:
        if self._look_ups is None:
            self._look_ups = LookUps(self, self._answer_found)
        self._look_ups.add(cursors, message, wire_name, cursor, channel, begin_at)

    def _answer_found(self, message: ProtocolMessage, wire_name: str, now: float, looked_up: LookedUp) -> None:
        if looked_up.error is None:
            self._answer_attach(message, wire_name, now, may_wait=True, looked_up=looked_up)
        else:
            self._refuse_attach(wire_name, looked_up.error)

    def _detach(self, message: ProtocolMessage) -> None:
        name = message.channel or ""
        self._leave_channel(name)
        self.send(ProtocolMessage(action=Action.DETACHED, channel=name))

    def _leave_channel(self, wire_name: str) -> None:
        if self._postponed is not None:
            self._postponed.drop(wire_name)
        if self._look_ups is not None:
            self._look_ups.drop(wire_name)
        attachment = self._attachments().get(wire_name)
        if attachment is not None:
            self._leave(attachment)
        self._forget(wire_name)

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

    # ------------------------------------------------------------------ inside

    def _answer_heartbeat(self, message: ProtocolMessage) -> None:
        if message.id is not None:
            self.send(ProtocolMessage(action=Action.HEARTBEAT, id=message.id))

    def _leave(self, attachment: Attachment) -> None:
        self.terms.hub.leave(attachment)
        if self.terms.cursors is not None and attachment.cursor_name is not None:
            self.terms.cursors.let_go(self, attachment)

    def _forget(self, wire_name: str) -> None:
        """The client has left a channel of its own will: a resume does not go on with it."""
        if wire_name in self.known:
            self.known = {name: serial for name, serial in self.known.items() if name != wire_name}

    def _attachments(self) -> Mapping[str, Attachment]:
        return self.terms.hub.attached_to(self.outlet)

    def _token_of(self, message: ProtocolMessage) -> str | None:
        if message.auth is None or not message.auth.access_token:
            self.fail(BadRequest("AUTH carries no accessToken"))
            return None
        return message.auth.access_token

    def _refuse_channel(self, action: Action, channel: str, error: GatewayError) -> None:
        self.terms.count_refusal(error.code)
        self.note("deny", channel=channel, code=error.code)
        self.send(ProtocolMessage(action=action, channel=channel, error=_wire_error(error)))

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

    def _end(self, last: ProtocolMessage | None) -> None:
        if self.is_over:
            return
        self.over()
        if last is not None:
            self.send(last)
        self.outlet.finish()


def _wire_error(error: GatewayError | AuthError) -> WireError:
    return WireError(error.code, error.status, error.message)
