"""How an edge is: what load balancers, operators and Prometheus ask."""

from __future__ import annotations

import time

from gateway.memory import Guard
from gateway.metrics.exposition import registry_of
from gateway.metrics.readings import Readings, TopicLag
from gateway.server.parts import Parts
from gateway.transport.house import House


class Condition:
    """
    The state of one edge.

    Args:
        parts: Its parts.
        version: Of the program.

    Attributes:
        registry: Its metrics.
        house: Who is connected; None before it serves.
        guard: Who looks after its memory; likewise.
        is_draining: Whether it is about to end.
    """

    def __init__(self, parts: Parts, version: str) -> None:
        self._parts = parts
        self.registry = registry_of(parts.counts, self._readings, version)
        self.house: House | None = None
        self.guard: Guard | None = None
        self.is_draining = False

    def unready_because(self) -> str | None:
        """Why no clients should be sent here; None if they should."""
        parts = self._parts
        if self.is_draining:
            return "draining"
        if self.house is not None and self.house.is_short_of_memory:
            return "memory is short"
        if not parts.tail.is_ready:
            return "the topics are not read up to where they ended at the start"
        if parts.revocations is not None and not parts.revocations.follower.is_ready:
            return "the revocation topic is not read up to where it ended at the start"
        return None

    def revocation_age_seconds(self) -> float | None:
        """How old what is known of revocations may be; None where there are none."""
        revocations = self._parts.revocations
        return None if revocations is None else revocations.follower.age_seconds(time.time())

    def lag(self) -> dict[str, TopicLag]:
        """How far the tail is behind, by namespace."""
        return self._parts.tail.lag()

    def _readings(self) -> Readings:
        parts, house, guard = self._parts, self.house, self.guard
        hub, receipts, revocations = parts.hub, parts.receipts, parts.revocations
        return Readings(
            is_ready=self.unready_because() is None,
            copies_dropped=hub.duplicates.dropped,
            publish_pending_bytes=parts.publisher.pending_bytes,
            limit_edges=parts.sharing.edges,
            limit_keys=len(parts.sharing.limits),
            receipts_pending=receipts.pending,
            receipts_dropped=receipts.dropped,
            receipts_lag_seconds=receipts.lag_seconds(time.time()),
            memory_budget_bytes=0 if guard is None else guard.budget_bytes,
            memory_level=0 if guard is None else int(guard.level),
            connections=0 if house is None else len(house.devices),
            attachments=len(hub.attachments),
            lagging=hub.attachments.lagging,
            replaying=hub.attachments.replaying,
            scans_under_way=parts.replayer.scans,
            window_bytes=hub.window.size_bytes,
            window_messages=len(hub.window),
            messages=hub.messages,
            deliveries=hub.deliveries,
            continuity_losses=hub.continuity_losses,
            connection_states_dropped=0 if house is None else house.ledger.dropped,
            tail=self.lag(),
            history_partitions=parts.historian.partitions,
            history_lags=parts.historian.progress.lags,
            revocations=0 if revocations is None else len(revocations.rulings),
            revocations_age_seconds=self.revocation_age_seconds() or 0.0,
        )
