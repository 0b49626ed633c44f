"""
What the kernel knows of the way to a client: how far what was sent has been acknowledged.

Source: tcp(7), TCP_INFO; its layout is the kernel's ABI (include/uapi/linux/tcp.h).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import NamedTuple

_INFO = struct.Struct(
    "=24xI28xI60xQ16xI"
)  # unacked at 24, last_ack_recv at 56, bytes_acked at 120, notsent_bytes at 144


class Way(NamedTuple):
    """
    What became of what was written to a socket.

    Args:
        segments: On their way, and not acknowledged.
        unsent_bytes: In the process and in the kernel: as much as the other end has no room for.
        acknowledged_bytes: Since the connection began.
        silent_seconds: Since the last ACK, of whatever.
    """

    segments: int
    unsent_bytes: int
    acknowledged_bytes: int
    silent_seconds: float

    def is_passable(self, before: Way | None, waited_seconds: float) -> bool:
        """
        Whether an answer that is overdue may still come.

        Args:
            before: What was found the last time, if this is not the first one.
            waited_seconds: For the answer.
        """
        has_moved = before is None or before.acknowledged_bytes != self.acknowledged_bytes
        if self.segments:
            return has_moved and self.silent_seconds < waited_seconds
        if self.unsent_bytes:
            return True  # nobody reads at the other end, which is there
        return has_moved and before is not None  # what came last needs its time too


def way_of(transport: asyncio.Transport) -> Way | None:
    """See how a socket's way is; None where the system does not tell: all but Linux."""
    found = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_INFO", None)
    if found is None or option is None:
        return None
    told = found.getsockopt(socket.IPPROTO_TCP, option, _INFO.size)
    if len(told) < _INFO.size:
        return None
    segments, silent_ms, acknowledged_bytes, unsent_bytes = _INFO.unpack(told)
    return Way(segments, unsent_bytes + transport.get_write_buffer_size(), acknowledged_bytes, silent_ms / 1000)
