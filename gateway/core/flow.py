"""
What one connection sends, whatever it is: held back first, and sent away only if that is all it does.

    within both rates ─▶ read on
    beyond one        ─▶ what was read counts as owed, and the socket is not read until the time has made up for it
    so for too long   ─▶ Flooding: the client is told to come back

Not to be read costs a client time and nobody else anything: TCP slows it down. `over` ends when half a burst is left again,
so that who floods and pauses for a moment, again and again, is found too.

Source: PROTOCOL.md section 10.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.limits import Bucket, Rate
from gateway.errors import ByteFlood, Flooding, FrameFlood


class FlowTerms(NamedTuple):
    """
    What every connection may send.

    Args:
        frames: Frames; None: any number.
        size_bytes: Bytes of the socket; None: any number.
        patience_seconds: How long one may be beyond that before it is sent away.
    """

    frames: Rate | None
    size_bytes: Rate | None
    patience_seconds: float


class Flow:
    """
    What one connection has sent.

    Args:
        terms: The edge's.
        now: Seconds of a clock that only goes forward.
    """

    __slots__ = ("_bytes", "_frames", "_over_since")

    def __init__(self, terms: FlowTerms, now: float) -> None:
        self._frames = None if terms.frames is None else Bucket(terms.frames, now)
        self._bytes = None if terms.size_bytes is None else Bucket(terms.size_bytes, now)
        self._over_since: float | None = None

    def take(self, terms: FlowTerms, frames: int, size_bytes: int, now: float) -> float:
        """
        Take what was read.

        Returns:
            How long not to read on, in seconds; 0.0 mostly.

        Raises:
            Flooding: If it has been beyond what it may for longer than the patience.
        """
        frames_wait, is_calm = _owe(self._frames, terms.frames, frames, now)
        bytes_wait, is_too = _owe(self._bytes, terms.size_bytes, size_bytes, now)
        wait = max(frames_wait, bytes_wait)
        if wait > 0.0:
            self._over_since = now if self._over_since is None else self._over_since
            if now + wait - self._over_since > terms.patience_seconds:
                raise _flooding(is_by_frames=frames_wait >= bytes_wait)
        elif is_calm and is_too:
            self._over_since = None
        return wait


def _owe(bucket: Bucket | None, rate: Rate | None, count: int, now: float) -> tuple[float, bool]:
    """How long to wait, and whether half a burst is left."""
    if bucket is None or rate is None:
        return 0.0, True
    bucket.owe(rate, count, now)
    level = bucket.level
    return (-level / rate.per_second if level < 0 else 0.0), level >= rate.burst / 2


def _flooding(*, is_by_frames: bool) -> Flooding:
    if is_by_frames:
        return FrameFlood("this connection sends more messages than it may; connect again and send fewer")
    return ByteFlood("this connection sends more bytes than it may; connect again and send less")
