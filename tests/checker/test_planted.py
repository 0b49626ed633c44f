"""Whatever a client lived through, one planted fault is found, and without it nothing is."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from tests.checker.journal import Event, What
from tests.checker.verdicts import Verdict
from tests.checker.world import OTHER, Seen, attach, attached, dropped, message, messages, record, serial

COUNT = 30
Plant = Callable[[list[Event], random.Random], None]


def life_of_a_client(seed: random.Random) -> list[Event]:
    """Attached at the beginning, and all messages, over drops, re-attaches, and losses that were told."""
    events, have = [attach(), attached(serial(0))], 1
    while have < COUNT:
        share = messages(have, min(COUNT, have + seed.randint(1, 6)))
        events += share
        have += len(share)
        here = serial(2 * have - seed.randint(1, 2))  # of its last message, or of the other channel's next
        match seed.randrange(4):
            case 0:
                events += [dropped(), attach(here), attached(here, is_resumed=True)]
            case 1:
                events += [attach(here), attached(here, is_resumed=True)]
            case 2 if have < COUNT - 5:
                have += seed.randint(0, 3)
                events += [dropped(), attach(here), attached(serial(2 * have - 1), code=80006)]
            case _:
                pass
    return events


def places(events: list[Event], what: What = What.MESSAGE) -> list[int]:
    return [at for at, event in enumerate(events) if event.what is what]


def neighbours(events: list[Event]) -> list[int]:
    """Messages whose successor in the journal is a message too."""
    return [at for at in places(events)[:-1] if events[at + 1].what is What.MESSAGE]


def drop_one(events: list[Event], seed: random.Random) -> None:
    del events[seed.choice(neighbours(events))]


def drop_the_last(events: list[Event], seed: random.Random) -> None:
    del events[places(events)[-1] :]


def double_one(events: list[Event], seed: random.Random) -> None:
    at = seed.choice(places(events))
    events.insert(at + 1, events[at])


def swap_two(events: list[Event], seed: random.Random) -> None:
    at = seed.choice(neighbours(events))
    events[at], events[at + 1] = events[at + 1], events[at]


def alter_one(events: list[Event], seed: random.Random) -> None:
    at = seed.choice(places(events))
    frame = events[at].frame or b""
    events[at] = events[at]._replace(frame=frame.replace(b"value", b"VALUE"))


def bring_a_stranger(events: list[Event], seed: random.Random) -> None:
    stranger = message(record(2 * seed.randrange(COUNT) + 1, OTHER))
    at = seed.choice(places(events))
    events.insert(at, stranger._replace(channel=events[at].channel))


def deny_a_loss(events: list[Event], seed: random.Random) -> None:
    """What is told as a loss, with messages missing, is called resumed."""
    events[:] = [attach(), attached(serial(0)), *messages(1, 5), dropped()]
    gone = seed.randint(1, 10)
    events += [attach(serial(8)), attached(serial(2 * (5 + gone) - 1), is_resumed=True), *messages(5 + gone, COUNT)]


PLANTS: list[tuple[Plant, Verdict]] = [
    (drop_one, Verdict.UNTOLD),
    (drop_the_last, Verdict.LOST),
    (double_one, Verdict.DOUBLED),
    (swap_two, Verdict.REORDERED),
    (alter_one, Verdict.FOREIGN),
    (bring_a_stranger, Verdict.FOREIGN),
    (deny_a_loss, Verdict.UNTOLD),
]


@given(st.integers(0, 2**32))
def test_a_life_without_a_fault_has_no_verdict(number: int) -> None:
    seen = Seen(life_of_a_client(random.Random(number)), COUNT, may_tell=(80006,))

    assert seen.verdicts == {}


@given(st.integers(0, 2**32), st.sampled_from(PLANTS))
def test_a_planted_fault_is_found_for_what_it_is(number: int, plant: tuple[Plant, Verdict]) -> None:
    seed = random.Random(number)
    events = life_of_a_client(seed)
    plant_in, verdict = plant
    plant_in(events, seed)

    assert set(Seen(events, COUNT, may_tell=(80006,)).verdicts) == {verdict}


@given(st.integers(0, 2**32))
def test_a_loss_that_nothing_justifies_is_found(number: int) -> None:
    events = life_of_a_client(random.Random(number))
    losses = sum(event.code is not None for event in events)

    assert Seen(events, COUNT).verdicts.get(Verdict.GROUNDLESS, 0) == losses
