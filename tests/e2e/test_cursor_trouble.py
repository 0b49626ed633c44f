"""Cursors and connections at the wire when edges are killed in the worst moment, and when Redis is away."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from tests.conftest import Produce, StartEdge
from tests.e2e.replaying import CHANNEL, KEY, NO_HISTORY, numbers, texts
from tests.e2e.test_bad_cursors import RESUMED, data_of, phone_of
from tests.testbed.follower import DETACHED
from tests.testbed.process import wait_until
from tests.testbed.redis import RedisServer

ATTACH_RESUME = 1 << 5
CURSOR = "phone-7"


async def test_who_was_told_attached_has_a_position_though_the_edge_dies_at_once(
    edge: StartEdge, topic: str, produce: Produce
) -> None:
    """
    The first ATTACHED of a new cursor comes when its position is kept: everything after it comes, on another edge.

    It is not called resumed: nobody knows whether the device ever heard that ATTACHED.
    """
    alice = f"alice-{uuid4().hex[:8]}"
    first, second = (edge({"account": {"topic": topic, **NO_HISTORY}}) for _ in range(2))
    async with phone_of(first, alice) as phone:
        told = await phone.attach(CHANNEL, cursor=CURSOR)
        first.kill()
    await asyncio.to_thread(produce, topic, numbers(20))
    await asyncio.to_thread(
        wait_until, lambda: second.metrics()["lastmile_messages_total"] >= 20, "the other edge has read them"
    )

    async with phone_of(second, alice) as phone:
        again = await phone.attach(CHANNEL, cursor=CURSOR)
        got = await data_of(phone, 20)

    assert got == texts(20)
    assert not told["flags"] & RESUMED
    assert not again["flags"] & RESUMED
    assert "error" not in again
    assert again["channelSerial"] == told["channelSerial"]


async def test_a_new_cursor_while_redis_is_silent_is_put_off_and_holds_nobody_up(
    edge: StartEdge, topic: str, produce: Produce, redis_server: RedisServer
) -> None:
    """DETACHED 50003 within Redis' time, so that the SDK comes again; what needs no cursor goes on meanwhile."""
    served = edge({"account": {"topic": topic}}, redis_url=redis_server.url, redis={"timeout_seconds": 0.5})
    async with phone_of(served, "alice") as phone:
        redis_server.freeze()
        put_off = await phone.attach(CHANNEL, cursor=CURSOR)
        plain = await phone.attach("account:2")
        await asyncio.to_thread(produce, topic, [("2", "live")])
        live = await data_of(phone, 1)
        redis_server.thaw()
        taken = await phone.attach(CHANNEL, cursor=CURSOR)
        while taken["action"] == DETACHED:
            taken = await phone.attach(CHANNEL, cursor=CURSOR)
        await asyncio.to_thread(produce, topic, [(KEY, "later")])
        later = await data_of(phone, 1)

    assert (put_off["action"], put_off["channel"], put_off["error"]["code"]) == (DETACHED, CHANNEL, 50003)
    assert plain["channel"] == "account:2"
    assert taken["params"] == {"cursor": CURSOR}
    assert (live, later) == (["live"], ["later"])


async def test_a_plain_connection_goes_on_where_redis_says_after_its_edge_was_killed(
    edge: StartEdge, topic: str, produce: Produce, redis_server: RedisServer
) -> None:
    """A client that keeps only its connection key, and asks by ATTACH_RESUME: at least once, nothing skipped."""
    first, second = (
        edge(
            {"account": {"topic": topic, **NO_HISTORY}},
            redis_url=redis_server.url,
            server={"connection_state_seconds": 20, "confirm_after_seconds": 0.2},
        )
        for _ in range(2)
    )
    async with phone_of(first, "alice") as phone:
        await phone.attach(CHANNEL)
        await asyncio.to_thread(produce, topic, numbers(5))
        got = await data_of(phone, 5)
        known = """EVAL "local n = 0 for _, key in ipairs(redis.call('KEYS', 'lastmile:connection:*')) do """
        known += f"""if string.find(redis.call('GET', key), '{CHANNEL}', 1, true) then n = n + 1 end end return n" 0"""
        await asyncio.to_thread(wait_until, lambda: redis_server.command(known) == ":1", "its place is known")
        await asyncio.to_thread(produce, topic, numbers(5, 5))
        got += await data_of(phone, 5)
        first.kill()
        before = phone.connected
    await asyncio.to_thread(produce, topic, numbers(10, 10))

    async with phone_of(second, "alice", resume=before["connectionDetails"]["connectionKey"]) as phone:
        after = phone.connected
        again = await phone.attach(CHANNEL, flags=ATTACH_RESUME)
        rest = []
        while rest[-1:] != ["19"]:
            rest += await data_of(phone, 1)

    assert (after["connectionId"], after.get("error")) == (before["connectionId"], None)
    assert again["flags"] & RESUMED
    assert got == texts(10)
    assert rest == texts(20)[-len(rest) :]
    assert len(rest) >= 10
