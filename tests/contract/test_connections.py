"""What the store of connections promises, on the embedded Redis, the real one and a cluster."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.errors import StoreUnavailable
from gateway.settings import RedisSettings
from gateway.store.connections import BATCH, ConnectionRecord, ConnectionStore
from gateway.store.redis import MAX_CONNECTIONS, Client, Line, connect
from tests.contract.conftest import TIMEOUT_SECONDS, names_of

RECORD = ConnectionRecord("connection-1", "alice", "bank")


@pytest.fixture
def store(redis: Client) -> ConnectionStore:
    """The store on it."""
    return ConnectionStore(redis, TIMEOUT_SECONDS)


async def test_a_saved_connection_is_found_by_its_key(store: ConnectionStore) -> None:
    """RTN15c: the connection key resumes it, on any edge."""
    anonymous = ConnectionRecord("connection-2", None, "bank")

    await store.save_many([("key-1", RECORD), ("key-2", anonymous)], 60)

    assert await store.find("key-1") == RECORD
    assert await store.find("key-2") == anonymous


async def test_an_unknown_key_finds_nothing(store: ConnectionStore) -> None:
    """The client then hears 80008 and gets a new connection."""
    assert await store.find("no such key") is None


async def test_the_key_of_anybody_may_be_asked_for(store: ConnectionStore) -> None:
    """It comes from outside, so it may be any text."""
    for key in ("", "\x00", "\udcff", "ü" * 5000, "*", "lastmile:connection:x"):
        assert await store.find(key) is None


async def test_saving_again_replaces_what_was_saved(store: ConnectionStore) -> None:
    """The last one who had the connection is who it was."""
    await store.save_many([("key-1", RECORD)], 60)
    await store.save_many([("key-1", ConnectionRecord("connection-1", "bob", "bank"))], 60)

    assert await store.find("key-1") == ConnectionRecord("connection-1", "bob", "bank")


async def test_a_connection_is_kept_as_long_as_was_said(store: ConnectionStore, redis: Client) -> None:
    """connectionStateTtl, to the millisecond."""
    await store.save_many([("key-1", RECORD)], 60.5)

    (name,) = await names_of(redis)
    assert 59_000 < await redis.pttl(name) <= 60_500


async def test_a_connection_is_gone_after_that(store: ConnectionStore) -> None:
    """Nobody resumes what expired."""
    await store.save_many([("key-1", RECORD)], 0.05)

    async with asyncio.timeout(5):
        while await store.find("key-1") is not None:
            await asyncio.sleep(0.01)


async def test_a_closed_connection_is_known_as_closed(store: ConnectionStore) -> None:
    """CLOSE ends it for good, and who would resume it hears so (80017)."""
    closed = ConnectionRecord("connection-1", "alice", "bank", "connection-1.word", is_closed=True)
    await store.save_many([("key-1", RECORD)], 60)

    await store.save_many([("key-1", closed)], 60)

    assert await store.find("key-1") == closed


async def test_all_connections_of_a_person_are_erased_and_nobody_else_s(store: ConnectionStore, redis: Client) -> None:
    """On whichever node they are, and beside whatever else lies there."""
    theirs = [(f"key-{n}", ConnectionRecord(f"connection-{n}", "alice", "bank")) for n in range(2 * BATCH)]
    others = [
        ("key-bob", ConnectionRecord("connection-bob", "bob", "bank")),
        ("key-shop", ConnectionRecord("connection-shop", "alice", "shop")),
        ("key-nobody", ConnectionRecord("connection-nobody", None, "bank")),
    ]
    await store.save_many([*theirs, *others], 60)
    await redis.set("lastmile:connection:of-somebody-else", b"\xc1")

    assert await store.erase("bank", "alice") == len(theirs)
    assert await store.erase("bank", "alice") == 0
    assert len(await names_of(redis)) == len(others) + 1


async def test_nothing_to_do_is_no_error(store: ConnectionStore, redis: Client) -> None:
    """Empty batches happen."""
    await store.save_many([], 60)

    assert await names_of(redis) == []


async def test_the_key_itself_is_not_in_redis(store: ConnectionStore, redis: Client) -> None:
    """Who reads Redis resumes nobody's connection."""
    await store.save_many([("the-secret-key", RECORD)], 60)

    (name,) = await names_of(redis)
    assert "the-secret-key" not in f"{name!r} {await redis.get(name)!r}"


