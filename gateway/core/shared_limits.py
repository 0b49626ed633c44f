"""
Limits that hold over all edges together, though no edge ever waits for another.

    even share   rate / edges and burst / edges: an edge gives them out by itself, at once, always
    surplus      what the even shares of the others leave unused: held by Redis, which is told what was used, and gives each
                 edge what it lacked of late, as *credit*
    Redis away   nobody knows of the others, so the even share is the whole rate (`edges` = 1)

Everything that is used is told, so Redis has credit to give only while all edges together are below the rate. In any time
they let through at most rate × time and two bursts: one burst from Redis, one from the even shares that were full when
it had been used up. Credit that is not used within HOLD_SECONDS goes back.

An edge that is alone has no one to tell. What is kept of a key is bounded in number, and goes when it has been idle for as
long as it takes to be full again.

Source: PROTOCOL.md section 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from gateway.core.limits import Bucket, Rate

MAX_KEYS = 100_000  # by estimate 40 MB; beyond, the one that was idle for longest goes
MAX_ASKED = 1_000  # keys told at once; the others are told next time
HOLD_SECONDS = 2.0


class Ask(NamedTuple):
    """What an edge tells of one key, and what it would like to have."""

    key: str
    rate: Rate
    used: float
    wanted: float


class Use:
    """What one edge lets through for one key."""

    __slots__ = ("_bucket", "_credit", "_demand", "_target", "_target_at", "_used", "key", "rate", "touched_at")

    def __init__(self, key: str, rate: Rate, share: Rate, now: float) -> None:
        self.key = key
        self.rate = rate
        self.touched_at = now
        self._bucket = Bucket(share, now)
        self._credit = 0.0
        self._used = 0.0
        self._demand = 0.0
        self._target = 0.0
        self._target_at = now

    def has(self, share: Rate, count: float, now: float) -> bool:
        """Whether *count* is there; what is not is asked for."""
        self.touched_at = now
        self._bucket.refill(share, now)
        if count <= self._bucket.level + self._credit:
            return True
        self._demand += count
        return False

    def spend(self, count: float) -> None:
        """Take *count*: what the even share has, the rest from the credit, and what neither has is owed."""
        own = min(count, max(self._bucket.level, 0.0))
        lent = min(count - own, self._credit)
        self._bucket.level -= count - lent
        self._credit -= lent
        self._used += count - lent  # credit was counted when it was given
        self._demand += lent

    def retry_seconds(self, count: float) -> float:
        """How long until *count* should be there, by what all edges together may let through."""
        return self._bucket.wait_seconds(self.rate, count - self._credit)

    def ask(self, now: float) -> Ask | None:
        """What is to be told of it now, None for nothing; it counts as told."""
        if self._demand >= self._target or now - self._target_at > HOLD_SECONDS:
            self._target, self._target_at = min(self._demand, self.rate.burst), now
        unused = max(0.0, self._credit - self._target)
        self._credit -= unused
        used, wanted = self._used - unused, max(0.0, self._target - self._credit)
        self._used = self._demand = 0.0
        return Ask(self.key, self.rate, used, wanted) if used or wanted else None

    def give(self, credit: float) -> None:
        """Take what was given."""
        self._credit += credit

    def start_over(self) -> None:
        """Nothing was given, and nothing is to be told."""
        self._credit = self._demand = self._used = self._target = 0.0

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was given is held."""
        return not (self._credit or self._target)


class SharedLimits:
    """
    What this edge lets through, by key.

    Args:
        max_keys: Bound of the memory.

    Attributes:
        edges: How many share; 1 also while that is not known.
    """

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self.edges = 1
        self._max_keys = max_keys
        self._uses: dict[str, Use] = {}  # the one that was touched last is the last one
        self._untold: dict[str, Use] = {}
        self._shares: dict[Rate, Rate] = {}

    def __len__(self) -> int:
        return len(self._uses)

    def use_of(self, key: str, rate: Rate, now: float) -> Use:
        """What is let through for *key*, which is now the last one that would be forgotten."""
        use = self._uses.pop(key, None)
        if use is None or use.rate != rate:
            if len(self._uses) >= self._max_keys:
                self._forget(next(iter(self._uses)))
            use = Use(key, rate, self._share_of(rate), now)
        self._uses[key] = use
        return use

    def has(self, use: Use, count: float, now: float) -> bool:
        """Whether *count* is there for *use*."""
        if use.has(self._share_of(use.rate), count, now):
            return True
        self._untold[use.key] = use
        return False

    def spend(self, use: Use, count: float) -> None:
        """Take *count*, whether or not it is there."""
        use.spend(count)
        if self.edges > 1:
            self._untold[use.key] = use

    def asks(self, now: float) -> list[Ask]:
        """What to tell the other edges, and to ask for; nothing while there are none. Forgets who is idle."""
        self._forget_idle(now)
        if self.edges == 1:
            self._untold.clear()
            return []
        asks = []
        for key in list(islice(self._untold, MAX_ASKED)):
            use = self._untold.pop(key)
            ask = use.ask(now)
            if ask is not None:
                asks.append(ask)
            if not use.is_settled:
                self._untold[key] = use  # to be looked at again: what it does not use goes back
        return asks

    def give(self, asks: Sequence[Ask], grants: Sequence[float]) -> None:
        """Take what was given for what was asked; what is for somebody forgotten meanwhile is lost."""
        for ask, grant in zip(asks, grants, strict=True):
            use = self._uses.get(ask.key)
            if use is not None and grant:
                use.give(grant)

    def set_edges(self, edges: int) -> None:
        """
        Share with so many, this one included.

        Who is alone, or knows of nobody, has the whole rate, so what was given beside it is void.
        """
        if edges == self.edges:
            return
        if 1 in (edges, self.edges):
            for use in self._uses.values():
                use.start_over()
            self._untold.clear()
        self.edges = edges
        self._shares.clear()

    def _share_of(self, rate: Rate) -> Rate:
        share = self._shares.get(rate)
        if share is None:
            share = self._shares[rate] = rate.share(self.edges)
        return share

    def _forget_idle(self, now: float) -> None:
        for key, use in list(islice(self._uses.items(), MAX_ASKED * 5)):
            idle_seconds = now - use.touched_at
            if idle_seconds <= max(HOLD_SECONDS, use.rate.burst / use.rate.per_second):
                return
            if key not in self._untold:
                del self._uses[key]

    def _forget(self, key: str) -> None:
        del self._uses[key]
        self._untold.pop(key, None)
