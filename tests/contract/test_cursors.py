"""What the store of cursors promises, on the embedded Redis, the real one and a cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.core.look_ups import Kept
from gateway.core.serial import Front, Serial
from gateway.errors import BadParameter, StoreUnavailable, TooManyCursors
from gateway.settings import CursorSettings, RedisSettings
from gateway.store.cursors import CursorPlace, CursorStore
from gateway.store.redis import Client, connect
from tests.contract.conftest import TIMEOUT_SECONDS, names_of

LIFE, NEXT_LIFE = "k7f2m0qa", "m3x9c1zz"
ALICE = CursorPlace("bank", "alice", "phone-7", "account:1")


def at(offset: int, life: str = LIFE, partition: int = 3) -> str:
    """The serial of a message."""
    return str(Serial(life, partition, offset))


def front(*next_offsets: int, life: str = LIFE) -> str:
    """The position of somebody on a channel that has not spoken."""
    return str(Front(life, next_offsets))


def place(**of: str) -> CursorPlace:
    """ALICE's place but for what is named."""
    return ALICE._replace(**of)


def store_on(redis: Client, **settings: float) -> CursorStore:
    """A store with bounds of its own."""
    return CursorStore(redis, TIMEOUT_SECONDS, CursorSettings.model_validate(settings))


@pytest.fixture
def store(redis: Client) -> CursorStore:
    """The store with the usual bounds."""
    return store_on(redis)


async def look_up(store: CursorStore, places: Sequence[CursorPlace], owner: str) -> list[str | TooManyCursors | None]:
    """What is kept at places where nothing begins if there is none; become their owner."""
    found = await store.find_many([(each, "") for each in places], owner)
    return [each.serial if isinstance(each, Kept) else each for each in found]


async def kept(store: CursorStore, of: CursorPlace = ALICE) -> str | None:
    """What is kept at a place, without becoming its owner."""
    entries = await store.of_client(of.app_id, of.client_id)
    return next((entry.serial for entry in entries if entry[:2] == of[2:]), None)


# ---------------------------------------------------------------------- keeping


async def test_a_position_is_found_by_whoever_comes_next(store: CursorStore) -> None:
    """An app that was killed and kept nothing goes on where its device was."""
    assert await look_up(store, [ALICE], "owner-1") == [None]
    await store.save_many([(ALICE, at(17))], "owner-1")

    assert await look_up(store, [ALICE], "owner-2") == [at(17)]


async def test_answers_come_in_the_order_of_the_questions(store: CursorStore) -> None:
    """However they are put together on the way: of several clients, cursors and channels, and one of them twice."""
    places = [
        place(client_id=client, cursor=cursor, channel=channel)
        for channel in ("b", "a")
        for client in ("bob", "alice")
        for cursor in ("tablet", "phone")
    ]
    await look_up(store, places, "owner")
    await store.save_many([(each, at(number)) for number, each in enumerate(places)], "owner")

    assert await look_up(store, [*places[::-1], places[0]], "owner") == [at(n) for n in range(7, -1, -1)] + [at(0)]


@pytest.mark.parametrize(
    "other", [{"app_id": "shop"}, {"client_id": "bob"}, {"cursor": "phone-8"}, {"channel": "account:2"}]
)
async def test_nobody_reads_or_moves_what_is_kept_of_another(store: CursorStore, other: dict[str, str]) -> None:
    """Another app, person, device or channel: another position."""
    await look_up(store, [ALICE], "owner")
    await store.save_many([(ALICE, at(17))], "owner")

    assert await look_up(store, [place(**other)], "owner") == [None]
    await store.save_many([(place(**other), at(99))], "owner")

    assert await kept(store) == at(17)


async def test_what_looks_like_another_place_is_none(store: CursorStore) -> None:
    """Names come from outside: whatever separates them in Redis may be in them too."""
    places = [
        CursorPlace(app, client, "c", channel)
        for app, client in [
            ("a", "b:at:c"),
            ("a", "b"),
            ("a:b", ""),
            ("", "a:b"),
            ("a", "b\x00c"),
            ("a", "*"),
            ("a", "ü{x}"),
        ]
        for channel in ["d", "d e", "d\x00e", "ü" * 1000, "{x}"]
    ]
    for number, each in enumerate(places):
        await store.save_many([(each, at(number))], "owner")

    assert await look_up(store, places, "owner") == [at(number) for number in range(len(places))]


