"""Values, ratios and verdicts, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

RUNS_FOR_A_VERDICT = 5


@dataclass(frozen=True, slots=True)
class Bound:
    """What is asked of a figure: at least, or at most, so much."""

    value: float
    is_least: bool

    def holds(self, value: float) -> bool:
        """Whether *value* meets it."""
        return value >= self.value if self.is_least else value <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.value:,g}"


def at_least(value: float) -> Bound:
    """A lower bound."""
    return Bound(value, is_least=True)


def at_most(value: float) -> Bound:
    """An upper bound."""
    return Bound(value, is_least=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One thing that was measured several times.

    Args:
        target: Its number in docs/performance.md; 0 for what is only told.
        what: In words, with what it is a ratio to.
        unit: Of the values, such as ``µs``; empty for a ratio.
        values: One a run.
        bound: What is asked of their median.
    """

    target: int
    what: str
    unit: str
    values: Sequence[float]
    bound: Bound | None = None

    @property
    def median(self) -> float:
        """The figure."""
        return median(self.values)

    @property
    def verdict(self) -> str:
        """Whether the target is met; few runs allow none."""
        if self.bound is None:
            return ""
        verdict = "met" if self.bound.holds(self.median) else "missed"
        return verdict if len(self.values) >= RUNS_FOR_A_VERDICT else f"{verdict} ({len(self.values)} runs)"

    def as_row(self) -> str:
        """A row of the table, in Markdown."""
        bound = "" if self.bound is None else str(self.bound)
        spread = f"{_short(min(self.values))} to {_short(max(self.values))}"
        target = str(self.target) if self.target else ""
        return f"| {target} | {self.what} | {bound} | {_short(self.median)} {self.unit} | {spread} | {self.verdict} |"

    def as_data(self) -> dict[str, object]:
        """For results/."""
        return {
            "target": self.target,
            "what": self.what,
            "unit": self.unit,
            "median": self.median,
            "values": list(self.values),
            "bound": None if self.bound is None else str(self.bound),
            "verdict": self.verdict,
        }


def table(figures: Sequence[Figure]) -> str:
    """All of them, in Markdown."""
    head = "| target | what | asked | median | runs from … to | verdict |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(figure.as_row() for figure in figures)])


def ratios(of: Sequence[float], to: Sequence[float]) -> list[float]:
    """Run by run."""
    return [one / other for one, other in zip(of, to, strict=True)]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
