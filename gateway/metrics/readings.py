"""What an edge is in the moment of a scrape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TopicLag:
    """How far the tail is behind the end of a topic, and up to when it knows all of it: milliseconds since the epoch, 0 if never."""

    topic: str
    records: int
    seconds: float
    as_of_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """The state of an edge in the moment of a scrape, and what its parts counted by themselves."""

    is_ready: bool = False
    connections: int = 0
    memory_budget_bytes: int = 0
    memory_level: int = 0
    copies_dropped: int = 0
    publish_pending_bytes: int = 0
    limit_edges: int = 0
    limit_keys: int = 0
    attachments: int = 0
    lagging: int = 0
    replaying: int = 0
    scans_under_way: int = 0
    window_bytes: int = 0
    window_messages: int = 0
    messages: int = 0
    deliveries: int = 0
    continuity_losses: int = 0
    connection_states_dropped: int = 0
    tail: Mapping[str, TopicLag] = field(default_factory=dict)
    receipts_pending: int = 0
    receipts_dropped: int = 0
    receipts_lag_seconds: float = 0.0
    history_partitions: int = 0
    history_lags: Mapping[str, int] = field(default_factory=dict)
    revocations: int = 0
    revocations_age_seconds: float = 0.0
