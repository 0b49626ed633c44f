"""How patient fetches are, by what flows; no broker, no clock."""

from __future__ import annotations

import pytest

from gateway.stream.pace import IDLE, MAX_WAIT_MS, Pace


def paced(*flows: tuple[float, float]) -> Pace:
    """A pace after flows of so many records a second, each for so many seconds, polled every 10 ms."""
    pace, now = Pace(0.0), 0.0
    for per_second, seconds in flows:
        for _ in range(round(seconds * 100)):
            now += 0.01
            pace.note(round(per_second / 100), now)
    return pace


def test_a_pace_begins_without_patience() -> None:
    assert Pace(0.0).patience is IDLE


@pytest.mark.parametrize(
    ("per_second", "wait_ms"), [(0, 500), (200, 500), (700, 1), (1400, 2), (2000, 3), (100_000, MAX_WAIT_MS)]
)
def test_fetches_wait_by_the_load(per_second: float, wait_ms: int) -> None:
    assert paced((per_second, 5)).patience.max_wait_ms == wait_ms


def test_little_is_fetched_at_once() -> None:
    assert paced((200, 5)).patience.min_bytes == 1


def test_much_waits_for_more() -> None:
    assert paced((2000, 5)).patience.min_bytes > 2000


def test_a_burst_alone_changes_nothing_for_long() -> None:
    assert paced((100_000, 0.25), (0, 5)).patience == IDLE


def test_patience_ends_within_seconds_of_the_load() -> None:
    assert paced((5000, 5), (0, 2)).patience == IDLE


def test_a_change_is_told_once() -> None:
    pace = paced((2000, 5))

    assert [pace.note(500, 5.0 + 0.25 * step) for step in range(1, 4)] == [False, False, False]