async def test_a_call_that_is_cut_in_pieces_answers_all_the_same(store: CursorStore) -> None:
    """More places than one run of the script takes, a cursor over the cut among them, and two of the same."""
    places = [
        place(client_id=f"client {number % 7}", cursor=f"c-{number % 3}", channel=str(number)) for number in range(1000)
    ]
    await store.save_many([(each, at(number)) for number, each in enumerate(places)], "owner")

    assert await look_up(store, [*places, places[500]], "another") == [at(n) for n in range(1000)] + [at(500)]


# ---------------------------------------------------------------------- beginnings


async def test_what_is_not_there_begins_in_the_same_step(store: CursorStore) -> None:
    """Before its device is told ATTACHED: who comes next finds it, and that it only began; operators see no position yet."""
    assert await store.find_many([(ALICE, at(17))], "owner-1") == [None]

    assert await store.find_many([(ALICE, at(30))], "owner-2") == [Kept(at(17), is_begun=True)]
    assert await store.find_many([(ALICE, "")], "owner-2") == [Kept(at(17), is_begun=True)]
    assert await kept(store) is None
    assert len(await store.of_client("bank", "alice")) == 1


async def test_what_begins_nowhere_may_begin_later(store: CursorStore) -> None:
    assert await store.find_many([(ALICE, "")], "owner") == [None]
    assert await store.find_many([(ALICE, at(17))], "owner") == [None]

    assert await store.find_many([(ALICE, at(30))], "owner") == [Kept(at(17), is_begun=True)]


async def test_what_is_there_does_not_begin_anew(store: CursorStore) -> None:
    await store.save_many([(ALICE, at(17))], "owner")

    assert await store.find_many([(ALICE, at(30))], "owner") == [Kept(at(17))]
    assert await kept(store) == at(17)


@pytest.mark.parametrize("saved", [at(17), at(18)], ids=["the same", "later"])
async def test_what_is_saved_has_been_heard(store: CursorStore, saved: str) -> None:
    await store.find_many([(ALICE, at(17))], "owner")

    await store.save_many([(ALICE, saved)], "owner")

    assert await store.find_many([(ALICE, "")], "owner") == [Kept(saved)]


async def test_what_was_confirmed_before_a_loss_says_nothing_of_the_beginning_after_it(store: CursorStore) -> None:
    """
    Redis came back empty, the device came back and began anew; and then its edge saves what Redis had not taken before.

    The device may never have heard that it began anew, so who comes next must be told; and it does not stand before that.
    """
    await store.find_many([(ALICE, at(17))], "owner")

    await store.save_many([(ALICE, at(16))], "owner")

    assert await store.find_many([(ALICE, "")], "owner") == [Kept(at(17), is_begun=True)]
    await store.save_many([(ALICE, at(17))], "owner")
    assert await store.find_many([(ALICE, "")], "owner") == [Kept(at(17))]


async def test_only_the_owner_hears(store: CursorStore) -> None:
    await store.find_many([(ALICE, at(17))], "owner-1")
    await store.find_many([(ALICE, at(30))], "owner-2")

    await store.save_many([(ALICE, at(99))], "owner-1")

    assert await store.find_many([(ALICE, "")], "owner-2") == [Kept(at(17), is_begun=True)]


# ---------------------------------------------------------------------- ownership


async def test_who_came_last_owns_it(store: CursorStore) -> None:
    """An edge that does not know yet that a device has come back elsewhere moves nothing under it."""
    await look_up(store, [ALICE], "owner-1")
    await store.save_many([(ALICE, at(17))], "owner-1")
    await look_up(store, [ALICE], "owner-2")

    await store.save_many([(ALICE, at(99))], "owner-1")
    assert await kept(store) == at(17)

    await store.save_many([(ALICE, at(18))], "owner-2")
    assert await kept(store) == at(18)


async def test_one_that_was_lost_belongs_to_whoever_saves_next(store: CursorStore, redis: Client) -> None:
    """Redis was emptied under devices that are attached: what they confirm is kept anew."""
    await look_up(store, [ALICE], "owner-1")
    await store.save_many([(ALICE, at(17))], "owner-1")
    await redis.flushdb()

    await store.save_many([(ALICE, at(18))], "owner-1")

    assert await look_up(store, [ALICE], "owner-2") == [at(18)]
    assert (await store.clients("bank", "", 10)).clients == ["alice"]


# ---------------------------------------------------------------------- never back


