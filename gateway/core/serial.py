"""
Positions in a channel, as opaque text that clients keep and send back.

Two forms, told apart by their second part:

    k7f2m0qa-00012-0000000000010482     point: everything up to this offset of this partition
    k7f2m0qa-v-AAMq5wE…                 front: everything up to these offsets, one per partition

A channel's messages lie in one partition, so a *point* says it all once the channel has spoken. Of a channel that has
not spoken inside what this edge remembers, nobody can know the partition without trusting every producer's
partitioner; its position is a *front* over all partitions of the topic instead, and proves as much.

The *generation* names one life of the topic and its number of partitions. Without it, a client that returns after the
topic was recreated, or after keys moved to other partitions, would skip records and never know.

Source: PROTOCOL.md section 4; RTL15b. Offsets are Kafka's INT64.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from typing import NamedTuple

from gateway.errors import BadSerial

_POINT = re.compile(r"([a-z0-9]{4,16})-([0-9]{5})-([0-9]{16})", re.ASCII)
_FRONT = re.compile(r"([a-z0-9]{4,16})-v-([A-Za-z0-9_-]{2,16384})", re.ASCII)
_MAX_OFFSET = 10**16 - 1  # what the fixed width holds: a million records a second for 300 years


class Serial(NamedTuple):
    """The position of one message: replay starts one after *offset*."""

    generation: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return "%s-%05d-%016d" % self  # noqa: UP031  # half the time of an f-string, once a message


class Front(NamedTuple):
    """The position of a channel that has not spoken: for each partition, the next offset the client has not seen."""

    generation: str
    next_offsets: tuple[int, ...]

    def __str__(self) -> str:
        return _front_text(self)


Position = Serial | Front


def is_beyond(position: Position, other: Position) -> bool:
    """Whether *position* covers something of a channel that *other*, an earlier one of the same client, does not."""
    if position.generation != other.generation:
        return True
    if isinstance(other, Serial):
        if isinstance(position, Serial) and position.partition != other.partition:
            return True
        return _next_offset(position, other.partition) > other.offset + 1
    if isinstance(position, Serial):
        return position.offset + 1 > other.next_offsets[position.partition]
    return any(mine > theirs for mine, theirs in zip(position.next_offsets, other.next_offsets, strict=True))


def _next_offset(position: Position, partition: int) -> int:
    return position.offset + 1 if isinstance(position, Serial) else position.next_offsets[partition]


def parse_serial(text: str) -> Position:
    """
    Read a position as clients send it back.

    Args:
        text: For example ``"k7f2m0qa-00012-0000000000010482"``.

    Returns:
        A point or a front; which one depends on what the edge that issued it knew.

    Raises:
        BadSerial: If *text* has another form. The client hears 80012 and goes on without continuity.

    Source: PROTOCOL.md section 4; RTL15b.
    """
    if match := _POINT.fullmatch(text):
        return Serial(match[1], int(match[2]), int(match[3]))
    if match := _FRONT.fullmatch(text):
        return Front(match[1], _unpack(match[2]))
    raise BadSerial("this channelSerial is not one that this server issues; attach without it and load the state anew")


@lru_cache(maxsize=64)  # while nothing flows, every ATTACH gets the same one
def _front_text(front: Front) -> str:
    packed = bytearray()
    for offset in front.next_offsets:
        _pack(offset, packed)
    return f"{front.generation}-v-{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def _pack(number: int, into: bytearray) -> None:
    while number > 0x7F:
        into.append(number & 0x7F | 0x80)
        number >>= 7
    into.append(number)


def _unpack(text: str) -> tuple[int, ...]:
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise BadSerial("this channelSerial is damaged; attach without it and load the state anew") from None
    offsets: list[int] = []
    number = shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        if number > _MAX_OFFSET:
            raise BadSerial("this channelSerial holds an offset that no topic can have")
        shift += 7
        if not byte & 0x80:
            offsets.append(number)
            number = shift = 0
    if shift:
        raise BadSerial("this channelSerial is cut short; attach without it and load the state anew")
    return tuple(offsets)
