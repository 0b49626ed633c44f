"""Attachments that are served from the window by cursor, because their outlets were full or a backlog is theirs."""

from __future__ import annotations

from gateway.core.attachment import Attachment
from gateway.core.frames import message_frame, message_head
from gateway.core.rooms import Rooms
from gateway.core.serial import Position
from gateway.core.window import Window


class Laggards:
    """
    Begins, serves and ends lagging; who lags is written on the attachments themselves.

    Args:
        window: Which remembers what it forgets of the channels that are read by cursor.
        rooms: Where they go on, live, when nothing is left.
    """

    __slots__ = ("_rooms", "_window")

    def __init__(self, window: Window, rooms: Rooms) -> None:
        self._window = window
        self._rooms = rooms

    def begin(self, attachment: Attachment, cursor: int, position: Position | None) -> None:
        """From now on it is served from *cursor*; *position*: the same place in the log, where it is known."""
        attachment.cursor = cursor
        attachment.position = position
        self._window.watch(attachment.channel)

    def begin_now(self, attachment: Attachment) -> None:
        """It has everything that came so far."""
        window = self._window
        self.begin(attachment, window.sequence, window.position(attachment.topic, attachment.channel))

    def end(self, attachment: Attachment) -> None:
        """It is served otherwise, or not at all."""
        attachment.cursor = attachment.position = None
        self._window.unwatch(attachment.channel)

    def serve(self, attachment: Attachment, cursor: int, limit_bytes: int) -> int:
        """
        Write one share of what it lacks after *cursor*, which must be held; with nothing left it is live again.

        Returns:
            How many messages it was.
        """
        head = message_head(attachment.wire, attachment.wire_name)
        entries = self._window.after(attachment.channel, cursor, limit_bytes)
        written = 0
        for entry in entries:
            attachment.cursor = cursor = entry.sequence
            if attachment.deaf_to is not None and attachment.deaf_to == entry.message.connection_id:
                continue
            attachment.outlet.write(message_frame(attachment.wire, head, entry.body(attachment.wire)))
            written += 1
        if not attachment.outlet.is_full and not self._window.after(attachment.channel, cursor, 1):
            self.end(attachment)
            self._rooms.join(attachment)
        elif entries:
            attachment.position = entries[-1].position
        return written
