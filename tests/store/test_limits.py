"""Edges that share a limit, for minutes: Redis' clock and theirs are moved by the test."""

from __future__ import annotations

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.limits import Rate
from gateway.core.shared_limits import SharedLimits
from gateway.sharing import SETTLE_EVERY_SECONDS, Sharing
from gateway.store.limits import LimitStore
from tests.store.conftest import Clock

RATE = Rate(20.0, 40.0)
KEY = "client:bank:ada"


class Fleet:
    """Edges that settle four times a second of a clock that is moved."""

    def __init__(self, clock: Clock, edges: int) -> None:
        server = FakeServer()
        self.clock = clock
        self.limits = [SharedLimits() for _ in range(edges)]
        self.lines = [FakeAsyncRedis(server=server) for _ in range(edges)]
        self.sharing = [
            Sharing(limits, LimitStore(line, 2.0, 3.0)) for limits, line in zip(self.limits, self.lines, strict=True)
        ]

    async def meet(self) -> None:
        for _ in range(2):
            for sharing in self.sharing:
                await sharing.settle(self.clock.time())

    async def pass_time(self, wanted: list[int]) -> list[int]:
        """A quarter of a second in which each edge is asked for so many. Returns: how many each let through."""
        passed = []
        for edge, count in enumerate(wanted):
            limits, now = self.limits[edge], self.clock.time()
            use = limits.use_of(KEY, RATE, now)
            passed.append(0)
            for _ in range(count):
                if limits.has(use, 1, now):
                    limits.spend(use, 1)
                    passed[edge] += 1
            await self.sharing[edge].settle(now)
        self.clock.passed += SETTLE_EVERY_SECONDS
        return passed

    async def close(self) -> None:
        for line in self.lines:
            await line.aclose()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    demands=st.lists(st.tuples(st.integers(1, 60), st.lists(st.integers(0, 30), min_size=4, max_size=4)), max_size=6),
    edges=st.integers(2, 4),
)
async def test_however_a_client_spreads_what_it_sends_it_gets_the_rate_and_two_bursts_at_most(
    clock: Clock, demands: list[tuple[int, list[int]]], edges: int
) -> None:
    """Over any stretch from the beginning, hopping between edges included."""
    fleet = Fleet(clock, edges)
    await fleet.meet()
    total, begun = 0, clock.passed

    for periods, wanted in demands:
        for _ in range(periods):
            total += sum(await fleet.pass_time(wanted[:edges]))
            elapsed = clock.passed - begun
            assert total <= 2 * RATE.burst + RATE.per_second * elapsed + edges

    await fleet.close()


@pytest.mark.parametrize("wanted", [[40, 0, 0], [40, 40, 40], [40, 2, 0]], ids=str)
async def test_all_of_the_rate_is_let_through_wherever_it_is_wanted(clock: Clock, wanted: list[int]) -> None:
    """Within a tenth, once it has settled; and within a tenth no more."""
    fleet = Fleet(clock, 3)
    await fleet.meet()
    for _ in range(40):
        await fleet.pass_time(wanted)

    passed = [await fleet.pass_time(wanted) for _ in range(40)]

    total = sum(map(sum, passed))
    assert RATE.per_second * 10 * 0.9 <= total <= RATE.per_second * 10 * 1.1
    await fleet.close()


async def test_an_edge_that_dies_leaves_its_share_to_the_others(clock: Clock) -> None:
    fleet = Fleet(clock, 2)
    await fleet.meet()

    clock.passed += 10
    await fleet.sharing[0].settle(clock.time())

    assert fleet.limits[0].edges == 1
    await fleet.close()


async def test_a_redis_that_has_forgotten_everything_costs_one_burst(clock: Clock) -> None:
    fleet = Fleet(clock, 2)
    await fleet.meet()
    for _ in range(40):
        await fleet.pass_time([40, 40])

    await fleet.lines[0].flushall()
    passed = [await fleet.pass_time([40, 40]) for _ in range(40)]

    assert sum(map(sum, passed)) <= RATE.per_second * 10 + 2 * RATE.burst
    await fleet.close()
