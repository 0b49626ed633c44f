"""How far histories are behind, and when reading has stood still."""

from __future__ import annotations

import pytest

from gateway.historian import progress
from gateway.historian.progress import LINE_SECONDS, LOOK_SECONDS, STANDSTILL_SECONDS, WORTH_A_LINE, Progress


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_what_is_behind_is_told_by_topic(clock: Clock) -> None:
    of = Progress()

    of.look({("a", 0): 10, ("a", 1): 7, ("b", 0): 5}, {("a", 0): 4, ("a", 1): 7, ("b", 0): 6})

    assert of.lags == {"a": 6, "b": 0}
    of.forget()
    assert of.lags == {}


def test_a_look_is_due_now_and_then(clock: Clock) -> None:
    """And at once after everything was forgotten."""
    of = Progress()
    assert of.is_due

    of.look({}, {})

    assert not of.is_due
    clock.now += LOOK_SECONDS
    assert of.is_due
    of.look({}, {})
    of.forget()
    assert of.is_due


def test_a_partition_of_which_nothing_is_read_for_long_is_a_standstill(clock: Clock) -> None:
    """However much is read of the others."""
    of = Progress()
    verdicts = []
    for step in range(4):
        verdicts.append(of.look({("a", 0): 10, ("a", 1): 900}, {("a", 0): 4, ("a", 1): step}))
        clock.now += STANDSTILL_SECONDS / 3

    assert verdicts == [False, False, False, True]


def test_a_partition_that_moves_or_has_nothing_to_read_does_not_stand_still(clock: Clock) -> None:
    of = Progress()
    for step in range(6):
        assert not of.look({("a", 0): 10, ("a", 1): 900}, {("a", 0): 10, ("a", 1): step})
        clock.now += STANDSTILL_SECONDS / 2


def test_a_long_catching_up_has_a_line_now_and_then_and_one_at_its_end(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    of = Progress()
    caplog.set_level("INFO", "gateway.historian")
    for behind in (5 * WORTH_A_LINE, 4 * WORTH_A_LINE, 3 * WORTH_A_LINE, 1, 0):
        of.look({("a", 0): 10**6}, {("a", 0): 10**6 - behind})
        clock.now += LINE_SECONDS / 2

    assert [record.getMessage() for record in caplog.records] == [
        "the history catches up",
        "the history catches up",
        "the history has caught up",
    ]
