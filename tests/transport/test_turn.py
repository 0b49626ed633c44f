"""What goes on between turns of the loop: bounded shares, in order, and a bug is one client's alone."""

from __future__ import annotations

import asyncio

import pytest

from gateway.transport.turn import Pump

MINIMAL = 0.0  # seconds: one is served in each turn


class Waiting:
    """Somebody who wants so many shares."""

    def __init__(self, shares: int) -> None:
        self.shares = shares
        self.was_aborted = False

    def abort(self) -> None:
        self.was_aborted = True


class Served:
    """What a pump did, and what else went on meanwhile."""

    def __init__(self) -> None:
        self.order: list[object] = []
        self.is_over = asyncio.Event()
        self.pump: Pump[Waiting] = Pump(asyncio.get_running_loop(), self._serve, MINIMAL)

    def _serve(self, who: Waiting) -> bool:
        self.order.append(who)
        if who.shares == 0:
            raise ZeroDivisionError
        who.shares -= 1
        return who.shares > 0

    async def all_of(self, *waiting: Waiting) -> None:
        for who in waiting:
            self.pump.add(who)
        async with asyncio.timeout(5):
            while sum(who.shares for who in waiting):
                await asyncio.sleep(0)
                self.order.append("live")


async def test_others_go_on_between_shares() -> None:
    served = Served()
    first, second = Waiting(1), Waiting(1)

    await served.all_of(first, second)

    assert served.order[: served.order.index(second)].count("live") >= 1


async def test_shares_are_given_in_turn() -> None:
    served = Served()
    greedy, modest = Waiting(3), Waiting(1)

    await served.all_of(greedy, modest)

    assert [who for who in served.order if who != "live"] == [greedy, modest, greedy, greedy]


async def test_who_waits_already_is_not_queued_again() -> None:
    served = Served()
    one, other = Waiting(1), Waiting(1)

    await served.all_of(one, one, other, one)

    assert [who for who in served.order if who != "live"] == [one, other]


async def test_a_bug_costs_one_and_the_next_is_served(caplog: pytest.LogCaptureFixture) -> None:
    served = Served()
    unlucky, next_one = Waiting(0), Waiting(1)

    await served.all_of(unlucky, next_one)

    assert unlucky.was_aborted
    assert not next_one.was_aborted
    assert "ZeroDivisionError" in caplog.text
