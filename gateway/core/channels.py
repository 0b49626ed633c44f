"""
The channels of one session: attached, waited for, refused and left.

    ATTACH ─┬─▶ too often: DETACHED, the SDK comes again later
            ├─▶ it may not, or there is none: ERROR, or DETACHED where coming again helps
            ├─▶ it is attached: ATTACHED with the modes that it has now
            ├─▶ the position of its cursor must be looked up: core.look_ups ─┐
            ├─▶ the tail has not come so far: core.postponed ────────────────┤
            └─▶ live, lagging or replaying, see core.hub ◀───────────────────┘ answered later, unless it was left meanwhile

What is attached is the hub's to know; what waits, and how often it was asked, is written on the session itself.

Source: PROTOCOL.md section 4; RTL4, RTL5, RTL13.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

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
from gateway.core.confirming import Following
from gateway.core.freshness import wished_freshness
from gateway.core.look_ups import LookedUp, LookUps, beginning_of, cursor_of
from gateway.core.names import parse_channel_name
from gateway.core.postponed import Postponed, must_wait
from gateway.core.replay import Replay, Rewinding
from gateway.core.replaying import begin
from gateway.core.wire import Action, Flag, ProtocolMessage, WireError
from gateway.errors import BackendFault, BadRequest, ChannelDenied, GatewayError, NoSuchChannel, TooManyChannels

if TYPE_CHECKING:
    from gateway.core.session import Session
    from gateway.core.terms import Terms


def attach(session: Session, message: ProtocolMessage, now: float) -> None:
    """
    Take an ATTACH.

    Args:
        now: Seconds since the epoch.
    """
    if not message.channel:
        session.fail(BadRequest("ATTACH names no channel"))
        return
    refusal = session.attach_pace.exceeded(session.terms.limits, now)
    if refusal is not None:
        _leave_channel(session, message.channel)
        _refuse(session, Action.DETACHED, message.channel, refusal)  # the SDK tries again, later (RTL13b)
        return
    known = session.known.get(message.channel)
    if known is not None and not message.channel_serial and (message.flags or 0) & Flag.ATTACH_RESUME:
        message.channel_serial = known
    _answer(session, message, message.channel, now, may_wait=True)


def detach(session: Session, message: ProtocolMessage) -> None:
    """Take a DETACH."""
    name = message.channel or ""
    _leave_channel(session, name)
    session.send(ProtocolMessage(action=Action.DETACHED, channel=name))


def restrict_all(session: Session) -> None:
    """Hold every channel to what the session's principal may do now: what it no longer may fails at once (40160)."""
    for name, attachment in list(_attached(session).items()):
        modes = still_allowed(session.principal, attachment.channel, attachment.flags)
        if not modes:
            _leave(session, attachment)
            _refuse(session, Action.ERROR, name, ChannelDenied("the token no longer allows this channel"))
        elif modes != attachment.flags:
            session.terms.hub.confirm(attachment, modes)


def tell_positions(session: Session) -> None:
    """Tell the client where it stands on each channel."""
    for attachment in list(_attached(session).values()):
        session.terms.hub.confirm(attachment, attachment.flags)


def leave_all(session: Session) -> None:
    """Be attached to nothing and wait for nothing any more; idempotent."""
    if session.look_ups is not None:
        session.look_ups.end()
        session.look_ups = None
    if session.postponed is not None:
        session.postponed.end()
        session.postponed = None
    for attachment in list(_attached(session).values()):
        _leave(session, attachment)


# ---------------------------------------------------------------------- answering an ATTACH


def _answer(
    session: Session,
    message: ProtocolMessage,
    wire_name: str,
    now: float,
    *,
    may_wait: bool,
    looked_up: LookedUp | None = None,
) -> None:
    try:
        _attach_to(session, message, wire_name, now, may_wait=may_wait, looked_up=looked_up)
    except GatewayError as error:
        _refuse_attach(session, wire_name, error)


def _answer_at_last(session: Session, message: ProtocolMessage, wire_name: str, now: float, is_begun: bool) -> None:
    _answer(session, message, wire_name, now, may_wait=False, looked_up=LookedUp(is_begun))


def _answer_found(session: Session, message: ProtocolMessage, wire_name: str, now: float, looked_up: LookedUp) -> None:
    if looked_up.error is None:
        _answer(session, message, wire_name, now, may_wait=True, looked_up=looked_up)
    else:
        _refuse_attach(session, wire_name, looked_up.error)


