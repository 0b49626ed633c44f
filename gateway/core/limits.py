"""
How often something may happen: token buckets, as values.

    Rate     so many a second, so many at once: a rule, the same for all it is for
    Bucket   what is left of it for one of them: filled by the time that passes, emptied by what happens

Whatever is taken from a bucket in any stretch of time is at most the burst and what the rate gives in it. Whoever has taken
nothing for burst / rate seconds may take a whole burst. A clock that is set back gives nothing, and takes nothing away.

Source: PROTOCOL.md section 10.
"""

from __future__ import annotations

from typing import NamedTuple


class Rate(NamedTuple):
    """
    So many a second, and at most so many at once.

    Args:
        per_second: Above 0.
        burst: At least 1.
    """

    per_second: float
    burst: float

    def share(self, of: int) -> Rate:
        """The even share of one of so many; a single one of whatever it is fits into it all the same."""
        return Rate(self.per_second / of, max(1.0, self.burst / of))


def rate_of(per_second: float, burst_seconds: float) -> Rate | None:
    """The rule that settings give: what comes in *burst_seconds* may come at once. None where 0 switches it off."""
    return Rate(per_second, max(1.0, per_second * burst_seconds)) if per_second else None


class Bucket:
    """
    What is left of a rate for one of those that it is for.

    Args:
        rate: Of which it is full.
        now: Seconds of a clock.
    """

    __slots__ = ("_at", "level")

    def __init__(self, rate: Rate, now: float) -> None:
        self.level = rate.burst
        self._at = now

    def refill(self, rate: Rate, now: float) -> None:
        """Add what the time since the last call gives."""
        passed = now - self._at
        self._at = now
        if passed > 0:
            self.level = min(rate.burst, self.level + passed * rate.per_second)

    def take(self, rate: Rate, count: float, now: float) -> bool:
        """Take all of *count*, or nothing. Returns: whether it was there."""
        self.refill(rate, now)
        if count > self.level:
            return False
        self.level -= count
        return True

    def owe(self, rate: Rate, count: float, now: float) -> None:
        """Take *count* whether or not it is there; nothing else is, until the time has made up for it."""
        self.refill(rate, now)
        self.level -= count

    def wait_seconds(self, rate: Rate, count: float) -> float:
        """How long until *count* is there, if nobody takes any before."""
        return max(0.0, (min(count, rate.burst) - self.level) / rate.per_second)
