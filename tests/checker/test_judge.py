"""Each way to wrong a client is found, and what is right is not."""

from __future__ import annotations

import pytest

from tests.checker.journal import Contract, Event, Journal, What
from tests.checker.judge import Judge
from tests.checker.truth import Truth
from tests.checker.verdicts import Verdict
from tests.checker.world import (
    HERE,
    LIFE,
    NAMESPACE,
    NEXT_LIFE,
    OTHER,
    TOPIC,
    Seen,
    attach,
    attached,
    dropped,
    message,
    messages,
    record,
    serial,
)

FRESH = [attach(), attached(serial(0))]  # it has message 0, whose offset is 0, and lacks those from 1 on
REJOINED = [dropped(), attach(serial(4)), attached(serial(4), is_resumed=True)]


def verdicts(*events: Event, count: int = 4, may_tell: tuple[int, ...] = ()) -> dict[Verdict, int]:
    return Seen(events, count, may_tell=may_tell).verdicts


def test_who_sees_everything_once_and_in_order_was_not_wronged() -> None:
    seen = Seen([*FRESH, *messages(1, 3), *REJOINED, *messages(3, 6)], 6)

    assert seen.verdicts == {}
    assert seen.judgement.deliveries == 5
    assert seen.judgement.resumed == 1


def test_what_never_came_at_the_end_is_lost() -> None:
    assert verdicts(*FRESH, *messages(1, 2)) == {Verdict.LOST: 2}


def test_who_is_away_at_the_end_has_lost_what_came_since() -> None:
    assert verdicts(*FRESH, *messages(1, 2), dropped()) == {Verdict.LOST: 2}


def test_who_was_never_answered_is_found() -> None:
    assert verdicts(attach()) == {Verdict.LOST: 1}


def test_what_comes_twice_is_doubled() -> None:
    assert verdicts(*FRESH, *messages(1, 4), *messages(2, 3)) == {Verdict.DOUBLED: 1}


def test_what_comes_again_after_resuming_is_doubled() -> None:
    assert verdicts(*FRESH, *messages(1, 3), *REJOINED, *messages(2, 4)) == {Verdict.DOUBLED: 1}


def test_what_comes_after_later_ones_is_reordered() -> None:
    assert verdicts(*FRESH, *messages(2, 4), *messages(1, 2)) == {Verdict.REORDERED: 1}


def test_a_gap_of_which_nobody_speaks_is_found() -> None:
    assert verdicts(*FRESH, *messages(1, 2), *messages(3, 4)) == {Verdict.UNTOLD: 1}


def test_a_gap_is_not_mended_by_a_loss_that_is_told_later() -> None:
    events = [*FRESH, *messages(1, 2), *messages(3, 4), attached(serial(6), code=80006), *messages(4, 5)]

    assert verdicts(*events, count=5, may_tell=(80006,)) == {Verdict.UNTOLD: 1}


def test_resumed_behind_what_it_has_not_got_is_found() -> None:
    events = [*FRESH, *messages(1, 2), dropped(), attach(serial(2)), attached(serial(4), is_resumed=True)]

    assert verdicts(*events, *messages(3, 4)) == {Verdict.UNTOLD: 1}


def test_resumed_from_nothing_is_found() -> None:
    assert verdicts(attach(), attached(serial(6), is_resumed=True)) == {Verdict.UNTOLD: 1}


def test_a_loss_that_is_told_where_it_may_be_is_no_fault() -> None:
    events = [*FRESH, *messages(1, 2), dropped(), attach(serial(2)), attached(serial(4), code=80006), *messages(3, 4)]
    seen = Seen(events, 4, may_tell=(80006,))

    assert seen.verdicts == {}
    assert seen.judgement.told == {(NAMESPACE, 80006): 1}
    assert seen.judgement.told_messages == 1


@pytest.mark.parametrize("code", [80006, None])
def test_a_loss_that_is_told_where_nothing_justifies_it_is_found(code: int | None) -> None:
    events = [*FRESH, *messages(1, 2), dropped(), attach(serial(2)), attached(serial(4), code=code), *messages(3, 4)]

    assert verdicts(*events, may_tell=(90003,)) == {Verdict.GROUNDLESS: 1}


def test_a_loss_may_be_told_to_who_is_attached() -> None:
    events = [*FRESH, attached(serial(4), code=90003), *messages(3, 4)]

    assert verdicts(*events, may_tell=(90003,)) == {}
    assert verdicts(*events) == {Verdict.GROUNDLESS: 1}


def test_an_altered_message_is_foreign() -> None:
    assert verdicts(*FRESH, message(record(2, text="other")), *messages(2, 4)) == {Verdict.FOREIGN: 1}


def test_a_message_of_another_channel_is_foreign_and_in_place_of_none() -> None:
    stranger = message(record(3, OTHER))._replace(channel=HERE)

    assert verdicts(*FRESH, *messages(1, 2), stranger, *messages(2, 4)) == {Verdict.FOREIGN: 1}


