"""
What a window proves to a client that has everything of its channel up to a position.

    position ──▶ point: how far that is in the partition of the channel ──▶ nothing lies between: a cursor
                  │                                                          ╰─▶ something does: gaps, to be read elsewhere
                  ╰─▶ of another life, of the future, of no partition: nothing can be proven

Source: PROTOCOL.md section 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.core.serial import Front, Position, Serial
from gateway.core.window import Window
from gateway.errors import PositionExpired

EXPIRED = "this channelSerial is older than what is kept; load the state anew"


class Gap(NamedTuple):
    """
    What must be read elsewhere before this window can serve a client whole: offsets of one partition.

    Args:
        next_offset: The first one that the client may lack.
        until: The first one that the window needs no help with.
    """

    partition: int
    next_offset: int
    until: int


def gaps_after(window: Window, topic: str, channel: str, position: Position) -> list[Gap]:
    """
    What lies between a client that has everything of *channel* up to *position*, and what is held.

    Returns:
        Nothing if the window can serve it. One gap where the channel's partition is known, else one for each
        partition in which the channel may have spoken since.

    Raises:
        ContinuityLost: If no reading of the past can prove continuity either.
        BadSerial: If the position is of no partition of this topic, or in the future.
    """
    return _gaps(window, topic, channel, position, point_at(window, topic, channel, position))


def cursor_at(window: Window, topic: str, channel: str, position: Position) -> int:
    """
    Where on this edge a client stands who has everything of *channel* up to *position*.

    Returns:
        A sequence: all of the channel that the client lacks comes after it, and is held.

    Raises:
        PositionExpired: If something between is not held, see `gaps_after`.
        ContinuityLost: If nothing can prove continuity.
        BadSerial: If the position is of no partition of this topic, or in the future.
    """
    point = point_at(window, topic, channel, position)
    if point is None:
        is_whole = not _gaps(window, topic, channel, position, None)
    else:
        is_whole = point.offset + 1 >= window.proven_from(topic, channel, point.partition)
    if not is_whole:
        raise PositionExpired(EXPIRED)
    return window.sequence if point is None else window.sequence_before(topic, channel, point.offset)


def point_at(window: Window, topic: str, channel: str, position: Position) -> Serial | None:
    """
    How far *position* goes in the partition of a channel, whether or not what comes after it is held.

    Returns:
        The last offset that it covers, which may be -1; None if the channel is not known to have spoken.

    Raises:
        ContinuityLost: If the position is of another generation, or the order of the channel is unknown.
        BadSerial: If it is of no partition of this topic, or in the future.
    """
    life = window.life(topic)
    life.check(position)
    partition = window.partition_of(topic, channel)
    if partition is None and isinstance(position, Serial):
        partition = position.partition
    life.check_fit(channel, position, partition)
    if isinstance(position, Serial):
        return position
    return None if partition is None else Serial(life.generation, partition, position.next_offsets[partition] - 1)


def position_upto(window: Window, topic: str, channel: str, sequence: int) -> Position | None:
    """
    The position of somebody who was given everything of *channel* up to *sequence* as it came.

    Returns:
        The one before the first message that came since, or the present one; None if it is no longer known which
        came first, since some of them were forgotten, or the topic is not what it was.

    Raises:
        KafkaUnavailable: If the topic is not being read yet.
    """
    life = window.life(topic)
    if window.may_have_forgotten(channel, sequence):
        return None
    since = window.after(channel, sequence, 1)
    return life.position_at(since[0].partition, since[0].offset) if since else window.position(topic, channel)


def may_have_come(window: Window, channel: str, after: int, upto: int) -> bool:
    """Whether messages of *channel* came with sequences after the one and up to the other, as far as is known."""
    if window.may_have_forgotten(channel, after):
        return True
    since = window.after(channel, after, 1)
    return bool(since) and since[0].sequence <= upto


def _gaps(window: Window, topic: str, channel: str, position: Position, point: Serial | None) -> list[Gap]:
    if point is not None:
        offsets: Iterable[tuple[int, int]] = ((point.partition, point.offset + 1),)
    else:
        offsets = enumerate(position.next_offsets) if isinstance(position, Front) else ()
    between = (Gap(partition, at, window.proven_from(topic, channel, partition)) for partition, at in offsets)
    return [gap for gap in between if gap.next_offset < gap.until]
