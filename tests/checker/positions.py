"""Positions in a channel as clients keep them: PROTOCOL.md section 4, read anew."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import NamedTuple


class Position(NamedTuple):
    """
    Up to where a client has everything.

    Args:
        generation: Names one life of the topic.
        partition: None for a position over all partitions.
        next_offsets: The first offset that the client lacks; one for each partition if there is no *partition*.
    """

    generation: str
    partition: int | None
    next_offsets: tuple[int, ...]

    def next_offset(self, partition: int) -> int | None:
        """The first offset of a partition that it does not cover; None if it says nothing of that partition."""
        if self.partition is None:
            return self.next_offsets[partition] if partition < len(self.next_offsets) else None
        return self.next_offsets[0] if self.partition == partition else None


@lru_cache(maxsize=65536)
def read_position(text: str) -> Position:
    """
    Read a channelSerial.

    Raises:
        ValueError: If it has neither of the two forms.
    """
    generation, middle, last = text.split("-", 2)
    if middle != "v":
        return Position(generation, int(middle), (int(last) + 1,))
    packed = base64.urlsafe_b64decode(last + "=" * (-len(last) % 4))
    return Position(generation, None, tuple(_leb128(packed)))


def _leb128(packed: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in packed:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
    if shift:
        raise ValueError("the last number is cut short")
    return numbers
