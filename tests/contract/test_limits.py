"""What the store of limits promises, on the embedded Redis, on the real one and on a cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from gateway.core.limits import Rate
from gateway.core.shared_limits import MAX_ASKED, Ask, SharedLimits
from gateway.errors import StoreUnavailable
from gateway.settings import RedisSettings
from gateway.sharing import SETTLE_EVERY_SECONDS, Sharing
from gateway.store.limits import EDGES, PREFIX, LimitStore
from gateway.store.redis import Client, connect, disconnect
from tests.contract.conftest import TIMEOUT_SECONDS, names_of

SLOW = Rate(0.001, 20.0)  # what a test takes does not come back within it
NewStore = Callable[[], LimitStore]


@pytest.fixture
async def new_store(redis: Client, any_redis_url: str) -> AsyncIterator[NewStore]:
    """Stores of edges of their own, on an empty Redis."""
    async with AsyncExitStack() as open_stores:

        def new() -> LimitStore:
            line = connect(RedisSettings(url=any_redis_url, timeout_seconds=TIMEOUT_SECONDS))
            open_stores.push_async_callback(disconnect, line)
            store = LimitStore(line, TIMEOUT_SECONDS, lease_seconds=60.0)
            open_stores.push_async_callback(store.close)
            return store

        yield new


def ask(key: str, used: float, wanted: float, rate: Rate = SLOW) -> Ask:
    return Ask(key, rate, used, wanted)


async def test_edges_are_counted_while_they_are_there(new_store: NewStore) -> None:
    first, second = new_store(), new_store()

    assert (await first.settle([]))[0] == 1
    assert (await second.settle([]))[0] == 2
    assert (await first.settle([]))[0] == 2
    await first.leave()
    assert (await second.settle([]))[0] == 1


async def test_what_is_left_is_given_once(new_store: NewStore) -> None:
    """Whoever used and whoever asks: a burst in all."""
    first, second = new_store(), new_store()

    _, given = await first.settle([ask("app:bank", used=8, wanted=7), ask("app:shop", used=0, wanted=1)])
    _, then = await second.settle([ask("app:bank", used=3, wanted=9)])
    _, last = await first.settle([ask("app:bank", used=0, wanted=1)])

    assert given == [7, 1]
    assert then == [pytest.approx(2, abs=0.1)]
    assert last == [pytest.approx(0, abs=0.1)]


async def test_what_was_not_used_comes_back_for_the_others(new_store: NewStore) -> None:
    first, second = new_store(), new_store()
    await first.settle([ask("app:bank", used=0, wanted=20)])

    await first.settle([ask("app:bank", used=-12, wanted=0)])

    assert (await second.settle([ask("app:bank", used=0, wanted=20)]))[1] == [pytest.approx(12, abs=0.1)]


async def test_more_than_there_was_is_owed_but_not_for_ever(new_store: NewStore) -> None:
    """Not more than a burst: an outage of which nobody told must not silence a client for longer."""
    store = new_store()
    await store.settle([ask("app:bank", used=10_000, wanted=0)])

    await store.settle([ask("app:bank", used=-25, wanted=0)])

    assert (await store.settle([ask("app:bank", used=0, wanted=20)]))[1] == [pytest.approx(5, abs=0.1)]


async def test_keys_end_by_themselves_and_name_nobody(new_store: NewStore, redis: Client) -> None:
    """A client's name is personal data, and what is full again need not be kept."""
    rate = Rate(10.0, 20.0)
    await new_store().settle([ask("client:bank:ada@bank.example", used=5, wanted=0, rate=rate)])

    names = await names_of(redis)
    (name,) = [name for name in names if name.startswith(PREFIX.encode())]
    assert all(b"ada" not in one for one in names)
    assert 0 < await redis.pttl(name) <= 1600
    assert await redis.pttl(EDGES) > 0


async def test_many_keys_are_settled_in_a_bounded_number_of_commands(new_store: NewStore, redis: Client) -> None:
    """Whatever the load: one run of a script a shard, and the right answer for each key."""
    store = new_store()
    asks = [ask(f"channel:account:{number}", used=number % 7, wanted=20) for number in range(MAX_ASKED)]

    _, given = await store.settle(asks)

    assert given == [pytest.approx(20 - number % 7, abs=0.1) for number in range(MAX_ASKED)]
    assert len(await names_of(redis)) == MAX_ASKED + 1


async def test_edges_together_keep_to_the_rate(new_store: NewStore) -> None:
    """Three edges, each asked for far more than all may: the rate, and the bursts of the beginning, and no more."""
    rate = Rate(400.0, 200.0)
    edges = [(limits := SharedLimits(), Sharing(limits, new_store())) for _ in range(3)]
    for _ in range(2):  # so that each knows of all
        for _, sharing in edges:
            await sharing.settle(time.time())
    passed = [0, 0, 0]
    begun = time.time()

    while sum(passed) < 1200:
        for number, (limits, sharing) in enumerate(edges):
            for _ in range(300):
                use = limits.use_of("app:bank", rate, time.time())
                if limits.has(use, 1, time.time()):
                    limits.spend(use, 1)
                    passed[number] += 1
            await sharing.settle(time.time())
        await asyncio.sleep(SETTLE_EVERY_SECONDS / 5)

    assert sum(passed) <= 2 * rate.burst + rate.per_second * (time.time() - begun) + 3 * 300
    assert min(passed) >= 1200 / 3 / 4


async def test_one_of_three_gets_what_the_others_leave(new_store: NewStore) -> None:
    """A client is on one edge, mostly: an even share of its rate would be too little for it there."""
    rate = Rate(1.0, 90.0)
    limits = SharedLimits()
    sharing, others = Sharing(limits, new_store()), [new_store(), new_store()]
    for other in others:
        await other.settle([])
    await sharing.settle(time.time())
    passed = 0

    async with asyncio.timeout(TIMEOUT_SECONDS * 4):
        while passed < 85:
            use = limits.use_of("client:bank:ada", rate, time.time())
            if limits.has(use, 1, time.time()):
                limits.spend(use, 1)
                passed += 1
            else:
                await sharing.settle(time.time())

    assert limits.edges == 3


async def test_a_batch_larger_than_the_even_share_passes_at_the_next_attempt(new_store: NewStore) -> None:
    rate = Rate(1.0, 90.0)
    limits = SharedLimits()
    sharing = Sharing(limits, new_store())
    await new_store().settle([])
    await sharing.settle(time.time())
    use = limits.use_of("client:bank:ada", rate, time.time())
    assert not limits.has(use, 80, time.time())

    await sharing.settle(time.time())

    assert limits.has(use, 80, time.time())


async def test_without_redis_each_edge_has_the_whole_rate() -> None:
    limits = SharedLimits()
    limits.set_edges(3)
    redis = connect(RedisSettings(url="redis://127.0.0.1:1/0", timeout_seconds=1.0))
    away = LimitStore(redis, 1.0, 60.0)
    sharing = Sharing(limits, away)
    sharing.edges = 3

    await sharing.settle(time.time())

    use = limits.use_of("client:bank:ada", SLOW, time.time())
    assert limits.has(use, 20, time.time())
    assert sharing.edges == 0
    with pytest.raises(StoreUnavailable):
        await away.settle([])
    await away.close()
    await disconnect(redis)
