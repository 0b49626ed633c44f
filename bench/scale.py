"""How much is measured: all of it, or a minute's worth."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """
    How often and how long.

    Args:
        repetitions: Runs of each scenario; their median counts.
        share: Of the usual counts and times.
    """

    repetitions: int
    share: float

    def runs(self, scenario: str) -> Iterator[int]:
        """Run by run, with a word on stderr about each."""
        for number in range(1, self.repetitions + 1):
            print(f"{scenario}: run {number} of {self.repetitions}", file=sys.stderr, flush=True)
            yield number

    def count(self, usual: int) -> int:
        """So many, at this scale."""
        return max(1, int(usual * self.share))

    def seconds(self, usual: float) -> float:
        """So long, at this scale."""
        return usual * self.share


FULL = Scale(repetitions=5, share=1.0)
QUICK = Scale(repetitions=2, share=0.25)
