"""Tokens and rights that are taken back before their end."""

from __future__ import annotations

from pydantic import Field

from gateway.settings.namespaces import TopicName
from gateway.settings.section import Section


class RevocationSettings(Section):
    """The topic that says what was taken back, and for how long that matters."""

    topic: TopicName | None = Field(
        default=None,
        description="Compacted topic of revocations and entitlements, which services may write to as well. Absent: tokens are good until their end.",
    )
    max_token_age_seconds: float = Field(
        default=2592000.0,
        ge=60,
        le=31536000,
        description="How long after it was issued a token is good at most, whatever it says, and so how long a revocation is kept. Only with a topic.",
    )
    max_records: int = Field(
        default=500_000,
        ge=1,
        le=10_000_000,
        description="How many revocations and entitlements are kept in memory; what is beyond does not hold, and is logged.",
    )
