"""
What a client sends, read into its messages and its PONGs.

    sole_frame     what most segments are: one frame, whole, unfragmented, and alone; that takes no parser
    FrameReader    everything else, right or wrong: websockets' sans-I/O parser, and fragments put together

Source: RFC 6455 sections 5 and 8.1.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from websockets.frames import Frame, Opcode
from websockets.protocol import SEND_EOF, Protocol, Side

try:
    from websockets.speedups import apply_mask
except ImportError:  # where the wheel has no C
    from websockets.utils import apply_mask

_PLAIN = {0x80 | opcode: opcode for opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.PONG)}  # FIN, and no reserved bit
_MASKED = 0x80
_MEDIUM = 126


def sole_frame(data: bytes, max_bytes: int) -> tuple[Opcode, bytes] | None:
    """
    Read *data* if it is exactly one TEXT, BINARY or PONG frame of at most *max_bytes*.

    Returns:
        Its opcode and payload; None for everything else, right or wrong: that is for a parser to judge.
    """
    if len(data) < 6:
        return None
    opcode = _PLAIN.get(data[0])
    length = data[1] - _MASKED
    mask_at = 2
    if length == _MEDIUM:
        length = int.from_bytes(data[2:4])
        mask_at = 4
        is_shortest = length >= _MEDIUM
    else:
        is_shortest = 0 <= length < _MEDIUM
    payload_at = mask_at + 4
    if opcode is None or not is_shortest or length > max_bytes or len(data) != payload_at + length:
        return None
    if opcode is Opcode.PONG and mask_at != 2:
        return None
    return opcode, apply_mask(data[payload_at:], data[mask_at:payload_at])


class Read(NamedTuple):
    """
    What some bytes have brought.

    Args:
        whole: Opcode and payload of each message that is complete, and of each PONG.
        frames: How many frames were read, of every kind.
        answers: What the parser says to them by itself: PONG and CLOSE.
        is_end: Whether it reads nothing after them: CLOSE came, or what breaks the rules.
    """

    whole: list[tuple[Opcode, bytes]]
    frames: int
    answers: list[bytes]
    is_end: bool


class FrameReader:
    """
    Reads what came with other frames, or in parts; needed only until it is at rest.

    Args:
        max_bytes: Of one message.
        log: Where the parser says what went wrong.
    """

    __slots__ = ("_fragments", "_parser", "_unread_bytes")

    def __init__(self, max_bytes: int, log: logging.Logger) -> None:
        self._parser = Protocol(Side.SERVER, max_size=max_bytes, logger=log)
        self._unread_bytes = 0
        self._fragments: tuple[Opcode, bytearray] | None = None

    @property
    def is_at_rest(self) -> bool:
        """Whether no frame and no message has begun of which more must come."""
        return self._unread_bytes == 0 and self._parser.current_size is None

    def read(self, data: bytes) -> Read:
        """Take what comes next."""
        parser = self._parser
        self._unread_bytes += len(data)
        parser.receive_data(data)
        frames = parser.events_received()
        whole = []
        for frame in frames:
            assert isinstance(frame, Frame)
            self._unread_bytes -= _size(frame)
            ended = self._ended_by(frame)
            if ended is not None:
                whole.append(ended)
        said = parser.data_to_send()
        return Read(whole, len(frames), [answer for answer in said if answer != SEND_EOF], SEND_EOF in said)

    def _ended_by(self, frame: Frame) -> tuple[Opcode, bytes] | None:
        """The message whose last frame it is, or the PONG that it is."""
        opcode = frame.opcode
        if opcode is Opcode.PONG:
            return opcode, bytes(frame.data)
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            if frame.fin:
                return opcode, bytes(frame.data)
            self._fragments = (opcode, bytearray(frame.data))
        elif opcode is Opcode.CONT and self._fragments is not None:
            first, collected = self._fragments
            collected += frame.data
            if frame.fin:
                self._fragments = None
                return first, bytes(collected)
        return None


def is_utf8(payload: bytes) -> bool:
    """Whether it may be a TEXT message."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _size(frame: Frame) -> int:
    """Bytes of a client's frame on the wire, if its length was written in the shortest form (RFC 6455 section 5.2)."""
    length = len(frame.data)
    return length + (6 if length < 126 else 8 if length < 65536 else 14)
