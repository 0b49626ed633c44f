"""
How often one connection attaches.

All its channels at once are no more than what follows every reconnect, so a burst holds as many. Beyond the rate it hears
DETACHED, after which SDKs that were attaching wait (15 s by default) before they try again, and none of them storms.

Source: PROTOCOL.md section 10; RTL13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.limits import Bucket
from gateway.errors import AttachRateExceeded

if TYPE_CHECKING:
    from gateway.core.terms import LimitTerms


class AttachPace:
    """The ATTACHes of one connection."""

    __slots__ = ("_bucket",)

    def __init__(self) -> None:
        self._bucket: Bucket | None = None

    def exceeded(self, limits: LimitTerms, now: float) -> AttachRateExceeded | None:
        """Take one more. Returns: why it is refused; None mostly."""
        rate = limits.attaches
        if rate is None:
            return None
        if self._bucket is None:
            self._bucket = Bucket(rate, now)
        if self._bucket.take(rate, 1, now):
            return None
        limits.count_limited("attach")
        said = f"a connection may attach {rate.per_second:g} times a second"
        return AttachRateExceeded(said, self._bucket.wait_seconds(rate, 1), rate.per_second)