@pytest.mark.parametrize(
    ("before", "after", "is_taken"),
    [
        (at(17), at(18), True),
        (at(17), at(17), True),
        (at(17), at(16), False),
        (at(9), at(10), True),
        (at(10**15), at(10**15 - 1), False),
        (at(17), at(3, NEXT_LIFE), True),  # lives have no order: the topic was recreated, or partitions were added
        (at(17), at(3, partition=2), True),  # its messages lie in several: nothing is promised of their order
        (front(4, 9, 0, 18), at(18), True),  # it has spoken
        (front(4, 9, 0, 18), at(17), True),
        (front(4, 9, 0, 18), at(16), False),
        (at(17), front(0, 0, 0, 18), True),  # an edge that has not heard of it knows that it said no more
        (at(17), front(9, 9, 9, 17), False),
        (front(300, 9, 70000, 18), front(300, 9, 70001, 18), True),
        (front(300, 9, 70000, 18), front(300, 9, 70000, 18), True),
        (front(300, 9, 70000, 18), front(300, 9, 69999, 19), False),
        (front(300, 9, 70000, 18), front(299, 9, 70000, 18), False),
        (front(1, 2), front(0, 0, life=NEXT_LIFE), True),
    ],
)
async def test_a_position_never_goes_back(store: CursorStore, before: str, after: str, is_taken: bool) -> None:
    """In whatever order edges and connections to Redis bring them."""
    await store.save_many([(ALICE, before)], "owner")
    await store.save_many([(ALICE, after)], "owner")

    assert await kept(store) == (after if is_taken else before)


@given(st.lists(st.tuples(*[st.integers(0, 10**15)] * 3) | st.integers(0, 10**15), min_size=2, max_size=8))
def test_whatever_comes_nothing_is_skipped_and_nothing_taken_back(
    redis_url: str, positions: Sequence[tuple[int, ...] | int]
) -> None:
    """What is kept in the end is one of the positions that were saved, and none that it replaced was beyond it."""
    serials = [at(each, partition=1) if isinstance(each, int) else front(*each) for each in positions]
    reached = [each + 1 if isinstance(each, int) else each[1] for each in positions]

    async def run() -> list[str | None]:
        redis = connect(RedisSettings(url=redis_url, timeout_seconds=TIMEOUT_SECONDS))
        await redis.flushdb()
        store = store_on(redis)
        seen = []
        for serial in serials:
            await store.save_many([(ALICE, serial)], "owner")
            seen.append(await kept(store))
        await redis.aclose()
        return seen

    history = [reached[serials.index(serial or "")] for serial in asyncio.run(run())]
    assert history == sorted(history)


# ---------------------------------------------------------------------- bounds


async def test_a_client_has_so_many_cursors_and_no_more(redis: Client) -> None:
    """One more is refused; those that are there go on, and so do other clients."""
    store = store_on(redis, per_client=2)
    one, two, three = (place(cursor=name) for name in ("one", "two", "three"))

    found = await look_up(store, [one, two, three, place(client_id="bob")], "owner")
    await store.save_many([(three, at(17)), (two, at(18))], "owner")

    assert [type(answer) for answer in found] == [type(None), type(None), TooManyCursors, type(None)]
    assert await look_up(store, [one, two], "owner") == [None, at(18)]
    assert await kept(store, three) is None


async def test_a_cursor_has_so_many_channels_and_no_more(redis: Client) -> None:
    """And room again for another one when one was removed."""
    store = store_on(redis, channels_per_cursor=2)
    one, two, three = (place(channel=name) for name in ("one", "two", "three"))

    found = await look_up(store, [one, two, three], "owner")
    await store.save_many([(three, at(17)), (two, at(18))], "owner")
    assert [type(answer) for answer in found] == [type(None), type(None), TooManyCursors]
    assert "channels" in str(found[2])
    assert await look_up(store, [two, one], "owner") == [at(18), None]

    await store.remove("bank", "alice", ALICE.cursor, "one")
    assert await look_up(store, [three], "owner") == [None]


async def test_old_cursors_make_room(redis: Client) -> None:
    """Who changes phones is not refused for ever."""
    store = store_on(redis, per_client=1, ttl_seconds=1)
    await look_up(store, [place(cursor="old")], "owner")

    async with asyncio.timeout(20):
        while isinstance((await look_up(store, [place(cursor="new")], "owner"))[0], TooManyCursors):
            await asyncio.sleep(0.05)

    assert [entry.cursor for entry in await store.of_client("bank", "alice")] == ["new"]


