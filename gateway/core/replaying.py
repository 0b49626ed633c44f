"""
What happens to an attachment that is being replayed: one step each, no await.

Whoever reads the past calls these. None of them is called for a replay that is over: the hub ends it when its client
leaves or its topic does, and tells the `Catcher`.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.attaching import Start, fresh_start, rewound_start
from gateway.core.attachment import Attachment, attached_frame
from gateway.core.continuity import cursor_at
from gateway.core.entry import Entry
from gateway.core.frames import message_frame, protocol_frame
from gateway.core.hub import Hub
from gateway.core.life import RECREATED
from gateway.core.message import Message
from gateway.core.replay import Replay
from gateway.core.serial import Front, Position, Serial
from gateway.core.wire import Action, Flag, ProtocolMessage, WireError
from gateway.errors import BackendFault, ContinuityLost, PositionExpired


def begin(hub: Hub, attachment: Attachment, start: Start) -> None:
    """Say ATTACHED and serve from where the window can."""
    if start.error is not None:
        hub.continuity_losses += 1
    serial = start.serial or str(start.position)
    hub_frame = attached_frame(attachment, hub.window, serial=serial, flags=start.flags, error=start.error)
    attachment.outlet.write(hub_frame)
    must_be_heard = start.error is not None or _is_beginning(attachment, start.flags)
    attachment.begin_at(start.position, must_be_heard=must_be_heard)
    if not must_be_heard and start.cursor == hub.window.sequence:
        attachment.proven = start.cursor  # it lacks nothing
    hub.join(attachment, start.cursor, start.position)


def _is_beginning(attachment: Attachment, flags: Flag) -> bool:
    """Whether its cursor begins here, which its device has not heard before."""
    return attachment.cursor_name is not None and not flags & Flag.RESUMED


def land(hub: Hub, replay: Replay) -> bool:
    """
    Hand an attachment over to the window, if all that it lacks is held there.

    Returns:
        Whether it is over.

    Raises:
        ContinuityLost: If nothing can prove continuity any more; then `give_up`.
    """
    attachment = replay.attachment
    try:
        cursor = cursor_at(hub.window, attachment.topic, attachment.channel, replay.position)
    except PositionExpired:
        return False
    announce(hub, replay)
    hub.stop_replaying(replay)
    hub.join(attachment, cursor, replay.position)
    return True


def announce(hub: Hub, replay: Replay) -> None:
    """Say ATTACHED, once: from its position on everything will come, as was proven."""
    if replay.is_announced:
        return
    replay.is_announced = True
    replay.attachment.begin_at(replay.position, must_be_heard=_is_beginning(replay.attachment, replay.flags))
    serial = replay.serial or str(replay.position)
    replay.attachment.outlet.write(attached_frame(replay.attachment, hub.window, serial=serial, flags=replay.flags))


def hand(hub: Hub, replay: Replay, entry: Entry) -> bool:
    """
    Give the next message after its position.

    Returns:
        False if the client does not read; the replay is paused then, and wanted again when the client has read.
    """
    attachment = replay.attachment
    if attachment.outlet.is_full:
        replay.is_paused = True
        return False
    replay.position = entry.position
    if attachment.deaf_to is None or attachment.deaf_to != entry.message.connection_id:
        attachment.outlet.write_later(message_frame(attachment.wire, replay.head, entry.body(attachment.wire)))
        hub.deliveries += 1
    return True


def feed(
    hub: Hub,
    replay: Replay,
    partition: int,
    entries: Iterable[tuple[int, Message]],
    next_offset: int,
    *,
    is_home: bool,
) -> None:
    """
    Give what a partition has of the channel, as far as this edge's tail has come and the client reads.

    Args:
        entries: Offset and message, in order; everything from the replay's position on, below *next_offset*.
        is_home: Whether the channel is known to lie in this partition, even if it has nothing new.

    Raises:
        ContinuityLost: If the topic has another life since.
    """
    attachment, generation = replay.attachment, replay.position.generation
    if hub.window.generation(attachment.topic) != generation:
        raise ContinuityLost(RECREATED)
    announce(hub, replay)
    bound = min(next_offset, hub.window.next_offset(attachment.topic, partition))
    for offset, message in entries:
        if offset >= bound:
            break
        entry = Entry(attachment.topic, Serial(generation, partition, offset), attachment.channel, message, 0)
        if not hand(hub, replay, entry):
            return
    if is_home and bound > 0 and isinstance(replay.position, Front):
        replay.position = Serial(generation, partition, bound - 1)
    advance(replay, partition, bound)


def advance(replay: Replay, partition: int, next_offset: int) -> None:
    """Note that it lacks nothing below *next_offset* of a partition."""
    position = replay.position
    if isinstance(position, Front):
        offsets = list(position.next_offsets)
        offsets[partition] = max(offsets[partition], next_offset)
        replay.position = Front(position.generation, tuple(offsets))
    elif position.partition == partition and position.offset + 1 < next_offset:
        replay.position = Serial(position.generation, partition, next_offset - 1)


def give_up(hub: Hub, replay: Replay, error: ContinuityLost) -> None:
    """
    Serve it from now on, and say why; a rewind that never began is content with what is held.

    Source: RTL12 for a client that was told ATTACHED before.
    """
    attachment = replay.attachment
    if replay.is_announced:
        hub.lose(attachment, error)
        return
    hub.stop_replaying(replay)
    if replay.rewind is None:
        begin(hub, attachment, fresh_start(hub.window, attachment.topic, attachment.channel, error))
    else:
        begin(hub, attachment, rewound_start(hub.window, attachment.topic, attachment.channel, replay.rewind))


def put_off(hub: Hub, replay: Replay, error: BackendFault) -> None:
    """
    Let the client come again, with the position that it has: what is away now may be back then.

    Source: RTL13a, RTL13b; DETACHED does not make an SDK forget its channelSerial.
    """
    attachment = replay.attachment
    hub.leave(attachment)
    detached = ProtocolMessage(
        action=Action.DETACHED,
        channel=attachment.wire_name,
        error=WireError(error.code, error.status, error.message),
    )
    attachment.outlet.write(protocol_frame(attachment.wire, detached))


def rewind_to(replay: Replay, position: Position) -> None:
    """Begin a rewind earlier than now, since there is something earlier."""
    replay.position = position
    replay.flags = Flag.HAS_BACKLOG
