"""What a connection sends: paced by not reading it, and sent away only if that is all it does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.flow import Flow, FlowTerms
from gateway.core.limits import Rate
from gateway.errors import ByteFlood, Flooding, FrameFlood

TERMS = FlowTerms(Rate(10.0, 20.0), Rate(1000.0, 2000.0), patience_seconds=5.0)


def test_within_the_rates_it_is_read_on() -> None:
    flow = Flow(TERMS, 0.0)

    assert [flow.take(TERMS, 1, 100, now / 10) for now in range(100)] == [0.0] * 100


@pytest.mark.parametrize(("frames", "size_bytes", "wait"), [(23, 10, 0.3), (1, 2500, 0.5), (30, 2500, 1.0)])
def test_beyond_one_it_is_not_read_until_the_time_has_made_up_for_it(frames: int, size_bytes: int, wait: float) -> None:
    flow = Flow(TERMS, 0.0)

    assert flow.take(TERMS, frames, size_bytes, 0.0) == pytest.approx(wait)
    assert flow.take(TERMS, 0, 0, wait) == pytest.approx(0.0)


@pytest.mark.parametrize(("frames", "size_bytes", "flood"), [(5, 1, FrameFlood), (1, 900, ByteFlood)])
def test_who_goes_on_with_it_is_sent_away(frames: int, size_bytes: int, flood: type[Flooding]) -> None:
    """Though it was held back each time, by as much as it owed."""
    flow = Flow(TERMS, 0.0)
    now = 0.0

    def go_on() -> None:
        nonlocal now
        while now < 60:
            now += flow.take(TERMS, frames, size_bytes, now)

    with pytest.raises(flood):
        go_on()
    assert 4.0 < now < 60


def test_who_sends_far_too_much_at_once_is_sent_away_at_once() -> None:
    """What it owes could not be made up for within the patience."""
    with pytest.raises(FrameFlood):
        Flow(TERMS, 0.0).take(TERMS, 80, 1, 0.0)


def test_who_has_calmed_down_has_all_the_patience_again() -> None:
    flow, now = Flow(TERMS, 0.0), 0.0

    for _ in range(10):
        now += flow.take(TERMS, 50, 1, now) + 2.0
        assert flow.take(TERMS, 1, 1, now) == 0.0


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 40), st.integers(0, 4000)), max_size=50))
def test_whoever_is_held_back_sends_no_more_than_the_rates_and_one_segment(steps: list[tuple[float, int, int]]) -> None:
    flow, now = Flow(TERMS, 0.0), 0.0
    frames_read = bytes_read = 0

    for pause, frames, size_bytes in steps:
        now += pause
        assert frames_read <= 20.0 + 10.0 * now + 40 + 1e-6
        assert bytes_read <= 2000.0 + 1000.0 * now + 4000 + 1e-6
        try:
            now += flow.take(TERMS, frames, size_bytes, now)
        except Flooding:
            return
        frames_read += frames
        bytes_read += size_bytes


def test_without_rates_nothing_is_held_back() -> None:
    terms = FlowTerms(None, None, 1.0)

    assert Flow(terms, 0.0).take(terms, 10**9, 10**12, 0.0) == 0.0
