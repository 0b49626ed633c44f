"""How patient fetches are, by what flows; no broker, no clock."""

from __future__ import annotations

import pytest

from gateway.stream.pace import IDLE, MARGIN_MS, MAX_WAIT_MS, MOST_BYTES, Pace

RECORD_BYTES = 250


def paced(*flows: tuple[float, float]) -> Pace:
    """A pace after flows of so many records a second, each for so many seconds, polled every 10 ms."""
    pace, now = Pace(0.0), 0.0
    for per_second, seconds in flows:
        for _ in range(round(seconds * 100)):
            now += 0.01
            records = round(per_second / 100)
            pace.note(records, records * RECORD_BYTES, now)
    return pace


def test_a_pace_begins_without_patience() -> None:
    assert Pace(0.0).patience is IDLE


@pytest.mark.parametrize(("per_second", "wait_ms"), [(700, 1), (1400, 2), (2000, 3), (100_000, MAX_WAIT_MS)])
def test_fetches_wait_for_what_comes_in_some_milliseconds(per_second: float, wait_ms: int) -> None:
    patience = paced((per_second, 5)).patience

    assert patience.min_bytes == pytest.approx(min(MOST_BYTES, per_second * RECORD_BYTES * wait_ms / 1000), abs=50)
    assert patience.max_wait_ms == wait_ms + MARGIN_MS


@pytest.mark.parametrize("per_second", [0, 200])
def test_little_is_fetched_at_once(per_second: float) -> None:
    assert paced((per_second, 5)).patience == IDLE


def test_a_burst_alone_changes_nothing_for_long() -> None:
    assert paced((100_000, 0.25), (0, 5)).patience == IDLE


def test_patience_ends_within_seconds_of_the_load() -> None:
    assert paced((5000, 5), (0, 2)).patience == IDLE


def test_a_change_is_told_once() -> None:
    pace = paced((2000, 5))

    assert [pace.note(500, 500 * RECORD_BYTES, 5.0 + 0.25 * step) for step in range(1, 4)] == [False, False, False]