async def test_old_channels_make_room_and_their_positions_are_none(redis: Client) -> None:
    """The device is there, and nothing was heard of one of its channels for too long."""
    store = store_on(redis, channels_per_cursor=2, ttl_seconds=1)
    old, busy, new = (place(channel=name) for name in ("old", "busy", "new"))
    await store.save_many([(old, at(1)), (busy, at(2))], "owner")

    async with asyncio.timeout(20):
        while isinstance((await look_up(store, [new], "owner"))[0], TooManyCursors):
            await redis.delete(*[name for name in await names_of(redis) if name.endswith(b":swept")] or [b"none"])
            await store.save_many([(busy, at(2))], "owner")
            await asyncio.sleep(0.05)

    assert await kept(store, old) is None
    assert await kept(store, busy) == at(2)


async def test_everything_ends_when_nothing_is_heard(redis: Client) -> None:
    """Nothing of anybody stays for ever: each key has its end, which writes move."""
    store = store_on(redis, ttl_seconds=600)
    await store.save_many([(ALICE, at(17))], "owner")
    names = await names_of(redis)

    assert len(names) == 3
    assert all([600_000 < await redis.pttl(name) <= 610_000 for name in names])


# ---------------------------------------------------------------------- operators


async def test_a_client_is_listed_with_all_its_positions(store: CursorStore) -> None:
    """By cursor and channel, with when they were written."""
    places = [place(cursor=cursor, channel=channel) for cursor in ("phone", "tablet") for channel in ("a", "b")]
    await look_up(store, [places[3]], "owner")
    await store.save_many([(each, at(17)) for each in places[:3]], "owner")

    entries = await store.of_client("bank", "alice")

    assert [entry[:3] for entry in entries] == [
        ("phone", "a", at(17)),
        ("phone", "b", at(17)),
        ("tablet", "a", at(17)),
        ("tablet", "b", None),
    ]
    assert all(abs(entry.updated_at_ms / 1000 - time.time()) < 600 for entry in entries)
    assert await store.of_client("bank", "nobody") == []


async def test_all_clients_of_an_app_are_listed_in_pages(store: CursorStore, redis: Client) -> None:
    """Whatever else lies in Redis, and on whichever node."""
    clients = {f"client {number}" for number in range(50)} | {"*", "ü", "a:b"}
    await asyncio.gather(*[look_up(store, [place(client_id=client)], "owner") for client in clients])
    await look_up(store, [place(app_id="shop", client_id="another")], "owner")
    for number in range(100):
        await redis.set(f"lastmile:connection:{number}", "x")

    found, after = set[str](), ""
    while True:
        page = await store.clients("bank", after, 10)
        found |= set(page.clients)
        if page.after is None:
            break
        after = page.after

    assert found == clients


@pytest.mark.parametrize("after", ["x", "1", "1.2.3", "-1.0", "0.x", "99999.0", "0.1" + "0" * 30])
async def test_a_page_that_cannot_be_is_refused(store: CursorStore, after: str) -> None:
    """It comes from outside."""
    with pytest.raises(BadParameter):
        await store.clients("bank", after, 10)


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        ({}, []),
        ({"cursor": "phone"}, [("tablet", "a"), ("tablet", "b")]),
        ({"cursor": "phone", "channel": "a"}, [("phone", "b"), ("tablet", "a"), ("tablet", "b")]),
        ({"channel": "a"}, [("phone", "b"), ("tablet", "b")]),
        ({"cursor": "no such"}, [("phone", "a"), ("phone", "b"), ("tablet", "a"), ("tablet", "b")]),
    ],
)
async def test_positions_are_removed_by_cursor_channel_or_all(
    store: CursorStore, redis: Client, chosen: dict[str, str], left: list[tuple[str, str]]
) -> None:
    """Of this client, and of no other; when nothing is left nothing tells that there ever was anything."""
    places = [place(cursor=cursor, channel=channel) for cursor in ("phone", "tablet") for channel in ("a", "b")]
    await store.save_many([(each, at(17)) for each in places], "owner")
    await store.save_many([(place(client_id="bob"), at(17))], "owner")
    keys_of_bob = 3

    removed = await store.remove("bank", "alice", **chosen)

    assert removed == 4 - len(left)
    assert [entry[:2] for entry in await store.of_client("bank", "alice")] == left
    assert len(await store.of_client("bank", "bob")) == 1
    assert left or len(await names_of(redis)) == keys_of_bob


