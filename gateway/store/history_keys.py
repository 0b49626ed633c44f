"""How the keys of a history are called, and the lengths of time that all who touch it must agree on."""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "lastmile:history:"
LEAST_MARK_MS = 60_000
MARKS = 1000  # of the longest time that is promised; more would only be finer
SLACK_MARKS = 60


class HistoryPlace(NamedTuple):
    """One partition in one life of its topic."""

    topic: str
    partition: int
    generation: str


def state_key(place: HistoryPlace, rules: str) -> str:
    """
    Where it is written how far the history goes.

    Args:
        rules: The fingerprint of the topic's rules, of `core.retention`.
    """
    return f"{_slot(place, rules)}:state"


def lease_key(place: HistoryPlace, rules: str) -> str:
    """Who may write."""
    return f"{_slot(place, rules)}:lease"


def marks_key(place: HistoryPlace, rules: str) -> str:
    """When what had been written."""
    return f"{_slot(place, rules)}:marks"


def stream_key(place: HistoryPlace, rules: str, channel: str) -> str:
    """The messages of a channel."""
    return f"{_slot(place, rules)}:channel:{channel}"


def safe_field(milliseconds: int) -> str:
    """The field of the state that says what may be gone, of what is kept for so long."""
    return f"safe:{milliseconds}"


def mark_ms(longest_ms: int) -> int:
    """How often a mark is made, where *longest_ms* is the longest time that is promised on a topic."""
    return max(LEAST_MARK_MS, longest_ms // MARKS)


def slack_ms(longest_ms: int) -> int:
    """By how much a stream outlives what is promised of it."""
    return SLACK_MARKS * mark_ms(longest_ms)


def patience_ms(longest_ms: int) -> int:
    """A history that nobody has written to for so long proves nothing until somebody does."""
    return slack_ms(longest_ms) // 2


def _slot(place: HistoryPlace, rules: str) -> str:
    return f"{PREFIX}{{{place.topic}:{place.partition}:{place.generation}:{rules}}}"
