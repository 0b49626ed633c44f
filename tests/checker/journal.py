"""What one client said and was told, in order."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.checker.messages import Wire

FRAME_EXCERPT_BYTES = 120


class Contract(enum.Enum):
    """What a client was promised."""

    EXACTLY_ONCE = "exactly once"  # it keeps its serials itself
    AT_LEAST_ONCE = "at least once"  # the edge keeps its position, which may be older than what it got


class What(enum.Enum):
    """What happened to a client."""

    CONNECTED = "connected"
    DROPPED = "dropped"  # nothing that comes after it is of the transport before
    ATTACH = "asked to attach"
    ATTACHED = "attached"
    MESSAGE = "message"
    DETACH = "asked to detach"  # the app's own wish: it forgets where it was
    DETACHED = "detached"
    NOTE = "note"


class Event(NamedTuple):
    """
    One of these.

    Args:
        at: Seconds of the run.
        what: Which.
        channel: None if it is about the connection.
        serial: `channelSerial` as sent, or as received.
        is_resumed: Of ATTACHED.
        code: Of an error, if there was one.
        frame: Of MESSAGE: what came, verbatim. Of ATTACHED the flags are all that counts.
        text: For people.
    """

    at: float
    what: What
    channel: str | None = None
    serial: str | None = None
    is_resumed: bool = False
    code: int | None = None
    frame: bytes | None = None
    text: str = ""


@dataclass
class Journal:
    """
    The log of one client.

    Args:
        client: Its name.
        wire: How its frames are read.
        contract: What it was promised.
    """

    client: str
    wire: Wire = "json"
    contract: Contract = Contract.EXACTLY_ONCE
    events: list[Event] = field(default_factory=list)

    def excerpt(self, channel: str | None, around: int, count: int = 12) -> Iterator[str]:
        """The events before and after one, those of a channel and of the connection, as lines."""
        of_channel = [at for at, event in enumerate(self.events) if event.channel in (None, channel)]
        here = next((number for number, at in enumerate(of_channel) if at >= around), len(of_channel))
        for at in of_channel[max(0, here - count) : here + count // 2]:
            yield ("> " if at == around else "  ") + _line(self.events[at])


def _line(event: Event) -> str:
    words = [f"{event.at:8.3f}", event.what.value]
    if event.what is What.ATTACHED:
        words.append("resumed" if event.is_resumed else "NOT resumed")
    if event.code is not None:
        words.append(str(event.code))
    words += [word for word in (event.serial, event.text) if word]
    if event.frame is not None:
        words.append(repr(event.frame[:FRAME_EXCERPT_BYTES]))
    return " ".join(words)