# ---------------------------------------------------------------------- Redis


async def test_a_client_id_is_in_no_key(store: CursorStore, redis: Client) -> None:
    """Keys are shown in logs and by tools (SLOWLOG, MONITOR, --bigkeys); people's names are in values only."""
    await store.save_many([(ALICE, at(17))], "owner")

    assert b"alice" not in b" ".join(await names_of(redis))


async def test_what_many_ask_within_a_turn_goes_together(store: CursorStore, redis: Client) -> None:
    """Thousands of devices that come back at once, or confirm at once, take few round trips."""
    places = [place(client_id=f"client {number}") for number in range(2000)]
    await asyncio.gather(*[store.save_many([(each, at(n))], f"owner-{n}") for n, each in enumerate(places)])

    found = await asyncio.gather(*[look_up(store, [each], "another") for each in places])

    assert [answer for (answer,) in found] == [at(n) for n in range(2000)]


@pytest.mark.parametrize(
    ("places", "commands"),
    [
        ([place(channel=f"account:{number}") for number in range(100)], 4),
        ([place(client_id=f"client {number}") for number in range(100)], 202),
    ],
    ids=["of one cursor", "of many clients"],
)
async def test_many_positions_are_few_commands(redis_url: str, places: Sequence[CursorPlace], commands: int) -> None:
    """A phone on a hundred channels; a hundred phones: one script, its clock, and two commands for each cursor."""
    redis = connect(RedisSettings(url=redis_url, timeout_seconds=TIMEOUT_SECONDS))
    assert isinstance(redis, Redis)
    await redis.flushdb()
    store = store_on(redis)
    await store.save_many([(each, at(17)) for each in places], "owner")
    before = await commands_of(redis)

    await store.save_many([(each, at(18)) for each in places], "owner")

    assert await commands_of(redis) - before == commands
    await redis.aclose()


async def commands_of(redis: Redis) -> int:
    """How many Redis has run, those in scripts included, without INFO itself."""
    stats = await redis.info("commandstats")
    return sum(of["calls"] for name, of in stats.items() if name != "cmdstat_info")


async def test_after_each_save_all_keys_have_the_time_that_is_promised(redis: Client) -> None:
    """Though not every save gives it to each of them: over more than the span for which one does."""
    ttl_ms, span_seconds = 10_000, 10 / 64
    store = store_on(redis, ttl_seconds=ttl_ms / 1000)
    began_at = time.monotonic()

    while time.monotonic() - began_at < 3 * span_seconds:
        before = time.monotonic()
        await store.save_many([(ALICE, at(17))], "owner")
        left_ms = [await redis.pttl(name) for name in await names_of(redis)]
        since_ms = (time.monotonic() - before) * 1000

        assert len(left_ms) == 3
        assert min(left_ms) + since_ms + 2 >= ttl_ms


async def test_a_redis_that_is_away_is_said_at_once() -> None:
    """The client hears DETACHED and attaches again."""
    redis = connect(RedisSettings(url="redis://127.0.0.1:1/0", timeout_seconds=TIMEOUT_SECONDS))
    store = store_on(redis)

    for call in (
        look_up(store, [ALICE], "owner"),
        store.save_many([(ALICE, at(17))], "owner"),
        store.of_client("bank", "alice"),
        store.clients("bank", "", 10),
        store.remove("bank", "alice"),
    ):
        with pytest.raises(StoreUnavailable):
            await call
    await redis.aclose()


async def test_a_redis_that_does_not_answer_is_given_up_at_the_deadline() -> None:
    """Also by those who wait behind others."""
    taken: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    redis = connect(RedisSettings(url=f"redis://127.0.0.1:{port}/0", timeout_seconds=0.2))
    store = CursorStore(redis, 0.2, CursorSettings())

    refused = await asyncio.gather(
        *[look_up(store, [place(client_id=f"{n}")], "owner") for n in range(2000)], return_exceptions=True
    )

    assert {type(error) for error in refused} == {StoreUnavailable}
    async with asyncio.timeout(20):
        while len(asyncio.all_tasks()) > 1:  # what is still under way ends by its socket's deadline
            await asyncio.sleep(0.01)
    for writer in taken:
        writer.close()
    silent.close()
    await redis.aclose()