def _attach_to(
    session: Session,
    message: ProtocolMessage,
    wire_name: str,
    now: float,
    *,
    may_wait: bool,
    looked_up: LookedUp | None,
) -> None:
    terms = session.terms
    name, qualifier_params = parse_channel_name(wire_name)
    params = {**qualifier_params, **(message.params or {})}
    source = terms.router.source_of(name)
    if source is None:
        raise NoSuchChannel("no namespace of this server has channels of this name")
    modes = granted_modes(session.principal, name, message.flags, params)
    freshness = wished_freshness(params)
    attachment = _attached(session).get(wire_name)
    if attachment is not None:
        attachment.echo("freshness", params.get("freshness"))
        terms.hub.freshness.watch(attachment, freshness)
        terms.hub.confirm(attachment, modes)
        return
    _check_room(session)
    cursors = terms.cursors
    cursor = cursor_of(params, session.principal) if cursors is not None and modes & Flag.SUBSCRIBE else None
    may_rewind = not message.channel_serial and source.namespace in terms.rewind_namespaces
    rewound = wish_of(params, now) if may_rewind else None
    if looked_up is None and cursors is not None and cursor is not None:
        rewind = None if rewound is None else rewound[0]
        begin_at = beginning_of(terms.hub.window, source.topic, name, message.channel_serial, rewind)
        _look_ups_of(session).add(cursors, message, wire_name, cursor, name, begin_at)
        return
    is_begun = looked_up is not None and looked_up.is_begun
    if may_wait and must_wait(terms.hub.window, source.topic, message.channel_serial):
        _postponed_of(session).add(message, wire_name, now, is_begun=is_begun)
        return
    deaf_to = None if session.wants_echo else session.connection_id
    attachment = Attachment(session.outlet, session.wire, name, wire_name, source.topic, deaf_to)
    attachment.flags = modes
    if cursor is not None or source.namespace in terms.receipt_namespaces:
        attachment.following = Following(source.namespace, cursor)
    attachment.echo("cursor", cursor)
    attachment.echo("freshness", params.get("freshness"))
    if terms.note is not None:
        session.note("attach", channel=name, modes=mode_names(modes))
    _begin(terms, attachment, message.channel_serial, rewound, is_begun=is_begun)
    if cursors is not None and cursor is not None:
        cursors.keep(session, attachment)
    terms.hub.freshness.watch(attachment, freshness)


def _check_room(session: Session) -> None:
    most = session.terms.channels_per_connection
    waiting = len(session.postponed or ()) + len(session.look_ups or ())
    if len(_attached(session)) + waiting >= most:
        raise TooManyChannels(f"a connection may attach to {most} channels; detach from some or open another")


def _begin(
    terms: Terms,
    attachment: Attachment,
    serial: str | None,
    rewound: tuple[Rewinding, dict[str, str]] | None,
    *,
    is_begun: bool,
) -> None:
    hub = terms.hub
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
        terms.count_refusal(start.error.code)
    begin(hub, attachment, start._replace(flags=Flag.NONE) if is_begun else start)


def _look_ups_of(session: Session) -> LookUps:
    if session.look_ups is None:
        session.look_ups = LookUps(session, _answer_found)
    return session.look_ups


def _postponed_of(session: Session) -> Postponed:
    if session.postponed is None:
        session.postponed = Postponed(session, _answer_at_last, _refuse_attach)
    return session.postponed


# ---------------------------------------------------------------------- refusing and leaving


def _refuse_attach(session: Session, wire_name: str, error: GatewayError) -> None:
    may_try_again = isinstance(error, BackendFault)  # as the SDK does (RTL13b)
    _refuse(session, Action.DETACHED if may_try_again else Action.ERROR, wire_name, error)


def _refuse(session: Session, action: Action, wire_name: str, error: GatewayError) -> None:
    session.terms.count_refusal(error.code)
    session.note("deny", channel=wire_name, code=error.code)
    told = WireError(error.code, error.status, error.message)
    session.send(ProtocolMessage(action=action, channel=wire_name, error=told))


def _leave_channel(session: Session, wire_name: str) -> None:
    """The client leaves of its own will: nothing waits any more, and a resume does not go on with it."""
    if session.postponed is not None:
        session.postponed.drop(wire_name)
    if session.look_ups is not None:
        session.look_ups.drop(wire_name)
    attachment = _attached(session).get(wire_name)
    if attachment is not None:
        _leave(session, attachment)
    if wire_name in session.known:
        session.known = {name: serial for name, serial in session.known.items() if name != wire_name}


def _leave(session: Session, attachment: Attachment) -> None:
    cursors = session.terms.cursors
    session.terms.hub.leave(attachment)
    if cursors is not None and attachment.cursor_name is not None:
        cursors.let_go(session, attachment)


def _attached(session: Session) -> Mapping[str, Attachment]:
    return session.terms.hub.attachments.of(session.outlet)
