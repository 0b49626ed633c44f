"""One message as this edge keeps it."""

from __future__ import annotations

import msgspec

from gateway.core.frames import message_body
from gateway.core.message import Message
from gateway.core.serial import Serial
from gateway.core.wire import Format

ENTRY_OVERHEAD_BYTES = 700  # objects around one message, measured with tracemalloc


class Entry(msgspec.Struct, gc=False):
    """
    One message in the window, with its encodings as they come to be needed.

    A window holds hundreds of thousands of these, and none can be part of a cycle: the garbage collector, which would
    look at all of them again and again, and stop the loop meanwhile, is kept out.

    Args:
        position: Where it is in its channel.
        size_bytes: Of key and value; the objects around them are added.
    """

    topic: str
    position: Serial
    channel: str
    message: Message
    size_bytes: int
    partition: int = 0
    offset: int = 0
    sequence: int = 0
    received_at: float = 0.0
    text_body: bytes | None = None
    binary_body: bytes | None = None

    def __post_init__(self) -> None:
        _, self.partition, self.offset = self.position
        self.size_bytes += ENTRY_OVERHEAD_BYTES

    @property
    def serial(self) -> str:
        """The position as clients keep it."""
        return str(self.position)

    def body(self, wire: Format) -> bytes:
        """What MESSAGE frames of this entry end with in one format; built at its first use."""
        body = self.text_body if wire.is_text else self.binary_body
        if body is None:
            body = message_body(wire, self.message, self.serial)
            if wire.is_text:
                self.text_body = body
            else:
                self.binary_body = body
        return body
