"""What happened since the process started, in plain ints."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import get_args

from auth.errors import Reason
from gateway.metrics.reasons import LIMITS, OTHER, POISONS, REFUSALS

DELIVERY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LOOP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


class Histogram:
    """
    How often a value fell between which bounds.

    Args:
        bounds: Upper ones, ascending; what is beyond the last is counted too.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, count: int = 1) -> None:
        """Take in a value that occurred *count* times. A negative one, of clocks that differ, counts as zero."""
        value = max(value, 0.0)
        self.counts[bisect_left(self.bounds, value)] += count
        self.total += value * count


class Counts:
    """What happened since the process started. Whoever does a thing adds to it; only the collector reads."""

    __slots__ = (
        "audit",
        "broken_rulings",
        "catch_ups",
        "connections_opened",
        "delivery",
        "failed_checks",
        "fetches",
        "history_beginnings",
        "history_messages",
        "history_steps",
        "holds",
        "limited",
        "loop_delay",
        "lost_ways",
        "poisons",
        "published",
        "receipts",
        "records",
        "refusals",
        "replayed_from_history",
        "replayed_from_kafka",
        "replays",
        "revoked",
        "rulings",
        "scanned_records",
        "scans",
        "suspensions",
        "timed_out",
        "unanswered_pings",
        "writes",
        "written_bytes",
    )

    def __init__(self) -> None:
        self.connections_opened = 0
        self.timed_out = 0
        self.unanswered_pings = 0
        self.lost_ways = 0
        self.writes = 0
        self.written_bytes = 0
        self.suspensions = 0
        self.catch_ups = 0
        self.records = 0
        self.published = 0
        self.receipts = 0
        self.fetches = 0
        self.replays = 0
        self.replayed_from_history = 0
        self.replayed_from_kafka = 0
        self.scans = 0
        self.scanned_records = 0
        self.history_steps = 0
        self.history_messages = 0
        self.history_beginnings = 0
        self.holds = 0
        self.limited = dict.fromkeys(LIMITS, 0)
        self.revoked = 0
        self.rulings = 0
        self.broken_rulings = 0
        self.refusals = dict.fromkeys([*REFUSALS.values(), OTHER], 0)
        self.failed_checks = dict.fromkeys(get_args(Reason), 0)
        self.poisons = dict.fromkeys([*sorted(POISONS), OTHER], 0)
        self.audit = dict.fromkeys(("written", "lost", "unsent"), 0)
        self.delivery = Histogram(DELIVERY_SECONDS)
        self.loop_delay = Histogram(LOOP_SECONDS)

    def refused(self, code: int) -> None:
        """Somebody was refused something, with this code on the wire."""
        self.refusals[REFUSALS.get(code, OTHER)] += 1

    def limit(self, name: str) -> None:
        """A limit refused something."""
        self.limited[name] += 1

    def failed(self, check: Reason) -> None:
        """Credentials did not pass this check; the wire does not say which it was."""
        self.failed_checks[check] += 1

    def poisoned(self, reason: str) -> None:
        """A record was skipped."""
        self.poisons[reason if reason in POISONS else OTHER] += 1
