"""
How many come from where, how fast, and who they are: counted by one process, before any signature is checked and after.

    knock    a connection was accepted: is it one too many of its address, or of all, in so short a time?
    enter    it stays: one more of its address              leave    it is gone
    admit    it is known who it is: one more of its client and app            dismiss    the counterpart

An address of IPv6 stands for its /64, which is what one customer of a provider has. What is counted is bounded: an address
that nobody is connected from is forgotten, the one that was idle for longest first, and begins anew.

Source: docs/limits.md.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Any, NamedTuple

from gateway.core.limits import Bucket, Rate
from gateway.errors import TooManyConnections

MAX_IDLE_ADDRESSES = 50_000


class Bounds(NamedTuple):
    """
    How many, and how fast; 0 and None: any number.

    Args:
        per_address: Open connections of one address.
        per_client: Of one clientId of an app.
        per_app: Of one app.
        address_rate: New connections of one address.
        rate: New connections of all.
    """

    per_address: int = 0
    per_client: int = 0
    per_app: int = 0
    address_rate: Rate | None = None
    rate: Rate | None = None


class _Origin:
    """An address, how many are here from it, and how many more may come now."""

    __slots__ = ("bucket", "open")

    def __init__(self, bucket: Bucket | None) -> None:
        self.open = 0
        self.bucket = bucket


class Visitors:
    """
    Who is here.

    Args:
        bounds: How many may be.
        now: Seconds of a clock.
    """

    def __init__(self, bounds: Bounds, now: float) -> None:
        self._bounds = bounds
        self._all = None if bounds.rate is None else Bucket(bounds.rate, now)
        self._origins: dict[str, _Origin] = {}
        self._idle: dict[str, None] = {}
        self._clients: dict[tuple[str, str], int] = {}
        self._apps: dict[str, int] = {}

    def knock(self, address: str, now: float) -> str | None:
        """
        A connection was accepted.

        Args:
            address: Of the client; empty where it is unknown, or this machine's own: then only all together are bounded.

        Returns:
            None if it may go on; else the limit of which it is one too many in this moment, and worth no answer.
        """
        rate = self._bounds.rate
        if self._all is not None and rate is not None and not self._all.take(rate, 1, now):
            return "connects"
        rate = self._bounds.address_rate
        if rate is None or not address:
            return None
        bucket = self._origin(address, now).bucket
        return None if bucket is None or bucket.take(rate, 1, now) else "connects_of_address"

    def enter(self, address: str, now: float) -> str:
        """
        A connection stays.

        Returns:
            What to give to `leave`.

        Raises:
            TooManyConnections: If there are as many of its address as may be.
        """
        if not address or not self._bounds.per_address:
            return ""
        name = _origin_of(address)
        origin = self._origin(address, now)
        if origin.open >= self._bounds.per_address:
            raise TooManyConnections(
                "there are too many connections from this network address; connect again later",
                "connections_of_address",
            )
        origin.open += 1
        self._idle.pop(name, None)
        return name

    def leave(self, name: str) -> None:
        """It is gone. *name*: what `enter` returned."""
        origin = self._origins.get(name)
        if origin is None:
            return
        origin.open -= 1
        if not origin.open:
            self._idle[name] = None

    def admit(self, app_id: str, client_id: str | None) -> None:
        """
        Somebody is known.

        Raises:
            TooManyConnections: If there are as many of them as may be.
        """
        bounds = self._bounds
        if bounds.per_app and self._apps.get(app_id, 0) >= bounds.per_app:
            raise TooManyConnections(
                "there are too many connections of this app; connect again later", "connections_of_app"
            )
        if client_id is not None and bounds.per_client:
            client = (app_id, client_id)
            count = self._clients.get(client, 0)
            if count >= bounds.per_client:
                raise TooManyConnections(
                    "there are too many connections of this clientId; close one of them", "connections_of_client"
                )
            self._clients[client] = count + 1
        self._apps[app_id] = self._apps.get(app_id, 0) + 1

    def dismiss(self, app_id: str, client_id: str | None) -> None:
        """Somebody who was admitted is gone."""
        _take_one(self._apps, app_id)
        if client_id is not None and self._bounds.per_client:
            _take_one(self._clients, (app_id, client_id))

    @property
    def origins(self) -> int:
        """How many addresses are counted."""
        return len(self._origins)

    def _origin(self, address: str, now: float) -> _Origin:
        name = _origin_of(address)
        origin = self._origins.get(name)
        if origin is None:
            rate = self._bounds.address_rate
            origin = self._origins[name] = _Origin(None if rate is None else Bucket(rate, now))
            self._idle[name] = None
            if len(self._idle) > MAX_IDLE_ADDRESSES:
                oldest = next(iter(self._idle))
                del self._idle[oldest], self._origins[oldest]
        return origin


def _origin_of(address: str) -> str:
    if ":" not in address:
        return address
    found = ip_address(address.partition("%")[0])
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64)) if isinstance(found, IPv6Address) else address


def _take_one(counts: dict[Any, int], key: object) -> None:
    left = counts.get(key, 1) - 1
    if left:
        counts[key] = left
    else:
        counts.pop(key, None)
