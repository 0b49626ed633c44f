"""
What has arrived at the clients, and who is told.

What was *sent* is not what *arrived*. A client's WebSocket stack answers each PING in order, so the PONG that carries
the number of a PING proves that everything written before it has reached the client.

    PING leaves     `mark`      live: all up to window.sequence was written before; else up to where it was served
    PONG comes      `confirm`   what was marked is proven; where somebody needs to know, it is worked out and told
    state is kept   `settle`    for all others it is worked out only now

A sequence becomes a position by the first message that came after it. Where the window no longer knows that, the older
position stands: a confirmed position may be old, and is never too new.

Source: PROTOCOL.md sections 3 and 4; RFC 6455 sections 5.5.2 and 5.5.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from gateway.core.continuity import may_have_come, position_upto
from gateway.core.serial import Position, is_beyond
from gateway.core.wire import Flag

if TYPE_CHECKING:
    from gateway.core.attachment import Attachment, Outlet
    from gateway.core.hub import Hub
    from gateway.core.session import Session
    from gateway.core.window import Window


class Advance(NamedTuple):
    """
    A client has confirmed what it got of a channel.

    Args:
        app_id: The app whose credentials opened the connection.
        client_id: Whose connection it is; None if anonymous.
        cursor: The name of the durable position, if the client gave one.
        namespace: As the settings call it.
        channel: The plain name.
        after: The serial up to which the client had confirmed before; exclusive.
        upto: The serial up to which it has confirmed now; inclusive.
        confirmed_at_ms: When, in milliseconds since the epoch.
    """

    app_id: str
    client_id: str | None
    connection_id: str
    cursor: str | None
    namespace: str
    channel: str
    after: str
    upto: str
    confirmed_at_ms: int


class Confirmations(Protocol):
    """Who needs to know what was confirmed."""

    def advanced(self, advance: Advance) -> None:
        """Take note of it; never waits, and holds a bounded number."""


class Following(NamedTuple):
    """What is told of an attachment besides its positions, if its advances are told at all."""

    namespace: str
    cursor: str | None


def mark(hub: Hub, outlet: Outlet) -> None:
    """Note what a PING that is written now will prove of each attachment."""
    sequence = hub.window.sequence
    for attachment in hub.attachments.of(outlet).values():
        if attachment.group is not None:
            attachment.marked = sequence
        elif attachment.replay is None:
            attachment.marked = attachment.position
        else:
            attachment.marked = attachment.replay.position if attachment.replay.is_announced else None


def confirm(session: Session, now: float) -> None:
    """
    Take what was marked for proven, and tell who needs to know.

    Args:
        now: Seconds since the epoch.
    """
    window = session.terms.hub.window
    for attachment in session.terms.hub.attachments.of(session.outlet).values():
        marked, attachment.marked = attachment.marked, None
        if marked is None:
            continue
        former, attachment.proven = attachment.proven, marked
        if attachment.following is None or not _is_news(window, attachment, former, marked):
            continue
        before = _advance(window, attachment)
        if before is not None:
            _tell(session, attachment, attachment.following, before, now)
        elif isinstance(marked, int):
            attachment.proven = former  # unknown which came next: told together with what is proven next


def settle(window: Window, attachment: Attachment) -> Position | None:
    """Work out up to where the client is known to have everything; None if that is not known."""
    _advance(window, attachment)
    return attachment.confirmed


def positions_of(session: Session) -> dict[str, str]:
    """Where a connection stands on each of its channels that it listens to, by the names that its client uses."""
    positions = dict(session.known)
    for name, attachment in session.terms.hub.attachments.of(session.outlet).items():
        position = settle(session.terms.hub.window, attachment) if attachment.flags & Flag.SUBSCRIBE else None
        if position is not None:
            positions[name] = str(position)
    return positions


def _advance(window: Window, attachment: Attachment) -> Position | None:
    """
    Bring the confirmed position up to what was proven.

    Returns:
        The position that the client had confirmed before, if this one is beyond it.
    """
    proven, before = attachment.proven, attachment.told or attachment.confirmed
    if proven is None or before is None:
        return None
    found = _position_of(window, attachment, proven)
    if found is None:
        return None
    is_further = is_beyond(found, before)
    attachment.confirmed, attachment.told = found if is_further else before, None
    return before if is_further else None


def _position_of(window: Window, attachment: Attachment, proven: int | Position) -> Position | None:
    if isinstance(proven, int):
        return position_upto(window, attachment.topic, attachment.channel, proven)
    return proven


def _is_news(window: Window, attachment: Attachment, former: int | Position | None, marked: int | Position) -> bool:
    """Whether anything of the channel can lie between: that others' messages have come is nobody's news."""
    if attachment.told is None and isinstance(former, int) and isinstance(marked, int):
        return may_have_come(window, attachment.channel, former, marked)
    return True


def _tell(session: Session, attachment: Attachment, following: Following, before: Position, now: float) -> None:
    """Each advance begins where the one before it ended, though others' messages have moved the position since."""
    after, attachment.announced = attachment.announced or before, attachment.confirmed
    advance = Advance(
        session.principal.app_id,
        session.principal.client_id,
        session.connection_id,
        following.cursor,
        following.namespace,
        attachment.channel,
        str(after),
        str(attachment.confirmed),
        int(now * 1000),
    )
    for receiver in session.terms.confirmations:
        receiver.advanced(advance)
