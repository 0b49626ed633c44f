"""Copies of a publication: told by their id, for two minutes of record time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.duplicates import REMEMBERED_COPIES, REMEMBERED_SECONDS, Duplicates

SPAN_MS = int(REMEMBERED_SECONDS * 1000)


def test_a_copy_is_told_and_the_firsts_serial_is_known() -> None:
    duplicates = Duplicates(10)

    assert not duplicates.is_copy("account:1", "m-1", "s-1", 0)
    assert duplicates.is_copy("account:1", "m-1", "s-2", SPAN_MS)
    assert duplicates.serial_of("account:1", "m-1") == "s-1"
    assert duplicates.dropped == 1


def test_the_same_id_on_another_channel_is_no_copy() -> None:
    duplicates = Duplicates(10)
    duplicates.is_copy("account:1", "m-1", "s-1", 0)

    assert not duplicates.is_copy("account:2", "m-1", "s-2", 0)


def test_after_its_time_an_id_is_new_again() -> None:
    duplicates = Duplicates(10)
    duplicates.is_copy("account:1", "m-1", "s-1", 0)

    assert not duplicates.is_copy("account:1", "m-1", "s-2", SPAN_MS + 1)
    assert duplicates.is_copy("account:1", "m-1", "s-3", SPAN_MS + 2)
    assert duplicates.serial_of("account:1", "m-1") == "s-2"


def test_a_record_that_is_read_again_is_no_copy_of_itself() -> None:
    """A writer of history goes back to where Redis says that it was."""
    duplicates = Duplicates(10)
    verdicts = [duplicates.is_copy("account:1", "m-1", serial, 0) for serial in ("s-1", "s-2", "s-1", "s-2")]

    assert verdicts == [False, True, False, True]


def test_what_is_remembered_is_bounded() -> None:
    duplicates = Duplicates(10)
    for number in range(100):
        duplicates.is_copy("account:1", f"m-{number}", "s", number)

    assert len(duplicates) == 10
    assert duplicates.serial_of("account:1", "m-99") == "s"


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 9), st.integers(-SPAN_MS, SPAN_MS * 2)), max_size=60))
def test_whatever_comes_no_more_ids_are_remembered_than_may_be(most: int, steps: list[tuple[int, int]]) -> None:
    """Also where the times of records jump; the last one is always known."""
    duplicates = Duplicates(most)
    at = 10 * SPAN_MS
    for number, (message_id, step) in enumerate(steps):
        at += step
        duplicates.is_copy("account:1", str(message_id), f"s-{number}", at)

        assert len(duplicates) <= most
        assert duplicates.serial_of("account:1", str(message_id)) is not None


def test_where_copies_lie_is_remembered_and_bounded() -> None:
    duplicates = Duplicates(10)
    for number in range(REMEMBERED_COPIES + 2):
        duplicates.is_copy("account:1", "m-1", f"s-{number}", 0)

    assert [duplicates.was_copy(f"s-{number}") for number in (0, 1, 2, REMEMBERED_COPIES + 1)] == [
        False,
        False,
        True,
        True,
    ]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, SPAN_MS)), max_size=60))
def test_two_edges_that_read_the_same_records_drop_the_same(steps: list[tuple[str, int]]) -> None:
    """One of them started later, but read two minutes further back than it serves."""
    now = 0
    times = []
    for message_id, step in steps:
        now += step
        times.append((message_id, now))
    early, late = Duplicates(1000), Duplicates(1000)
    verdicts = [early.is_copy("account:1", one, "s", at) for one, at in times]
    late_verdicts = [late.is_copy("account:1", one, "s", at) for one, at in times if at >= now / 2]

    served = sum(at > now / 2 + SPAN_MS for _, at in times)
    assert late_verdicts[len(late_verdicts) - served :] == verdicts[len(verdicts) - served :]
