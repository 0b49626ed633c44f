"""
How many are attached to which channel, on this edge.

All channels are counted in one go, in slices so that the loop never waits for it, and at most once in a second however
many ask.

Source: CHM1, CHM2.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping

from gateway.core.attachment import Attachment
from gateway.core.hub import Hub
from gateway.core.wire import Flag

COUNT_SECONDS = 1.0
SLICE = 500  # attachments between two turns of the loop: well under a millisecond
_NOT_OFFERED = (
    "presenceConnections",
    "presenceMembers",
    "presenceSubscribers",
    "objectPublishers",
    "objectSubscribers",
)


class Metrics:
    """Of one channel."""

    __slots__ = ("connections", "publishers", "subscribers")

    def __init__(self) -> None:
        self.connections = self.publishers = self.subscribers = 0

    def add(self, modes: Flag) -> None:
        """One more connection is attached, in these modes."""
        self.connections += 1
        self.publishers += bool(modes & Flag.PUBLISH)
        self.subscribers += bool(modes & Flag.SUBSCRIBE)

    def shown(self) -> dict[str, int]:
        """As clients see it; of what is not offered there is none."""
        counted = {"connections": self.connections, "publishers": self.publishers, "subscribers": self.subscribers}
        return counted | dict.fromkeys(_NOT_OFFERED, 0)


class Occupancy:
    """
    Counts when somebody asks.

    Args:
        hub: Whose attachments.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._counting: asyncio.Task[dict[str, Metrics]] | None = None
        self._counted_at = 0.0

    async def look(self) -> Mapping[str, Metrics]:
        """Channel → how many, of those that anybody is attached to; at most a second old."""
        now = time.monotonic()
        if self._counting is None or (self._counting.done() and now - self._counted_at >= COUNT_SECONDS):
            self._counted_at = now
            self._counting = asyncio.create_task(self._count())
        return await asyncio.shield(self._counting)

    async def _count(self) -> dict[str, Metrics]:
        found: dict[str, Metrics] = {}
        seen = 0
        for attached in self._hub.attachments.by_outlet():
            seen += len(attached)
            for channel, modes in _modes(attached.values()).items():
                found.setdefault(channel, Metrics()).add(modes)
            if seen >= SLICE:
                seen = 0
                await asyncio.sleep(0)
        return found


def _modes(attachments: Iterable[Attachment]) -> dict[str, Flag]:
    """Of one connection, by channel; it may be attached to one under several names."""
    modes: dict[str, Flag] = {}
    for attachment in attachments:
        modes[attachment.channel] = modes.get(attachment.channel, Flag.NONE) | attachment.flags
    return modes
