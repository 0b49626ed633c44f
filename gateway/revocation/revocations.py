"""What one edge knows of what was taken back, read and written."""

from __future__ import annotations

from auth.revocation import Address, Cut, Rulings
from gateway.core.terms import Note
from gateway.metrics.counts import Counts
from gateway.revocation.follower import Enforce, Follower
from gateway.revocation.writer import Writer
from gateway.settings import Settings
from gateway.stream.producer import Producer


class Revocations:
    """
    The revocation topic, on one edge.

    Args:
        settings: With ``revocation.topic``.
        topic: That topic.
        counts: What the metrics show.
        enforce: Looks at who is connected and concerned.
        note: Takes down events for the audit journal; None where none is kept.
    """

    def __init__(
        self, settings: Settings, topic: str, counts: Counts, enforce: Enforce, note: Note | None = None
    ) -> None:
        bounds = settings.revocation
        self._enforce = enforce
        self.max_token_age_seconds = bounds.max_token_age_seconds
        self.rulings = Rulings(max_token_age_seconds=bounds.max_token_age_seconds, max_count=bounds.max_records)
        self.follower = Follower(
            settings.kafka, topic, self.rulings, bounds.max_token_age_seconds, counts, self._enforce
        )
        self.follower.note = note
        self._writer = Writer(
            Producer(settings.kafka), topic, self.rulings, self.follower, settings.publish.timeout_seconds
        )

    async def revoke(self, address: Address, cut: Cut) -> Cut:
        """Have a revocation hold on all edges; see `Writer.revoke`."""
        return await self._writer.revoke(address, cut)

    async def turn(self, now: float) -> None:
        """See to revocations whose time has come, and forget those that concern nobody any more. Call now and then."""
        self.rulings.sweep(now)
        due = self.rulings.due(now)
        if due:
            await self._enforce(due)

    async def stop(self) -> None:
        """Let go of Kafka; never raises."""
        await self._writer.stop()
