"""
An attachment that is served from before the window, by others than the hub.

    wanted ──▶ proven: ATTACHED with RESUMED ──▶ fed, piece by piece ──▶ the window takes it: lagging, then live
      │                                            │      ▲
      │                                       full ▼      │ drained
      │                                             paused
      ├──▶ not proven: ATTACHED without RESUMED, from now on      (the same when it ends on the way, RTL12)
      └──▶ not to be known now: DETACHED, the client tries again with the position that it has

One that reads too slowly and fell off the window begins as proven. *position* is the whole truth about it: up to there
it has everything. So it may be dropped by whoever reads for it at any moment, and be taken up again by another reader.

Source: PROTOCOL.md section 4; RTL12, RTL13, RTL15b.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from gateway.core.frames import message_head
from gateway.core.serial import Position
from gateway.core.wire import Flag

if TYPE_CHECKING:
    from gateway.core.attachment import Attachment


class Rewinding(NamedTuple):
    """
    From where on a fresh attachment wants to be served; both given: from the later one.

    Args:
        messages: At most so many messages back.
        since_ms: From this time on, by the records' timestamps.
    """

    messages: int | None
    since_ms: int | None


class Replay:
    """
    What somebody reads of the past for one attachment.

    Args:
        attachment: Whose.
        position: Up to where it has everything.
        serial: The client's own text for that, echoed in ATTACHED.
        rewind: Where it is to begin, if that must be found first; *position* is then where it begins otherwise.
        is_announced: Whether its client was told ATTACHED already.

    *is_placed*: its beginning was found. *partition* and *next_offset*: what it lacks first, for those who read the log.
    """

    __slots__ = (
        "_head",
        "attachment",
        "flags",
        "is_announced",
        "is_over",
        "is_paused",
        "is_placed",
        "next_offset",
        "partition",
        "position",
        "rewind",
        "serial",
    )

    def __init__(
        self,
        attachment: Attachment,
        position: Position,
        *,
        serial: str | None = None,
        rewind: Rewinding | None = None,
        is_announced: bool = False,
    ) -> None:
        self.attachment = attachment
        self.position = position
        self.serial = serial
        self.rewind = rewind
        self.is_announced = is_announced
        self.is_over = False
        self.is_paused = False
        self.is_placed = rewind is None
        self.flags = Flag.RESUMED if rewind is None else Flag.NONE
        self.partition = 0
        self.next_offset = 0
        self._head: bytes | None = None

    @property
    def head(self) -> bytes:
        """What its MESSAGE frames begin with; built at its first use."""
        if self._head is None:
            self._head = message_head(self.attachment.wire, self.attachment.wire_name)
        return self._head


class Catcher(Protocol):
    """Who reads the past. Both calls only take note; nothing happens before the caller's step is over."""

    def want(self, replay: Replay) -> None:
        """Read for it from its position on, until the window takes it, its outlet is full, or nothing can be proven."""

    def drop(self, replay: Replay) -> None:
        """Read no more for it; idempotent."""