def test_a_record_that_was_never_committed_is_foreign() -> None:
    assert verdicts(*FRESH, *messages(1, 4), message(record(100))) == {Verdict.FOREIGN: 1}


def test_a_message_before_attached_is_foreign() -> None:
    assert verdicts(*FRESH, *messages(1, 3), dropped(), attach(serial(4)), *messages(3, 4)) == {
        Verdict.FOREIGN: 1,
        Verdict.LOST: 1,
    }


def test_a_position_of_another_partition_is_foreign() -> None:
    assert Verdict.FOREIGN in verdicts(attach(), attached(f"{LIFE}-00001-{6:016}"), *messages(0, 4))


def test_an_app_that_detaches_forgets_where_it_was() -> None:
    detached = [Event(0, What.DETACH, HERE), *messages(2, 3), Event(0, What.DETACHED, HERE)]

    assert verdicts(*FRESH, *messages(1, 2), *detached, attach(), attached(serial(6))) == {}


def test_a_position_over_all_partitions_covers_what_it_says() -> None:
    assert verdicts(attach(), attached(f"{LIFE}-v-Aw"), *messages(2, 4)) == {}  # 3 is the next offset


def test_at_least_once_lets_messages_come_again_and_never_skips() -> None:
    again = [*FRESH, *messages(1, 3), dropped(), attach(), attached(serial(0), is_resumed=True), *messages(1, 4)]
    skipping = [*FRESH, *messages(1, 2), dropped(), attach(), attached(serial(4), is_resumed=True), *messages(3, 4)]
    told = [*FRESH, *messages(1, 2), dropped(), attach(), attached(serial(4), code=80006), *messages(3, 4)]

    seen = Seen(again, 4, Contract.AT_LEAST_ONCE)
    assert seen.verdicts == {}
    assert seen.judgement.repeated == 2
    assert Seen(skipping, 4, Contract.AT_LEAST_ONCE).verdicts == {Verdict.UNTOLD: 1}
    assert Seen(told, 4, Contract.AT_LEAST_ONCE).verdicts == {Verdict.GROUNDLESS: 1}


@pytest.mark.parametrize(("again_at", "expected"), [(4, {}), (6, {Verdict.UNTOLD: 1})])
def test_what_an_app_had_before_messages_came_again_it_has_not_lost(
    again_at: int, expected: dict[Verdict, int]
) -> None:
    """A newer position of it was saved late: it goes on behind what it has, though not all of that came again."""
    events = [*FRESH, *messages(1, 3), dropped(), attach(), attached(serial(0), is_resumed=True), *messages(1, 2)]
    events += [dropped(), attach(), attached(serial(again_at), is_resumed=True), *messages(again_at // 2 + 1, 5)]

    assert Seen(events, 5, Contract.AT_LEAST_ONCE).verdicts == expected


# ---------------------------------------------------------------------- a topic that was recreated


def recreated(*events: Event, may_come_early: tuple[str, ...] = ()) -> dict[Verdict, int]:
    """Two messages in the first life, five in the next."""
    truth = Truth({NAMESPACE: TOPIC})
    for offset in range(2):
        truth.add(record(offset))
    assert truth.life_of(HERE, LIFE) == 0
    life = truth.begin_life(TOPIC)
    truth.name_life(TOPIC, life, NEXT_LIFE)
    for offset in range(5):
        truth.add(record(offset, text=f"new {offset}"), life)
    judge = Judge(truth, {NAMESPACE: (90003,)}, may_come_early=may_come_early)
    journal = Journal("phone", events=[attach(), attached(serial(0)), message(record(1)), *events])
    judge.hear(journal)
    judge.conclude(journal)
    return dict(judge.judgement.counts)


def new(first: int, life: str = NEXT_LIFE) -> list[Event]:
    return [message(record(offset, text=f"new {offset}"), life) for offset in range(first, 5)]


TOLD = attached(f"{NEXT_LIFE}-v-AA", code=90003)


def test_a_new_life_that_is_told_is_no_fault() -> None:
    assert recreated(TOLD, *new(0)) == {}


def test_a_new_life_that_is_not_told_is_found() -> None:
    assert recreated(*new(0)) == {Verdict.UNTOLD: 1}
    assert recreated(dropped(), attach(serial(1)), attached(serial(1, NEXT_LIFE), is_resumed=True), *new(2)) == {
        Verdict.UNTOLD: 1
    }
    assert recreated() == {Verdict.LOST: 5}


def test_what_comes_of_a_new_life_before_it_is_noticed_must_be_told_of() -> None:
    early = new(2, LIFE)

    assert recreated(*early, TOLD, *new(0), may_come_early=(NAMESPACE,)) == {}
    assert Verdict.UNTOLD in recreated(*early, may_come_early=(NAMESPACE,))
    assert recreated(*early, TOLD, *new(0)) == {Verdict.FOREIGN: 3}
