"""When an edge is ready, and when reading counts as standing still."""

from __future__ import annotations

from gateway.metrics.readings import TopicLag
from gateway.stream.progress import STANDSTILL_LOOKS, Progress

ONE, OTHER = ("edge.accounts", 0), ("edge.accounts", 1)


def reading() -> Progress:
    progress = Progress()
    progress.begin("edge.accounts", {ONE: 0, OTHER: 0})
    return progress


def test_is_ready_when_all_that_was_there_at_the_start_was_read() -> None:
    progress = reading()
    progress.set_goal({ONE: 2, OTHER: 0}, asked_at_ms=1)
    before = progress.is_ready

    progress.move(ONE, 2, 2)

    assert (before, progress.is_ready) == (False, True)


def test_what_is_there_and_not_read_for_some_looks_is_a_standstill() -> None:
    progress = reading()
    progress.move(OTHER, 5, 5)
    found = []
    for position in range(6, 6 + STANDSTILL_LOOKS + 1):
        progress.move(OTHER, position, position)
        found.append(progress.look({ONE: 3, OTHER: position}))

    assert found == [False] * STANDSTILL_LOOKS + [True]


def test_nothing_to_read_is_no_standstill() -> None:
    progress = reading()

    assert not any(progress.look({ONE: 0, OTHER: 0}) for _ in range(STANDSTILL_LOOKS * 2))


def test_a_partition_without_a_leader_is_no_standstill_while_others_are_read() -> None:
    """Where one has no leader, Kafka tells no ends: a new consumer would help nobody."""
    progress = reading()
    found = []
    for position in range(STANDSTILL_LOOKS * 2):
        progress.move(ONE, position, None)
        found.append(progress.look(None))

    assert not any(found)


def test_nothing_read_and_nothing_told_is_a_standstill() -> None:
    """All brokers moved: a client that keeps their old addresses never finds them."""
    progress = reading()

    found = [progress.look(None) for _ in range(STANDSTILL_LOOKS + 1)]

    assert found[-1]


def test_lag_is_what_lies_between_position_and_end() -> None:
    progress = reading()
    progress.move(ONE, 4, 10)
    progress.note_newest("edge.accounts", 5_000)

    assert progress.lag("edge.accounts", now_ms=7_000) == TopicLag("edge.accounts", records=6, seconds=2.0)


def test_all_is_known_up_to_the_answer_that_told_of_an_end_that_was_reached() -> None:
    progress = reading()
    before = progress.as_of_ms("edge.accounts")
    progress.move(ONE, 10, 10, told_at_ms=5_000)
    progress.move(OTHER, 3, 3, told_at_ms=4_000)
    progress.move(ONE, 10, 20, told_at_ms=6_000)

    assert before == 0
    assert progress.as_of_ms("edge.accounts", 0) == 5_000
    assert progress.as_of_ms("edge.accounts") == 4_000
    assert progress.as_of_ms("edge.other") == 0


def test_the_end_that_comes_with_a_fetch_is_no_proof_that_nobody_has_read_more() -> None:
    """A leader just elected may name one that others have read beyond; asked for its ends it does not (KIP-207)."""
    progress = reading()
    progress.move(ONE, 10, 10, told_at_ms=5_000)
    progress.look({ONE: 12, OTHER: 0}, asked_at_ms=6_000)
    before = progress.complete_ms("edge.accounts", 0), progress.complete_ms("edge.accounts")

    progress.move(ONE, 12, 11, told_at_ms=7_000)

    assert before == (0, 0)
    assert progress.complete_ms("edge.accounts", 1) == 6_000
    assert progress.complete_ms("edge.accounts") == 6_000


def test_a_new_life_is_not_known_by_what_was_read_of_the_old_one() -> None:
    progress = reading()
    progress.move(ONE, 10, 10, told_at_ms=5_000)
    progress.look({ONE: 10}, asked_at_ms=6_000)
    before = progress.complete_ms("edge.accounts", 0)

    progress.begin("edge.accounts", {ONE: 0})

    assert before == 6_000
    assert progress.as_of_ms("edge.accounts", 0) == progress.complete_ms("edge.accounts", 0) == 0


def test_who_is_ready_knows_all_that_there_was_when_it_asked() -> None:
    """Else whoever comes first would be told that its channel is stale."""
    progress = reading()
    progress.set_goal({ONE: 2, OTHER: 0}, asked_at_ms=5_000)
    before = progress.as_of_ms("edge.accounts")

    progress.move(ONE, 2, 2)

    assert (before, progress.as_of_ms("edge.accounts")) == (0, 5_000)
