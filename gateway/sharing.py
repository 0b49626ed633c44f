"""
Limits that edges share: told to Redis, and asked of it, a few times a second. Nobody waits for that.

While Redis is away every edge enforces the whole rate by itself, so together they let through as many times that as there
are edges; metrics say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from gateway.core.limits import Rate, rate_of
from gateway.core.publish_limits import PublishLimits, PublishRates
from gateway.core.shared_limits import SharedLimits
from gateway.core.terms import LimitTerms
from gateway.errors import StoreUnavailable
from gateway.settings import LimitSettings, Settings
from gateway.store.limits import LimitStore

_log = logging.getLogger("gateway.sharing")
SETTLE_EVERY_SECONDS = 0.25
LEASE_SECONDS = 3.0


def limit_terms(settings: Settings, shared: SharedLimits, count_limited: Callable[[str], None]) -> LimitTerms:
    """
    How often what may be done, by the settings.

    Args:
        shared: What is let through of what all edges share.
        count_limited: Told the name of each limit that refuses.
    """
    attaches = _attach_rate(settings.limits)
    return LimitTerms(attaches, PublishLimits(_publish_rates(settings), shared, count_limited), count_limited)


def _publish_rates(settings: Settings) -> PublishRates:
    """What the settings say of publishing."""
    limits = settings.limits

    def rate(per_second: float) -> Rate | None:
        return rate_of(per_second, limits.burst_seconds)

    of_channel = limits.publishes_per_second_per_channel
    return PublishRates(
        connection=rate(limits.publishes_per_second_per_connection),
        client=rate(limits.publishes_per_second_per_client),
        app=rate(limits.publishes_per_second_per_app),
        channels={
            name: rate(of_channel if own is None else own)
            for name, own in ((name, of.publishes_per_second_per_channel) for name, of in settings.namespaces.items())
        },
    )


def _attach_rate(limits: LimitSettings) -> Rate | None:
    """What the settings say of ATTACHes: all channels of a connection at once, as after a reconnect, and then so many a second."""
    rate = rate_of(limits.attaches_per_second, limits.burst_seconds)
    return None if rate is None else Rate(rate.per_second, rate.burst + limits.channels_per_connection)


class Sharing:
    """
    The exchange of one edge with the others.

    Args:
        limits: What this edge lets through.
        store: Where they meet.

    Attributes:
        limits: The same.
        edges: How many share, this one included; 0 while Redis is away.
    """

    def __init__(self, limits: SharedLimits, store: LimitStore) -> None:
        self.limits = limits
        self._store = store
        self.edges = 0

    async def run(self) -> None:
        """Settle for ever, and say at the end that this edge is gone."""
        try:
            while True:
                await self.settle(time.time())
                await asyncio.sleep(SETTLE_EVERY_SECONDS)
        finally:
            await self._leave()

    async def settle(self, now: float) -> None:
        """
        Tell and ask once.

        Args:
            now: Seconds since the epoch.
        """
        asks = self.limits.asks(now)
        try:
            edges, given = await self._store.settle(asks)
        except StoreUnavailable:
            if self.edges:
                _log.warning("limits are not shared between edges, each enforces them by itself")
            self.edges = 0
            self.limits.set_edges(1)
        else:
            self.edges = edges
            self.limits.give(asks, given)
            self.limits.set_edges(edges)

    async def close(self) -> None:
        """End the line to Redis."""
        await self._store.close()

    async def _leave(self) -> None:
        with contextlib.suppress(StoreUnavailable):  # its lease ends by itself
            await self._store.leave()
