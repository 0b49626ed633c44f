"""The edge's side of limits that edges share: what it lets through by itself, tells and asks."""

from __future__ import annotations

import pytest

from gateway.core.limits import Rate
from gateway.core.shared_limits import HOLD_SECONDS, Ask, SharedLimits

RATE = Rate(10.0, 20.0)
NOW = 1_800_000_000.0
KEY = "client:bank:ada"


def take(limits: SharedLimits, count: int, now: float = NOW, key: str = KEY) -> bool:
    """As a publication does."""
    use = limits.use_of(key, RATE, now)
    if not limits.has(use, count, now):
        return False
    limits.spend(use, count)
    return True


def test_an_edge_alone_lets_the_whole_rate_through_and_tells_nobody() -> None:
    limits = SharedLimits()

    assert [take(limits, 1) for _ in range(21)] == [True] * 20 + [False]
    assert take(limits, 10, NOW + 1)
    assert limits.asks(NOW + 1) == []


def test_one_of_several_lets_its_even_share_through_and_asks_for_what_it_lacked() -> None:
    limits = SharedLimits()
    limits.set_edges(2)

    assert [take(limits, 1) for _ in range(13)] == [True] * 10 + [False] * 3

    assert limits.asks(NOW) == [Ask(KEY, RATE, used=10, wanted=3)]
    assert limits.asks(NOW) == [Ask(KEY, RATE, used=0, wanted=3)]  # nothing was given yet


def test_what_was_given_is_let_through_and_not_told_again() -> None:
    limits = SharedLimits()
    limits.set_edges(2)
    take(limits, 10)
    take(limits, 5)
    asks = limits.asks(NOW)

    limits.give(asks, [5.0])

    assert take(limits, 5)
    assert not take(limits, 1)
    (ask,) = limits.asks(NOW)
    assert ask.used == 0


def test_a_batch_that_lacked_once_may_come_again_for_a_while_and_then_goes_back() -> None:
    limits = SharedLimits()
    limits.set_edges(2)
    assert not take(limits, 15)
    limits.give(limits.asks(NOW), [15.0])

    assert limits.asks(NOW + HOLD_SECONDS / 2) == []
    assert limits.asks(NOW + HOLD_SECONDS * 1.1) == [Ask(KEY, RATE, used=-15, wanted=0)]
    assert not take(limits, 15, NOW + HOLD_SECONDS * 1.1)


def test_who_is_alone_again_has_the_whole_rate_and_nothing_beside_it() -> None:
    """Redis away: each edge enforces the whole rate, and no more."""
    limits = SharedLimits()
    limits.set_edges(2)
    assert not take(limits, 15)
    limits.give(limits.asks(NOW), [15.0])

    limits.set_edges(1)

    later = NOW + 60
    assert [take(limits, 1, later) for _ in range(21)] == [True] * 20 + [False]


def test_what_is_let_through_in_any_case_is_owed() -> None:
    limits = SharedLimits()
    use = limits.use_of(KEY, RATE, NOW)

    limits.spend(use, 25)

    assert not take(limits, 1, NOW + 0.5)
    assert take(limits, 1, NOW + 0.7)


def test_memory_is_bounded_and_who_is_idle_leaves() -> None:
    limits = SharedLimits(max_keys=3)
    for number in range(5):
        take(limits, 1, NOW + number / 10, key=f"client:bank:{number}")
    assert len(limits) == 3

    limits.asks(NOW + 1)
    assert len(limits) == 3
    limits.asks(NOW + 60)
    assert len(limits) == 0


@pytest.mark.parametrize("edges", [1, 3])
def test_who_was_forgotten_meanwhile_gets_nothing(edges: int) -> None:
    limits = SharedLimits(max_keys=1)
    limits.set_edges(3)
    take(limits, 10)
    asks = limits.asks(NOW)
    take(limits, 1, key="client:bank:eve")

    limits.give(asks, [5.0] * len(asks))
    limits.set_edges(edges)

    assert not take(limits, 21)
