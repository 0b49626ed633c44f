"""What is given up when memory runs short, and that it comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.shedding import SMALLEST_WINDOW, Level, level_of, window_bytes_of

BUDGET = 1000


@pytest.mark.parametrize(
    ("used", "level"),
    [(0, 0), (799, 0), (800, 1), (899, 1), (900, 2), (999, 2), (1000, 3), (5000, 3)],
)
def test_levels_begin_at_their_shares(used: int, level: int) -> None:
    assert level_of(used, BUDGET, Level.CALM) == level


@pytest.mark.parametrize(
    ("before", "used", "after"),
    [
        (Level.WINDOW, 760, Level.WINDOW),
        (Level.WINDOW, 749, Level.CALM),
        (Level.DOORS, 860, Level.DOORS),
        (Level.DOORS, 849, Level.WINDOW),
        (Level.READERS, 960, Level.READERS),
        (Level.READERS, 940, Level.DOORS),
        (Level.READERS, 100, Level.CALM),
    ],
)
def test_a_level_ends_below_where_it_began(before: Level, used: int, after: Level) -> None:
    """Else doors would open and shut twice a second."""
    assert level_of(used, BUDGET, before) is after


@given(st.lists(st.sampled_from([Level.CALM, Level.WINDOW, Level.DOORS]), max_size=200), st.integers(1000, 10**9))
def test_the_window_never_leaves_its_bounds_and_comes_back(levels: list[Level], whole: int) -> None:
    now = whole
    for level in levels:
        now = window_bytes_of(level, now, whole)
        assert int(whole * SMALLEST_WINDOW) <= now <= whole
    for _ in range(100):
        now = window_bytes_of(Level.CALM, now, whole)
    assert now == whole
