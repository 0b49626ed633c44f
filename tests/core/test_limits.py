"""Token buckets: never more than the burst and what the time gives, and never less for who waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.limits import Bucket, Rate, rate_of

RATES = st.builds(Rate, st.floats(0.1, 10_000), st.integers(1, 20_000).map(float))
STEPS = st.lists(st.tuples(st.floats(0, 5), st.integers(1, 500)), max_size=60)
START = 1_800_000_000.0


@given(RATES, STEPS)
def test_no_stretch_of_time_has_more_than_the_burst_and_what_the_rate_gives_in_it(
    rate: Rate, steps: list[tuple[float, int]]
) -> None:
    bucket, now = Bucket(rate, START), START
    taken: list[tuple[float, int]] = []

    for pause, count in steps:
        now += pause
        if bucket.take(rate, count, now):
            taken.append((now, count))

    for first, (begun, _) in enumerate(taken):
        total = 0
        for at, count in taken[first:]:
            total += count
            assert total <= (rate.burst + (at - begun) * rate.per_second) * (1 + 1e-6) + 1e-3


@given(RATES, STEPS, st.floats(0.01, 1))
def test_who_waits_as_long_as_it_is_told_gets_it(rate: Rate, steps: list[tuple[float, int]], share: float) -> None:
    """Never starves: neither by what was refused, nor by what is owed."""
    bucket, now = Bucket(rate, START), START
    for pause, count in steps:
        now += pause
        bucket.take(rate, count, now)
        bucket.owe(rate, 1, now)
    wanted = rate.burst * share

    now += bucket.wait_seconds(rate, wanted) + 1e-3

    assert bucket.take(rate, wanted, now)


@given(RATES, STEPS)
def test_a_refusal_takes_nothing(rate: Rate, steps: list[tuple[float, int]]) -> None:
    bucket, now = Bucket(rate, START), START
    for pause, count in steps:
        now += pause
        bucket.refill(rate, now)
        before = bucket.level

        is_taken = bucket.take(rate, count, now)

        assert bucket.level == before - count * is_taken
        assert is_taken == (count <= before)


def test_a_clock_that_is_set_back_gives_nothing_and_goes_on() -> None:
    rate = Rate(10.0, 10.0)
    bucket = Bucket(rate, START)
    assert bucket.take(rate, 10, START)

    assert not bucket.take(rate, 1, START - 3600)
    assert bucket.take(rate, 1, START - 3600 + 0.2)


def test_a_rate_of_zero_is_none_at_all() -> None:
    assert rate_of(0, 2.0) is None
    assert rate_of(50, 2.0) == Rate(50, 100)


@pytest.mark.parametrize(("edges", "burst"), [(1, 100.0), (4, 25.0), (1000, 1.0)])
def test_an_even_share_has_room_for_one_at_least(edges: int, burst: float) -> None:
    assert Rate(50.0, 100.0).share(edges) == Rate(50.0 / edges, burst)
