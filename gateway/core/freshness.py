"""
How old the newest thing is that this edge can know, and who wants to hear when that is too old.

    as of     the time up to which everything that Kafka had of a partition was read
    stale     who asked for ``freshness=5s`` is told once the time since then is over 5 s, and again when it is not

What stops a message on its way is told by nothing that arrives: a balance that stands still may be right, or an hour
old. So an app that shows one asks for freshness, and greys it out while it cannot be known.

Only what is live is told: who lags is behind for reasons of its own, and hears when it has caught up.

Source: PROTOCOL.md section 4, "Freshness".
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from auth.capability import Capability
from gateway.core.attachment import Attachment
from gateway.core.frames import protocol_frame
from gateway.core.message import Message
from gateway.core.routing import DEFAULT
from gateway.core.window import Window
from gateway.core.wire import Action, Lag, ProtocolMessage
from gateway.errors import BadParameter

EVENT_NAME = "as of"
TOLD_PER_LOOK = 500  # a few milliseconds of the loop; the rest is told at the next look
MIN_SECONDS, MAX_SECONDS = 2, 3600
_LIMIT = re.compile(r"([0-9]{1,5})([sm])", re.ASCII)
_UNITS = {"s": 1, "m": 60}
AsOf = Callable[[str, int | None], int]


class Concern(NamedTuple):
    """
    What watchers may have in common.

    Args:
        partition: The one that feeds the channel; None while that is unknown: then the oldest of all counts.
        limit_ms: How old is too old.
    """

    topic: str
    partition: int | None
    limit_ms: int


class _Watch:
    """Those with one concern, and what they were told last."""

    __slots__ = ("as_of_ms", "is_stale", "members", "to_tell")

    def __init__(self) -> None:
        self.members: dict[Attachment, bool] = {}
        self.to_tell: deque[Attachment] = deque()
        self.is_stale = False
        self.as_of_ms = 0


class Freshness:
    """
    Tells clients when the pipeline behind their channel stalls, and when it flows again.

    Args:
        window: Knows which partition feeds a channel, and where everybody stands who is live.

    Attributes:
        lags: By namespace, what CONNECTED shows.
    """

    def __init__(self, window: Window) -> None:
        self.lags: Mapping[str, Lag] = {}
        self._window = window
        self._watches: dict[Concern, _Watch] = {}
        self._concerns: dict[Attachment, Concern] = {}

    def lags_for(self, capability: Capability) -> dict[str, Lag] | None:
        """What CONNECTED shows to somebody: the namespaces of which the capability names any channel, and no others."""
        segments = capability.first_segments
        if "*" in segments:
            return {**self.lags} or None
        has_others = not segments <= self.lags.keys()
        return {
            namespace: lag
            for namespace, lag in self.lags.items()
            if namespace in segments or (namespace == DEFAULT and has_others)
        } or None

    def watch(self, attachment: Attachment, limit_seconds: int | None) -> None:
        """Tell a client from now on, or no longer with None; what it asked for before is forgotten."""
        self.forget(attachment)
        if limit_seconds is None:
            return
        partition = self._window.partition_of(attachment.topic, attachment.channel)
        concern = self._concerns[attachment] = Concern(attachment.topic, partition, limit_seconds * 1000)
        watch = self._watches.setdefault(concern, _Watch())
        watch.members[attachment] = False
        if watch.is_stale:
            watch.to_tell.append(attachment)

    def forget(self, attachment: Attachment) -> None:
        """It has left; idempotent."""
        concern = self._concerns.pop(attachment, None)
        if concern is None:
            return
        watch = self._watches[concern]
        del watch.members[attachment]
        if not watch.members:
            del self._watches[concern]

    def look(self, now_ms: int, as_of: AsOf) -> None:
        """
        Tell those whose channels have become stale or fresh, some in each call.

        Args:
            now_ms: Milliseconds since the epoch.
            as_of: Topic and partition → up to when all that Kafka had was read, in the same unit; 0 if never.
        """
        left = TOLD_PER_LOOK
        for concern, watch in self._watches.items():
            watch.as_of_ms = as_of(concern.topic, concern.partition)
            is_stale = now_ms - watch.as_of_ms > concern.limit_ms
            if is_stale is not watch.is_stale:
                watch.is_stale = is_stale
                watch.to_tell = deque(watch.members)
            left -= self._tell(watch, now_ms, min(left, len(watch.to_tell)))

    def _tell(self, watch: _Watch, now_ms: int, count: int) -> int:
        for _ in range(count):
            attachment = watch.to_tell.popleft()
            if watch.members.get(attachment, watch.is_stale) is watch.is_stale:
                continue
            if attachment.group is None:
                watch.to_tell.append(attachment)
                continue
            watch.members[attachment] = watch.is_stale
            attachment.outlet.write(self._event(attachment, watch, now_ms))
        return count

    def _event(self, attachment: Attachment, watch: _Watch, now_ms: int) -> bytes:
        told: dict[str, bool | int] = {"fresh": not watch.is_stale}
        if watch.as_of_ms:
            told["asOf"] = watch.as_of_ms
        message = Message(
            id=f"as-of:{now_ms}",
            timestamp=now_ms,
            name=EVENT_NAME,
            data=msgspec.json.encode(told).decode(),
            encoding="json",
        )
        return protocol_frame(
            attachment.wire,
            ProtocolMessage(
                action=Action.MESSAGE,
                channel=attachment.wire_name,
                channel_serial=str(self._window.position(attachment.topic, attachment.channel)),
                messages=[message],
            ),
        )


def wished_freshness(params: Mapping[str, str]) -> int | None:
    """
    Read the param ``freshness``: ``5s`` or ``2m``.

    Returns:
        Seconds; None if it is not there.

    Raises:
        BadParameter: If it is neither, or out of bounds.
    """
    text = params.get("freshness")
    if text is None:
        return None
    match = _LIMIT.fullmatch(text)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise BadParameter(f"freshness is a time such as 5s or 2m, from {MIN_SECONDS} seconds to an hour")
    return seconds
