"""What can be wrong with what a client saw."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_FINDINGS = 50


class Verdict(enum.Enum):
    """How a client was wronged."""

    LOST = "lost"  # it was there, or wanted to be, and at the end it lacks messages
    DOUBLED = "doubled"
    REORDERED = "reordered"
    FOREIGN = "foreign"  # of another channel, of no record, altered, or on a channel that was not attached
    UNTOLD = "gap not signalled"  # later messages came, earlier ones not, and nobody said so; or a false RESUMED
    UNTRUE = "answered untruly"  # of a publication: Kafka does not say the same, or its order is another
    GROUNDLESS = "told for nothing"  # a loss was told where none can be justified


class Finding(NamedTuple):
    """One of these, and where."""

    verdict: Verdict
    client: str
    channel: str
    what: str
    excerpt: str

    def __str__(self) -> str:
        return f"{self.verdict.value}: {self.client} on {self.channel}: {self.what}\n{self.excerpt}"


@dataclass
class Judgement:
    """
    All that was found.

    Args:
        deliveries: Messages that were compared with Kafka.
        answers: Answers to publications that were.
        counts: How many of each verdict; of messages where it is about messages.
        findings: The first of them.
        told: Losses that were told, by namespace and code.
        told_messages: How many messages these were about.
        repeated: Messages that came again where that is the contract.
        early: Messages of a topic's new life that came before it was told that there is one.
        resumed: ATTACHED with RESUMED.
        kept: Those of them that went on from a position that was kept for the client.
    """

    deliveries: int = 0
    answers: int = 0
    counts: Counter[Verdict] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    told: Counter[tuple[str, int | None]] = field(default_factory=Counter)
    told_messages: int = 0
    repeated: int = 0
    early: int = 0
    resumed: int = 0
    kept: int = 0

    def find(self, finding: Finding, count: int = 1) -> None:
        """Note it."""
        self.counts[finding.verdict] += count
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)

    @property
    def is_clean(self) -> bool:
        """Whether nobody was wronged."""
        return not self.counts
