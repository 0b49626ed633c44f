"""The live attachments of a channel, grouped by the bytes they get."""

from __future__ import annotations

from gateway.core.attachment import Attachment
from gateway.core.entry import Entry
from gateway.core.frames import message_frame, message_head
from gateway.core.wire import Format


class Group:
    """The live attachments of a room that get the very same bytes."""

    __slots__ = ("deaf_to", "head", "members", "room", "wire", "wire_name")

    def __init__(self, room: Room, wire: Format, wire_name: str, deaf_to: str | None) -> None:
        self.room = room
        self.wire = wire
        self.wire_name = wire_name
        self.deaf_to = deaf_to
        self.head = message_head(wire, wire_name)
        self.members: list[Attachment] = []


class Room:
    """The live attachments of one channel, by the bytes they get."""

    __slots__ = ("channel", "groups")

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.groups: list[Group] = []

    def group_for(self, wire: Format, wire_name: str, deaf_to: str | None) -> Group:
        """The group of those who get the same bytes, made if there is none."""
        for group in self.groups:
            if group.wire is wire and group.wire_name == wire_name and group.deaf_to == deaf_to:
                return group
        group = Group(self, wire, wire_name, deaf_to)
        self.groups.append(group)
        return group


class Rooms:
    """Every channel that somebody listens to."""

    __slots__ = ("_rooms",)

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}

    def join(self, attachment: Attachment) -> None:
        """From now on it gets what comes."""
        room = self._rooms.get(attachment.channel)
        if room is None:
            room = self._rooms[attachment.channel] = Room(attachment.channel)
        group = room.group_for(attachment.wire, attachment.wire_name, attachment.deaf_to)
        attachment.group, attachment.index = group, len(group.members)
        group.members.append(attachment)

    def leave(self, attachment: Attachment) -> None:
        """From now on it gets nothing; idempotent."""
        group = attachment.group
        if group is None:
            return
        last = group.members.pop()
        if last is not attachment:
            group.members[attachment.index] = last
            last.index = attachment.index
        attachment.group = None
        if not group.members:
            room = group.room
            room.groups.remove(group)
            if not room.groups:
                del self._rooms[room.channel]

    def deliver(self, entry: Entry) -> int:
        """
        Hand an entry to everybody who listens to its channel, but for who is deaf to its publisher.

        Nobody may join or leave meanwhile.

        Returns:
            To how many.
        """
        room = self._rooms.get(entry.channel)
        if room is None:
            return 0
        delivered = 0
        publisher = entry.message.connection_id
        for group in room.groups:
            if publisher is not None and group.deaf_to == publisher:
                continue
            frame = message_frame(group.wire, group.head, entry.body(group.wire))
            for attachment in group.members:
                attachment.outlet.write(frame)
            delivered += len(group.members)
        return delivered