async def test_what_is_no_record_is_no_connection(store: ConnectionStore, redis: Client) -> None:
    """A value that somebody else wrote does not end the edge."""
    await store.save_many([("key-1", RECORD)], 60)
    (name,) = await names_of(redis)
    await redis.set(name, b"\xc1 something else")

    assert await store.find("key-1") is None


async def test_thousands_who_come_back_at_once_share_few_round_trips(store: ConnectionStore, redis: Client) -> None:
    """Look-ups are joined, so a wave of reconnects does not open a wave of connections to Redis."""
    count = 3 * BATCH + 7
    await store.save_many([(f"key-{n}", ConnectionRecord(f"connection-{n}", None, "bank")) for n in range(count)], 60)

    found = await asyncio.gather(*[store.find(f"key-{n}") for n in range(count)])

    assert [record and record.connection_id for record in found] == [f"connection-{n}" for n in range(count)]
    assert len(await redis.client_list()) <= MAX_CONNECTIONS


async def test_two_who_ask_for_the_same_key_both_get_it(store: ConnectionStore) -> None:
    """A client may try twice."""
    await store.save_many([("key-1", RECORD)], 60)

    one, other = await asyncio.gather(store.find("key-1"), store.find("key-1"))

    assert one == other == RECORD


async def test_who_gives_up_does_not_spoil_it_for_the_others(store: ConnectionStore) -> None:
    """A cancelled command would leave its answer for the next one to read."""
    await store.save_many([(f"key-{n}", ConnectionRecord(f"connection-{n}", None, "bank")) for n in range(100)], 60)
    for attempt in range(20):
        waiting = [asyncio.create_task(store.find(f"key-{n}")) for n in range(100)]
        for _ in range(attempt % 4):
            await asyncio.sleep(0)

        for task in waiting[::2]:
            task.cancel()
        found = await asyncio.gather(*waiting, return_exceptions=True)

        assert [record.connection_id for record in found[1::2] if isinstance(record, ConnectionRecord)] == [
            f"connection-{n}" for n in range(1, 100, 2)
        ]


# ---------------------------------------------------------------------- when Redis is away


async def test_a_redis_that_refuses_is_said_at_once() -> None:
    """Nobody waits for a port on which nobody listens."""
    redis = connect(RedisSettings(url="redis://127.0.0.1:1/0", timeout_seconds=TIMEOUT_SECONDS))
    store = ConnectionStore(redis, TIMEOUT_SECONDS)
    began = time.monotonic()

    for call in (
        store.find("key-1"),
        store.save_many([("key-1", RECORD)], 60),
        store.erase("bank", "alice"),
    ):
        with pytest.raises(StoreUnavailable):
            await call

    assert time.monotonic() - began < TIMEOUT_SECONDS
    await redis.aclose()


async def test_a_redis_that_does_not_answer_is_given_up_at_the_deadline() -> None:
    """It takes the connection and says nothing: the wait ends all the same, and the command is not cancelled."""
    taken: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    redis = connect(RedisSettings(url=f"redis://127.0.0.1:{port}/0", timeout_seconds=0.2))
    store = ConnectionStore(redis, 0.2)

    for call in (store.find("key-1"), store.save_many([("key-1", RECORD)], 60), Line(redis, 0.2).check()):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await call
        assert time.monotonic() - began < 1.0

    async with asyncio.timeout(5):
        while len(asyncio.all_tasks()) > 1:  # what is still under way ends by its socket's deadline
            await asyncio.sleep(0.01)
    for writer in taken:
        writer.close()
    silent.close()
    await redis.aclose()


async def test_a_redis_that_comes_back_is_used_again(redis_url: str) -> None:
    """A dead connection is replaced without anybody noticing."""
    redis = connect(RedisSettings(url=redis_url, timeout_seconds=TIMEOUT_SECONDS))
    store = ConnectionStore(redis, TIMEOUT_SECONDS)
    await store.save_many([("key-1", RECORD)], 60)

    await redis.client_kill_filter(_type="normal", skipme=False)

    assert await store.find("key-1") == RECORD
    await redis.aclose()
