"""Where it is written who did what."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.settings.namespaces import TopicName
from gateway.settings.section import Section


class AuditSettings(Section):
    """Who connected, was refused, attached, was denied, published in vain, revoked and administered: never tokens, never payloads."""

    file: Path | None = Field(
        default=None,
        description="Lines of JSON, each chained to the one before; of several workers each has a file of its own. Absent: none.",
    )
    max_file_bytes: int = Field(
        default=268435456,
        ge=1048576,
        le=1099511627776,
        description="A file of this size is put aside, its first line's number in its name, and a new one goes on with the chain. Nothing is ever deleted.",
    )
    topic: TopicName | None = Field(
        default=None, description="A topic that gets the same lines, keyed by edge. Absent: none."
    )
