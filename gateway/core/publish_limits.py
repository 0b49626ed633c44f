"""
How much may be published: by a connection, by a client, to a channel, by an app.

    publication of n messages ─▶ n are there in all four ─▶ taken from all four
                              ├▶ not in one of them      ─▶ refused, taken from none: with when to try again
                              ╰▶ more than one ever has  ─▶ refused for good: publish fewer together

The connection's is its own; the others hold over all edges together (core.shared_limits).

Source: PROTOCOL.md section 10.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gateway.core.limits import Bucket, Rate
from gateway.core.publication import Publication
from gateway.core.shared_limits import SharedLimits, Use
from gateway.errors import (
    AppRateExceeded,
    BatchOverBurst,
    ChannelRateExceeded,
    ClientRateExceeded,
    ConnectionRateExceeded,
    RateExceeded,
)


class PublishRates(NamedTuple):
    """
    The rules; None: any number.

    Args:
        channels: By namespace.
    """

    connection: Rate | None = None
    client: Rate | None = None
    app: Rate | None = None
    channels: Mapping[str, Rate | None] = {}


class By(NamedTuple):
    """Who publishes. *client_id*: None where it may be anybody, so that no client is bounded by it."""

    app_id: str
    client_id: str | None


class _Limit(NamedTuple):
    """One of the limits that all edges share."""

    name: str
    rate: Rate
    refusal: type[RateExceeded]


class PublishLimits:
    """
    What may be published on this edge.

    Args:
        rates: The rules.
        shared: What is let through by key.
        count_limited: Told the name of each limit that refuses, for the metrics.
    """

    def __init__(self, rates: PublishRates, shared: SharedLimits, count_limited: Callable[[str], None]) -> None:
        self._connection = rates.connection
        self._client = rates.client and _Limit("client", rates.client, ClientRateExceeded)
        self._app = rates.app and _Limit("app", rates.app, AppRateExceeded)
        self._channels = {
            namespace: _Limit("channel", rate, ChannelRateExceeded)
            for namespace, rate in rates.channels.items()
            if rate
        }
        self._shared = shared
        self._count_limited = count_limited

    def bucket(self, now: float) -> Bucket | None:
        """What a new connection may publish; None: anything."""
        return None if self._connection is None else Bucket(self._connection, now)

    def charge(
        self, bucket: Bucket | None, by: By, publication: Publication, now: float, *, is_owed: bool = False
    ) -> None:
        """
        Take what *publication* costs.

        Args:
            bucket: The connection's.
            is_owed: Whether it is let through in any case, since it may be stored already, and is only taken off what may
                come after it.

        Raises:
            RateExceeded: If it is more than may be published now.
            BatchOverBurst: If it is more than may ever be published together.
        """
        count = len(publication.records)
        uses = [self._use(limit, key, count, now, is_owed=is_owed) for limit, key in self._shared_of(by, publication)]
        self._charge_connection(bucket, count, now, is_owed=is_owed)
        for use in uses:
            self._shared.spend(use, count)

    def _charge_connection(self, bucket: Bucket | None, count: int, now: float, *, is_owed: bool) -> None:
        rate = self._connection
        if bucket is None or rate is None:
            return
        if is_owed:
            bucket.owe(rate, count, now)
        elif not bucket.take(rate, count, now):
            self._refuse("connection", rate, count, bucket.wait_seconds(rate, count), ConnectionRateExceeded)

    def _use(self, limit: _Limit, key: str, count: int, now: float, *, is_owed: bool) -> Use:
        use = self._shared.use_of(key, limit.rate, now)
        if not self._shared.has(use, count, now) and not is_owed:
            self._refuse(limit.name, limit.rate, count, use.retry_seconds(count), limit.refusal)
        return use

    def _refuse(self, name: str, rate: Rate, count: int, retry_seconds: float, refusal: type[RateExceeded]) -> None:
        self._count_limited(f"publish_{name}")
        of = f"a {name}" if name != "app" else "an app"
        if count > rate.burst:
            raise BatchOverBurst(
                f"{count} messages are more than {of} may ever publish together, which are {rate.burst:.0f}; publish fewer at once"
            )
        said = (
            f"{of} may publish {rate.per_second:g} messages a second"
            if name != "channel"
            else (f"{rate.per_second:g} messages a second may be published to a channel")
        )
        raise refusal(said, retry_seconds, rate.per_second)

    def _shared_of(self, by: By, publication: Publication) -> list[tuple[_Limit, str]]:
        """The shared limits that a publication falls under, and by what it is counted in each."""
        found = []
        if self._client is not None and by.client_id is not None:
            found.append((self._client, f"client:{by.app_id}:{by.client_id}"))
        channel = self._channels.get(publication.source.namespace)
        if channel is not None:
            found.append((channel, f"channel:{publication.channel}"))
        if self._app is not None:
            found.append((self._app, f"app:{by.app_id}"))
        return found
