"""One session on one channel, and what it is told when it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.core.frames import protocol_frame
from gateway.core.serial import Position
from gateway.core.window import Window
from gateway.core.wire import Action, Flag, Format, ProtocolMessage, WireError
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.core.confirming import Following
    from gateway.core.replay import Replay
    from gateway.core.rooms import Group


class Outlet(Protocol):
    """What the hub sees of a transport."""

    @property
    def is_full(self) -> bool:
        """Whether the device does not read as fast as it is written to."""

    def write(self, frame: bytes) -> None:
        """Take a frame for the device; never waits, never raises."""

    def write_later(self, frame: bytes) -> None:
        """The same, where it may wait a moment for others that go with it in one write."""

    def serve_soon(self) -> None:
        """See to it that `Hub.serve` is called, once others had their turn."""


class Attachment:
    """
    One session on one channel.

    Args:
        outlet: Where its frames go.
        wire: Their format.
        channel: The plain name.
        wire_name: The name by which the client calls it, qualifier included.
        topic: The topic that feeds it.
        deaf_to: The connection whose messages it does not get: its own, with ``echo=false``.

    What of it has arrived is worked out in core.confirming.

    Attributes:
        confirmed: The position up to which the client is known to have everything; None: not known.
        proven: What is known since, a position or the sequence of one that is to be worked out yet.
        marked: The same, if the PING under way is answered.
        announced: Up to where its last advance was told.
        told: The position of an ATTACHED that the client must hear, until it is proven to have arrived.
        following: Who needs to be told of each advance, if anybody does.
    """

    __slots__ = (
        "announced",
        "channel",
        "confirmed",
        "cursor",
        "deaf_to",
        "flags",
        "following",
        "group",
        "index",
        "marked",
        "outlet",
        "params",
        "position",
        "proven",
        "replay",
        "told",
        "topic",
        "wire",
        "wire_name",
    )

    def __init__(
        self, outlet: Outlet, wire: Format, channel: str, wire_name: str, topic: str, deaf_to: str | None = None
    ) -> None:
        self.outlet = outlet
        self.wire = wire
        self.channel = channel
        self.wire_name = wire_name
        self.topic = topic
        self.deaf_to = deaf_to
        self.flags = Flag.NONE
        self.params: dict[str, str] | None = None
        self.cursor: int | None = None
        self.position: Position | None = None
        self.replay: Replay | None = None
        self.group: Group | None = None
        self.index = 0
        self.confirmed: Position | None = None
        self.proven: int | Position | None = None
        self.marked: int | Position | None = None
        self.told: Position | None = None
        self.announced: Position | None = None
        self.following: Following | None = None

    def begin_at(self, position: Position, *, must_be_heard: bool = False) -> None:
        """
        Note from where on it is served.

        Args:
            must_be_heard: Whether the client is told that something is missing, or that its cursor begins. Until it is
                proven to have heard so, what it confirmed before stands: one that comes back from there is told again.
        """
        self.marked = self.proven = self.announced = None
        self.told = position if must_be_heard else None
        if not must_be_heard:
            self.confirmed = position

    def echo(self, param: str, value: str | None) -> None:
        """Tell the client in ATTACHED that *param* was understood; None: it was not given."""
        kept = {name: of for name, of in (self.params or {}).items() if name != param}
        if value is not None:
            kept[param] = value
        self.params = kept or None

    @property
    def cursor_name(self) -> str | None:
        """What its client calls its durable position here, if it has one."""
        return None if self.following is None else self.following.cursor

    @property
    def is_lagging(self) -> bool:
        """Whether it is served by cursor, and not as messages come; its position is then where that is in the log."""
        return self.cursor is not None


def attached_frame(
    attachment: Attachment,
    window: Window,
    *,
    serial: str | None = None,
    flags: Flag = Flag.NONE,
    error: GatewayError | None = None,
) -> bytes:
    """
    ATTACHED, with the position from which the client is served.

    It is the position *before* any backlog that follows, so a client that drops in the middle of the backlog comes
    back with the serial of the last message it got, and never with one of a message that it did not get.

    Args:
        serial: That position; None: everything that was read so far.
        flags: RESUMED and HAS_BACKLOG as they apply; the granted modes are added.
        error: Why continuity was lost, if it was.

    Source: PROTOCOL.md section 4; RTL15b.
    """
    message = ProtocolMessage(
        action=Action.ATTACHED,
        channel=attachment.wire_name,
        channel_serial=serial or str(window.position(attachment.topic, attachment.channel)),
        flags=int(flags | attachment.flags),
        params=attachment.params,
        error=None if error is None else WireError(error.code, error.status, error.message),
    )
    return protocol_frame(attachment.wire, message)
