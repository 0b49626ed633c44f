"""
Who gets what: channel → attachments, and one pre-built frame for all of them.

    accept(record's message)                                   one step, no await
       └ window.append ─▶ for each group of the room: build the frame ─▶ attachment.outlet.write(frame)

    live       gets frames as they come; needs no cursor: its outlet has been given everything up to window.sequence
    lagging    gets nothing; its cursor says up to where it was served; `serve` goes on from the window
               when its outlet drains, until it is live again in the same step
    replaying  gets what others read for it from before the window, see core.replay; then it lags, then it is live

An outlet that is full is *suspended*: all its attachments lag from the current sequence on. That costs one cursor each,
whatever flows meanwhile. Membership never changes while a frame is being handed out; an outlet that fills up in that
moment is suspended right after it.

Source: PROTOCOL.md sections 4 and 5; RTL12 for what an app hears when its continuity is lost.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.attachment import Attachment, Outlet, attached_frame
from gateway.core.attachments import Attachments
from gateway.core.duplicates import Duplicates
from gateway.core.entry import Entry
from gateway.core.freshness import Freshness
from gateway.core.laggards import Laggards
from gateway.core.message import Extras, Message
from gateway.core.replay import Catcher, Replay
from gateway.core.rooms import Rooms
from gateway.core.serial import Position, Serial
from gateway.core.waiting import Waiting
from gateway.core.window import Window
from gateway.core.wire import Flag
from gateway.errors import ContinuityLost, GatewayError

_TOO_SLOW = "this client read too slowly: messages it lacks are no longer kept; load the state anew"
SERVE_BYTES = 65536  # handed to one outlet before the next one has its turn


class Hub:
    """
    The channels of one edge and who is attached to them.

    Args:
        window: What was read lately; the hub is its only writer.
        duplicates: Which ids were published lately; likewise.

    Attributes:
        attachments: Who is attached; the hub is their only writer.
        waiting: What waits for the tail.
    """

    def __init__(self, window: Window, duplicates: Duplicates) -> None:
        self.window = window
        self.duplicates = duplicates
        self.freshness = Freshness(window)
        self.attachments = Attachments()
        self.waiting = Waiting()
        self.deliveries = 0
        self.messages = 0
        self.continuity_losses = 0
        self.catcher: Catcher | None = None
        self._rooms = Rooms()
        self._laggards = Laggards(window, self._rooms)
        self._is_delivering = False
        self._suspended_meanwhile: list[Outlet] = []

    # ------------------------------------------------------------------ the tail's side

    def begin(self, topic: str, generation: str, next_offsets: Mapping[int, int], now: float) -> None:
        """
        Start a life of *topic*, its first or, when it was recreated, a new one.

        Args:
            generation: Eight characters that name this life, the same on every edge.
            next_offsets: Partition → the offset that is read next.
        """
        is_first = self.window.generation(topic) is None
        self.window.begin(topic, generation, next_offsets, now)
        if not is_first:
            self._break_continuity(topic, "the topic behind this channel was recreated; load the state anew")

    def extend(self, topic: str, generation: str, next_offsets: Mapping[int, int], now: float) -> None:
        """Go on with added partitions. Who is attached misses nothing; positions of before prove nothing any more."""
        self.window.extend(topic, generation, next_offsets, now)

    def accept(
        self, topic: str, partition: int, offset: int, channel: str, message: Message, size_bytes: int, now: float
    ) -> int:
        """
        Remember a message and hand it to everybody who is live on its channel, in one step.

        A copy of what was published before is dropped; an ephemeral message is handed out and not remembered.

        Returns:
            To how many it was handed.
        """
        generation = self.window.generation(topic) or ""
        entry = Entry(topic, Serial(generation, partition, offset), channel, message, size_bytes)
        if type(message.extras) is Extras:  # most are plain: no headers, so no id of their own
            self.window.append(entry, now)
        elif not self._admit(entry, now):
            return 0
        self.messages += 1
        return self._deliver(entry)

    def learn(self, topic: str, partition: int, offset: int, channel: str, message: Message) -> None:
        """Note the id of a message from before what this edge serves, so that a copy of it is told."""
        if message.has_own_id(topic, partition, offset):
            serial = Serial(self.window.generation(topic) or "", partition, offset)
            self.duplicates.is_copy(channel, message.copy_id, str(serial), message.timestamp)

    def advance(self, topic: str, partition: int, next_offset: int) -> None:
        """Note that everything below *next_offset* was read: gaps of compaction and transactions are no losses."""
        self.window.advance(topic, partition, next_offset)

    def interrupt(self, topic: str, partition: int, next_offset: int, now: float) -> None:
        """Note that records below *next_offset* were deleted before they were read; everybody of *topic* is told."""
        self.window.interrupt(topic, partition, next_offset, now)
        self._break_continuity(topic, "messages were deleted from Kafka before they were read; load the state anew")

    # ------------------------------------------------------------------ the sessions' side

    def join(self, attachment: Attachment, cursor: int, position: Position | None = None) -> None:
        """
        Attach: live at once when nothing lies after *cursor*, else served from there soon.

        Not before the client's other attaches were answered: SDKs give up one that waits behind others' backlogs.
        The caller has written ATTACHED before, so no message comes before it.

        Args:
            position: The same place in the log, where it is known; without it, who reads slower than the window
                forgets cannot be helped.
        """
        self.attachments.add(attachment)
        if not attachment.flags & Flag.SUBSCRIBE:
            return
        if attachment.outlet.is_full:
            self._laggards.begin(attachment, cursor, position)  # it comes back when it drains
        elif self.window.after(attachment.channel, cursor, 1):
            self._laggards.begin(attachment, cursor, position)
            attachment.outlet.serve_soon()
        else:
            self._rooms.join(attachment)

    def confirm(self, attachment: Attachment, modes: Flag) -> None:
        """
        Answer the ATTACH of somebody who is attached, or tell of other modes: what is under way arrives as it would have.

        ATTACHED carries the position up to which it was served, so what the client sent is moot (RTL4). Who lacks
        what nobody has any more is told at once, and never that it was resumed. Who was not answered yet is answered
        when it is known whether it can be.
        """
        was_listening, attachment.flags = attachment.flags & Flag.SUBSCRIBE, modes
        if not (was_listening and modes & Flag.SUBSCRIBE):
            self._begin_anew(attachment)
            return
        cursor = attachment.cursor
        if cursor is not None and not self.window.holds_after(attachment.channel, cursor):
            self._fall_behind(attachment)
            if attachment.replay is None:
                return
        replay = attachment.replay
        if replay is not None and not replay.is_announced:
            return
        position = attachment.position if replay is None else replay.position
        serial = None if position is None else str(position)
        attachment.outlet.write(attached_frame(attachment, self.window, serial=serial, flags=Flag.RESUMED))

    def replay(self, replay: Replay) -> None:
        """Attach from before the window, or go on: somebody else reads what is missing, and brings it to `join`."""
        attachment = replay.attachment
        self.attachments.add(attachment)
        attachment.replay = replay
        if self.catcher is not None:
            self.catcher.want(replay)

    def leave(self, attachment: Attachment) -> None:
        """Detach; idempotent."""
        if not self.attachments.remove(attachment):
            return
        self.freshness.forget(attachment)
        if attachment.is_lagging:
            self._laggards.end(attachment)
        elif attachment.replay is not None:
            self.stop_replaying(attachment.replay)
        else:
            self._rooms.leave(attachment)

    def stop_replaying(self, replay: Replay) -> None:
        """Nobody is to read for it any more."""
        replay.is_over = True
        replay.attachment.replay = None
        if self.catcher is not None:
            self.catcher.drop(replay)

    def suspend(self, outlet: Outlet) -> None:
        """Stop handing frames to a full outlet: its attachments lag from here on."""
        if self._is_delivering:
            self._suspended_meanwhile.append(outlet)
            return
        for attachment in self.attachments.of(outlet).values():
            if attachment.group is not None:
                self._rooms.leave(attachment)
                self._laggards.begin_now(attachment)

    def serve(self, outlet: Outlet) -> bool:
        """
        Give a drained outlet its next share of what it lacks.

        Returns:
            Whether more is to come; then the caller calls again, once others had their turn.
        """
        lagging = []
        for attachment in self.attachments.of(outlet).values():
            if attachment.is_lagging:
                lagging.append(attachment)
            elif attachment.replay is not None and attachment.replay.is_paused:
                attachment.replay.is_paused = False
                self.replay(attachment.replay)
        for attachment in lagging:
            if outlet.is_full:
                return False  # drained again, it comes back here
            self._serve(attachment, SERVE_BYTES // len(lagging))
        return any(attachment.is_lagging for attachment in lagging)

    def lose(self, attachment: Attachment, error: GatewayError) -> None:
        """ATTACHED without RESUMED: the app hears UPDATE with the reason and loads its state anew (RTL12)."""
        self.continuity_losses += 1
        attachment.outlet.write(attached_frame(attachment, self.window, error=error))
        attachment.begin_at(self.window.position(attachment.topic, attachment.channel), must_be_heard=True)
        if attachment.is_lagging:
            self._laggards.end(attachment)
        elif attachment.replay is not None:
            self.stop_replaying(attachment.replay)
        else:
            return
        if attachment.outlet.is_full:
            self._laggards.begin_now(attachment)
        else:
            self._rooms.join(attachment)

    # ------------------------------------------------------------------ inside

    def _admit(self, entry: Entry, now: float) -> bool:
        """Take in a message that may be a copy or ephemeral. Returns: whether anybody is to get it."""
        message = entry.message
        is_copy = message.has_own_id(entry.topic, entry.partition, entry.offset) and self.duplicates.is_copy(
            entry.channel, message.copy_id, entry.serial, message.timestamp
        )
        if is_copy or message.is_ephemeral:
            self.window.advance(entry.topic, entry.partition, entry.offset + 1)
        else:
            self.window.append(entry, now)
        return not is_copy

    def _deliver(self, entry: Entry) -> int:
        self._is_delivering = True
        delivered = self._rooms.deliver(entry)
        self._is_delivering = False
        self.deliveries += delivered
        if self._suspended_meanwhile:
            outlets, self._suspended_meanwhile = self._suspended_meanwhile, []
            for outlet in outlets:
                self.suspend(outlet)
        return delivered

    def _serve(self, attachment: Attachment, limit_bytes: int) -> None:
        """One share from the window; live when nothing is left, told so when what is left is gone."""
        cursor = attachment.cursor
        if cursor is None:
            return
        if not self.window.holds_after(attachment.channel, cursor):
            self._fall_behind(attachment)
            return
        self.deliveries += self._laggards.serve(attachment, cursor, limit_bytes)

    def _fall_behind(self, attachment: Attachment) -> None:
        """What it lacks has left the window: others read it for it, or it is told."""
        position = attachment.position
        if self.catcher is None or position is None:
            self.lose(attachment, ContinuityLost(_TOO_SLOW))
            return
        self._laggards.end(attachment)
        self.replay(Replay(attachment, position, is_announced=True))

    def _begin_anew(self, attachment: Attachment) -> None:
        """Who begins to listen, or ends it, stands where everybody stands now."""
        self.leave(attachment)
        attachment.outlet.write(attached_frame(attachment, self.window))
        position = self.window.position(attachment.topic, attachment.channel)
        attachment.begin_at(position, must_be_heard=attachment.cursor_name is not None)
        self.join(attachment, self.window.sequence)

    def _break_continuity(self, topic: str, reason: str) -> None:
        for attachment in self.attachments.of_topic(topic):
            self.lose(attachment, ContinuityLost(reason))
