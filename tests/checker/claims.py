"""Compares what a client was told of its publications with what is in Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.checker.positions import read_position
from tests.checker.truth import Truth
from tests.checker.verdicts import Finding, Judgement, Verdict


class Claim(NamedTuple):
    """
    What a client was told of one message that it published.

    Args:
        number: The client's own; on each channel it published in this order.
        copy: What the message and its copies have in common, see `messages.copy_key`.
        is_stored: Whether it was acknowledged; else refused in a way that says that nothing of it is stored.
        serial: Where, as the acknowledgement says; None if it does not.
        is_in_order: Whether the client has never published it anew, behind others.
    """

    number: int
    channel: str
    copy: tuple[str | None, str | None]
    is_stored: bool
    serial: str | None = None
    is_in_order: bool = True


class Auditor:
    """
    Judges claims, round after round.

    Args:
        truth: What is so, with everything that was published until then.
        judgement: Where findings go.
    """

    def __init__(self, truth: Truth, judgement: Judgement) -> None:
        self._truth = truth
        self._judgement = judgement
        self._last: dict[tuple[str, str], int] = {}

    def hear(self, client: str, claims: Sequence[Claim]) -> None:
        """Take what a client was told since the last time."""
        for claim in sorted(claims):
            fault = self._fault(client, claim)
            self._judgement.answers += 1
            if fault is not None:
                self._judgement.find(Finding(Verdict.UNTRUE, client, claim.channel, fault, str(claim)))

    def _fault(self, client: str, claim: Claim) -> str | None:
        offset = self._truth.offset_of(claim.channel, claim.copy)
        if not claim.is_stored:
            return None if offset is None else f"refused, and Kafka has it at offset {offset}"
        if offset is None:
            return "acknowledged, and Kafka does not have it"
        if claim.serial is not None and read_position(claim.serial).next_offsets[0] - 1 != offset:
            return f"acknowledged as another record than that of offset {offset}, which is delivered"
        if claim.is_in_order:
            last = self._last.get((client, claim.channel), -1)
            self._last[client, claim.channel] = offset
            if offset < last:
                return f"is at offset {offset}, and one that was published before it at {last}"
        return None
