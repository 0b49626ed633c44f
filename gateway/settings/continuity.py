"""How far back clients can be served, beyond what the edge remembers by itself."""

from __future__ import annotations

from pydantic import Field

from gateway.settings.section import Section


class HistorySettings(Section):
    """Who writes the history; how much of it is kept is a matter of each namespace."""

    lease_seconds: float = Field(
        default=10.0,
        ge=1,
        le=300,
        description="A partition's history goes on elsewhere so long after its writer has died.",
    )


class ReplaySettings(Section):
    """How much is read again in Kafka for clients that neither the window nor the history can serve."""

    max_records: int = Field(
        default=1_000_000,
        ge=0,
        le=1_000_000_000,
        description="Records of a partition, of all its channels, that are read again for one client; 0: Kafka is not read.",
    )
    max_seconds: float = Field(
        default=60.0,
        ge=1,
        le=3600,
        description="A client that was not caught up after this is told to load its state anew.",
    )
    passes: int = Field(
        default=2, ge=1, le=64, description="Partitions read again at once; all clients of one share its reading."
    )


class CursorSettings(Section):
    """Where devices stand that keep nothing themselves (ATTACH's param `cursor`)."""

    ttl_seconds: float = Field(
        default=2592000.0,
        ge=1,
        le=315360000,
        description="A cursor of which nothing was heard for so long is gone; 30 days.",
    )
    save_every_seconds: float = Field(
        default=30.0,
        ge=0.1,
        le=3600,
        description="Where messages do not end a position is saved so often, and when its device goes; if the edge dies, what was got since is got again.",
    )
    per_client: int = Field(
        default=20, ge=1, le=10000, description="Cursors, so devices, of one clientId; one more is refused."
    )
    channels_per_cursor: int = Field(
        default=1000, ge=1, le=100000, description="Channels whose positions one cursor has; one more is refused."
    )


class ReceiptSettings(Section):
    """Receipts of what was delivered, on their way to Kafka; namespaces say whether and where to (`receipts_topic`)."""

    every_seconds: float = Field(
        default=1.0,
        ge=0.05,
        le=300,
        description="How often they are written; what one client confirms of a channel meanwhile is one receipt.",
    )
    max_pending: int = Field(
        default=100000,
        ge=100,
        le=10000000,
        description="Receipts that may wait for Kafka; beyond that the oldest are dropped, and delivery goes on.",
    )
    max_pending_bytes: int = Field(
        default=67108864, ge=65536, le=17179869184, description="The memory of these, about."
    )
