"""
The frame that most segments of a client are: whole, unfragmented, and alone.

Source: RFC 6455 section 5.2.
"""

from __future__ import annotations

from websockets.frames import Opcode

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
