"""What the history promises, on the embedded Redis, the real one and a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from redis.asyncio import RedisCluster

from gateway.core.message import Message
from gateway.core.retention import Retention
from gateway.core.routing import Router
from gateway.errors import HistoryUnproven, StoreUnavailable
from gateway.settings import Namespace, RedisSettings
from gateway.store.history import HistoryStore
from gateway.store.history_keys import HistoryPlace
from gateway.store.history_writer import Chapter, HistoryWriter, Step
from gateway.store.redis import MAX_CONNECTIONS, Client, connect
from tests.contract.conftest import TIMEOUT_SECONDS, names_of

PLACE = HistoryPlace("edge.accounts", 0, "aaaaaaaa")
LEASE_SECONDS = 30.0


def retention_of(**settings: Any) -> Retention:
    """The rules of one namespace, `account`."""
    namespaces = {"account": Namespace(topic=PLACE.topic, **settings)}
    return Retention(namespaces, Router(namespaces))


RETENTION = retention_of(history_messages=5)


@pytest.fixture
def store(redis: Client) -> HistoryStore:
    """Reads."""
    return HistoryStore(redis, TIMEOUT_SECONDS, RETENTION)


@pytest.fixture
def writer(redis: Client) -> HistoryWriter:
    """Writes."""
    return HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)


def message(text: str) -> Message:
    return Message(id=text, timestamp=1, data=text)


def step(first: int, end: int, channels: Sequence[str] = ("account:1",), place: HistoryPlace = PLACE) -> Step:
    """Messages at all offsets from *first* to before *end*, for the channels in turn."""
    chapters = []
    for offset in range(first, end):
        channel = channels[offset % len(channels)]
        keep = RETENTION.keep_of_channel(channel)
        assert keep is not None
        chapters.append(Chapter(offset, channel, message(f"{channel} {offset}"), keep))
    return Step(place, first, end, chapters)


async def begin(writer: HistoryWriter, floor: int = 0, place: HistoryPlace = PLACE) -> None:
    """Become the writer of a new history."""
    assert await writer.take(place) == (True, None)
    assert (await writer.begin(place, floor, expected=None)).kind == "written"


async def write(writer: HistoryWriter, *steps: Step) -> list[str]:
    return [answer.kind for answer in await writer.write(steps)]


async def reason_of(store: HistoryStore, after: int, channel: str = "account:1", place: HistoryPlace = PLACE) -> str:
    """Why a history proves nothing from an offset on."""
    with pytest.raises(HistoryUnproven) as refused:
        await store.read(place, channel, after, 100)
    return refused.value.reason


async def offsets(store: HistoryStore, after: int, channel: str = "account:1", limit: int = 100) -> list[int]:
    return [entry.offset for entry in (await store.read(PLACE, channel, after, limit)).entries]


# ---------------------------------------------------------------------- reading


async def test_what_was_written_is_read_to_the_letter(store: HistoryStore, writer: HistoryWriter) -> None:
    """All that a message has, text and bytes apart; except the serial, which is its place."""
    whole = Message(
        id="an id of the producer's",
        timestamp=1_790_000_000_123,
        name="Überweisung",
        data=b"\x00\xff\xfe",
        encoding="cipher+aes-256-cbc",
        client_id="alice",
        connection_id="c1",
        extras={"headers": {"trace": "1"}, "kafka": {"offset": 0}, "n": [1, 2.5, None, True]},
    )
    keep = RETENTION.keep_of("account")
    assert keep is not None
    await begin(writer)

    texts = [
        whole,
        Message(id="", timestamp=0),
        Message(id="t", timestamp=-1, data=""),
        Message(id="u", timestamp=5, data="\u0000ü"),
    ]
    await write(writer, Step(PLACE, 0, 4, [Chapter(at, "account:1", text, keep) for at, text in enumerate(texts)]))

    page = await store.read(PLACE, "account:1", -1, 10)
    assert [entry.message for entry in page.entries] == texts
    assert [entry.offset for entry in page.entries] == [0, 1, 2, 3]


async def test_a_page_says_up_to_where_it_is_whole(store: HistoryStore, writer: HistoryWriter) -> None:
    """Up to its last entry when more remain, up to where the history goes when not."""
    await begin(writer)
    await write(writer, step(0, 5), Step(PLACE, 5, 90, []))

    first = await store.read(PLACE, "account:1", -1, 2)
    second = await store.read(PLACE, "account:1", first.next_offset - 1, 3)

    assert ([entry.offset for entry in first.entries], first.next_offset, first.is_whole) == ([0, 1], 2, False)
    assert ([entry.offset for entry in second.entries], second.next_offset, second.is_whole) == ([2, 3, 4], 90, True)


async def test_a_quiet_channel_is_proven_quiet(store: HistoryStore, writer: HistoryWriter) -> None:
    """No stream, in a history without a gap: nothing came."""
    await begin(writer)
    await write(writer, step(0, 5))

    page = await store.read(PLACE, "account:2", 1, 10)

    assert (page.entries, page.next_offset, page.is_whole) == ([], 5, True)


async def test_a_history_says_between_which_offsets_it_is_whole(store: HistoryStore, writer: HistoryWriter) -> None:
    """For channels that have no stream in it: they got nothing there."""
    await begin(writer, floor=3)
    await write(writer, step(3, 8))

    assert await store.span(PLACE, "account:2") == (3, 8)
    assert await store.find(PLACE.topic, PLACE.generation, 2, "account:2") == []


async def test_a_history_that_is_not_there_has_no_span(store: HistoryStore) -> None:
    with pytest.raises(HistoryUnproven) as refused:
        await store.span(PLACE, "account:1")

    assert refused.value.reason == "missing"


async def test_a_reader_who_is_ahead_is_told_nothing_wrong(store: HistoryStore, writer: HistoryWriter) -> None:
    """The historian is behind the tail: what is read never goes back."""
    await begin(writer)
    await write(writer, step(0, 5))

    page = await store.read(PLACE, "account:1", 70, 10)

    assert (page.entries, page.next_offset) == ([], 71)


async def test_long_messages_come_in_short_pages(store: HistoryStore, writer: HistoryWriter) -> None:
    """One at least, however long it is."""
    keep = RETENTION.keep_of("account")
    assert keep is not None
    await begin(writer)
    long = [Chapter(at, "account:1", Message(id=str(at), timestamp=1, data="x" * 200_000), keep) for at in range(4)]
    await write(writer, Step(PLACE, 0, 4, long))

    page = await store.read(PLACE, "account:1", -1, 100)

    assert ([entry.offset for entry in page.entries], page.next_offset, page.is_whole) == ([0, 1], 2, False)


async def test_many_who_read_at_once_share_few_round_trips(
    store: HistoryStore, writer: HistoryWriter, redis: Client
) -> None:
    """Thousands come back together; each gets its own."""
    channels = [f"account:{number}" for number in range(200)]
    await begin(writer)
    await write(writer, step(0, 1000, channels))

    pages = await asyncio.gather(*[store.read(PLACE, channel, -1, 10) for channel in channels])

    assert [[entry.offset for entry in page.entries] for page in pages] == [
        list(range(number, 1000, 200)) for number in range(200)
    ]
    assert len(await redis.client_list()) <= MAX_CONNECTIONS


async def test_who_gives_up_does_not_spoil_it_for_the_others(store: HistoryStore, writer: HistoryWriter) -> None:
    """A command that was cancelled would leave its answer for the next one to read."""
    channels = [f"account:{number}" for number in range(50)]
    await begin(writer)
    await write(writer, step(0, 50, channels))
    for attempt in range(12):
        waiting = [asyncio.create_task(store.read(PLACE, channel, -1, 10)) for channel in channels]
        for _ in range(attempt % 4):
            await asyncio.sleep(0)

        for task in waiting[::2]:
            task.cancel()
        pages = await asyncio.gather(*waiting, return_exceptions=True)

        assert [page.entries[0].offset for page in pages[1::2] if not isinstance(page, BaseException)] == list(
            range(1, 50, 2)
        )


# ---------------------------------------------------------------------- what proves nothing


async def test_where_there_is_no_history_nothing_is_proven(store: HistoryStore) -> None:
    """Not written yet, or Redis forgot it."""
    assert await reason_of(store, -1) == "missing"


async def test_what_was_before_a_history_is_not_proven(store: HistoryStore, writer: HistoryWriter) -> None:
    """It begins somewhere; who has everything before that is served."""
    await begin(writer, floor=100)
    await write(writer, step(100, 103))

    assert await reason_of(store, 98) == "young"
    assert await offsets(store, 99) == [100, 101, 102]


async def test_what_was_trimmed_is_not_proven_missing(store: HistoryStore, writer: HistoryWriter) -> None:
    """Of nine messages the newest five are kept; who has the four before them lacks nothing."""
    await begin(writer)
    await write(writer, step(0, 9))

    assert await reason_of(store, 2) == "trimmed"
    assert await offsets(store, 3) == [4, 5, 6, 7, 8]
    assert (await store.read(PLACE, "account:2", -1, 9)).entries == []


async def test_trimming_counts_each_channel_for_itself(store: HistoryStore, writer: HistoryWriter) -> None:
    """A busy channel takes nothing from a quiet one."""
    await begin(writer)
    keep = RETENTION.keep_of("account")
    assert keep is not None
    await write(writer, Step(PLACE, 0, 1, [Chapter(0, "account:2", message("quiet"), keep)]), step(1, 400))

    assert await offsets(store, -1, "account:2") == [0]


async def test_another_life_of_the_topic_is_another_history(store: HistoryStore, writer: HistoryWriter) -> None:
    """Its offsets mean other records."""
    await begin(writer)
    await write(writer, step(0, 5))

    assert await reason_of(store, 2, place=PLACE._replace(generation="bbbbbbbb")) == "missing"
    assert await reason_of(store, 2, place=PLACE._replace(partition=1)) == "missing"


@pytest.mark.parametrize(
    "settings",
    [{"key": "x{rest}"}, {"name_header": "kind"}, {"extras_header": "extras"}, {"history_seconds": 3600}],
)
async def test_other_settings_make_another_history(
    writer: HistoryWriter, redis: Client, settings: dict[str, Any]
) -> None:
    """What would be written differently is not taken for the same."""
    await begin(writer)
    await write(writer, step(0, 5))

    other = HistoryStore(redis, TIMEOUT_SECONDS, retention_of(**settings))

    assert await reason_of(other, 2) == "missing"


async def test_keeping_more_messages_goes_on_with_the_same_history(writer: HistoryWriter, redis: Client) -> None:
    """The entries themselves tell what was trimmed."""
    await begin(writer)
    await write(writer, step(0, 9))

    assert await offsets(HistoryStore(redis, TIMEOUT_SECONDS, retention_of(history_messages=900)), 3) == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("settings", [{"history_seconds": 0}, {"history_messages": 0}])
async def test_it_can_be_off(redis: Client, settings: dict[str, Any]) -> None:
    """By age or by count."""
    store = HistoryStore(redis, TIMEOUT_SECONDS, retention_of(**settings))

    assert await reason_of(store, -1) == "off"
    assert await reason_of(store, -1, "nobody's channel") == "off"
    assert await store.find(PLACE.topic, PLACE.generation, 3, "account:1") == []


async def test_what_somebody_else_wrote_is_no_message(
    store: HistoryStore, writer: HistoryWriter, redis: Client
) -> None:
    """It does not end the edge."""
    await begin(writer)
    await write(writer, step(0, 2))
    (stream,) = [name for name in await names_of(redis) if b":channel:" in name]
    await redis.xadd(stream, {"m": b"\xc1", "p": 1}, id="2-1")
    await write(writer, Step(PLACE, 2, 9, []))

    assert await reason_of(store, 0) == "damaged"


# ---------------------------------------------------------------------- writing


async def test_a_step_may_be_repeated(store: HistoryStore, writer: HistoryWriter, redis: Client) -> None:
    """Nothing is there twice: not after an answer that was lost, nor after a history that was begun over what is there."""
    await begin(writer)
    await write(writer, step(0, 5, ["account:1", "account:2"]))

    assert await write(writer, step(0, 5, ["account:1", "account:2"])) == ["elsewhere"]
    (state,) = [name for name in await names_of(redis) if name.endswith(b":state")]
    await redis.delete(state)
    assert (await writer.begin(PLACE, 0, expected=None)).kind == "written"
    assert await write(writer, step(0, 7, ["account:1", "account:2"])) == ["written"]

    assert await offsets(store, -1) == [0, 2, 4, 6]
    assert await offsets(store, -1, "account:2") == [1, 3, 5]


async def test_steps_of_one_round_trip_follow_each_other(store: HistoryStore, writer: HistoryWriter) -> None:
    """Of one partition in their order; if one is not taken, the following are not either."""
    await begin(writer)

    assert await write(writer, step(0, 3), step(3, 5), step(9, 12), step(5, 6)) == [
        "written",
        "written",
        "elsewhere",
        "written",
    ]

    assert await offsets(store, 0) == [1, 2, 3, 4, 5]


async def test_a_step_without_messages_goes_on_too(store: HistoryStore, writer: HistoryWriter) -> None:
    """Poison, aborted transactions, compaction: there was nothing."""
    await begin(writer)

    await write(writer, Step(PLACE, 0, 40, []))

    assert (await store.read(PLACE, "account:1", 39, 10)).next_offset == 40


async def test_one_has_the_lease_and_the_others_wait(writer: HistoryWriter, redis: Client) -> None:
    """Until it is given back."""
    other = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)
    await begin(writer)
    await write(writer, step(0, 5))

    assert await other.take(PLACE) == (False, None)
    assert await writer.take(PLACE) == (True, 5)
    await writer.release(PLACE)
    assert await other.take(PLACE) == (True, 5)


async def test_who_has_lost_the_lease_writes_nothing(store: HistoryStore, writer: HistoryWriter, redis: Client) -> None:
    """However late its step arrives, and though it would be the next one."""
    other = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)
    await begin(writer)
    await write(writer, step(0, 3))
    await writer.release(PLACE)
    await other.take(PLACE)
    before = await _dump(redis)

    assert await write(writer, step(3, 5)) == ["fenced"]
    assert (await writer.begin(PLACE, 4, expected=3)).kind == "fenced"
    await writer.drop(PLACE)
    await writer.release(PLACE)

    assert await _dump(redis) == before
    assert await other.take(PLACE) == (True, 3)
    assert await offsets(store, -1) == [0, 1, 2]


async def test_who_had_the_lease_before_redis_forgot_it_has_it_no_longer(writer: HistoryWriter, redis: Client) -> None:
    """Nor does a new holder get the old one's token."""
    await begin(writer)
    await redis.flushdb()
    other = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)

    assert await write(writer, step(0, 3)) == ["fenced"]
    await begin(other)
    assert await write(writer, step(0, 3)) == ["fenced"]


async def test_a_lease_ends_by_itself(writer: HistoryWriter, redis: Client) -> None:
    """Its holder may be dead."""
    short = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, 0.05)
    await begin(short)

    async with asyncio.timeout(5):
        while not (await writer.take(PLACE))[0]:
            await asyncio.sleep(0.01)


async def test_a_step_keeps_the_lease(redis: Client) -> None:
    """Also one without messages."""
    short, long = [HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, seconds) for seconds in (5.0, 500.0)]
    long.token = short.token
    await begin(short)

    await write(long, Step(PLACE, 0, 0, []))

    (lease,) = [name for name in await names_of(redis) if name.endswith(b":lease")]
    assert await redis.pttl(lease) > 400_000


async def test_a_history_is_begun_anew_only_as_expected(store: HistoryStore, writer: HistoryWriter) -> None:
    """What was before proves nothing then; what is there stays unread."""
    await begin(writer)
    await write(writer, step(0, 5))

    assert (await writer.begin(PLACE, 90, expected=4)) == ("elsewhere", 5, None)
    assert (await writer.begin(PLACE, 90, expected=5)).kind == "written"
    await write(writer, step(90, 92))

    assert await reason_of(store, 4) == "young"
    assert await offsets(store, 89) == [90, 91]


async def test_a_dropped_history_proves_nothing(store: HistoryStore, writer: HistoryWriter) -> None:
    """Whoever writes it begins anew."""
    await begin(writer)
    await write(writer, step(0, 5))

    await writer.drop(PLACE)

    assert await reason_of(store, 4) == "missing"
    assert await write(writer, step(5, 6)) == ["missing"]


async def test_everything_expires(writer: HistoryWriter, redis: Client) -> None:
    """A history that nobody writes any more leaves nothing behind."""
    await begin(writer)
    await writer.attend()
    await write(writer, step(0, 5, ["account:1", "account:2"]))

    names = await names_of(redis)

    assert len(names) == 5
    assert all([0 < await redis.pttl(name) < 2 * 86_400_000 for name in names])


async def test_those_who_write_know_how_many_they_are(writer: HistoryWriter, redis: Client) -> None:
    """Each counts those that were heard of, with the same rules."""
    other = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)
    stranger = HistoryWriter(redis, TIMEOUT_SECONDS, retention_of(key="x{rest}"), LEASE_SECONDS)

    assert await writer.attend() == 1
    assert await other.attend() == 2
    assert await writer.attend() == 2
    assert await stranger.attend() == 1
    await writer.leave()
    assert await other.attend() == 1


async def test_a_redis_that_forgot_its_scripts_gets_them_again(
    store: HistoryStore, writer: HistoryWriter, redis: Client, request: pytest.FixtureRequest
) -> None:
    """SCRIPT FLUSH, or a restart."""
    if "embedded" in request.node.name:
        pytest.skip("fakeredis answers nobody any more after SCRIPT FLUSH")
    await begin(writer)
    await redis.script_flush()

    assert await write(writer, step(0, 2), step(2, 3)) == ["written", "written"]
    await redis.script_flush()
    assert await offsets(store, -1) == [0, 1, 2]


# ---------------------------------------------------------------------- newest first


async def test_the_newest_come_first_page_by_page(store: HistoryStore, writer: HistoryWriter) -> None:
    """As REST history and rewind want them."""
    await begin(writer)
    await write(writer, step(0, 4), Step(PLACE, 4, 30, []))

    first = await store.newest(PLACE, "account:1", 3)
    second = await store.newest(PLACE, "account:1", 3, before_offset=first.entries[-1].offset)

    assert ([entry.offset for entry in first.entries], first.next_offset, first.older) == ([3, 2, 1], 30, "more")
    assert ([entry.offset for entry in second.entries], second.older) == ([0], "none")


async def test_it_is_said_what_became_of_older_ones(store: HistoryStore, writer: HistoryWriter) -> None:
    """Trimmed by count; before this history; or there never were any."""
    await begin(writer, floor=10)
    await write(writer, step(10, 17), step(17, 20, ["account:2"]))

    assert (await store.newest(PLACE, "account:1", 9)).older == "trimmed"
    assert (await store.newest(PLACE, "account:1", 9, before_offset=12)).older == "trimmed"
    assert (await store.newest(PLACE, "account:2", 9)).older == "expired"
    assert (await store.newest(PLACE, "account:3", 9)).older == "expired"
    assert (await store.newest(PLACE, "account:3", 9, before_offset=3)).entries == []


async def test_the_oldest_that_is_left_comes_first_and_is_read_on_from(
    store: HistoryStore, writer: HistoryWriter
) -> None:
    """As REST history wants it, forwards."""
    await begin(writer)
    await write(writer, step(0, 4), Step(PLACE, 4, 30, []))

    first = await store.oldest(PLACE, "account:1", 3)

    assert ([entry.offset for entry in first.entries], first.is_whole, first.older) == ([0, 1, 2], False, "none")
    assert await offsets(store, first.next_offset - 1) == [3]
    assert (await store.oldest(PLACE, "account:1", 9)).next_offset == 30


async def test_it_is_said_what_became_of_those_before_the_oldest(store: HistoryStore, writer: HistoryWriter) -> None:
    """The same words as of the newest, and no refusal: it is not the question whether anything is missing."""
    await begin(writer, floor=10)
    await write(writer, step(10, 17), step(17, 20, ["account:2"]))

    trimmed = await store.oldest(PLACE, "account:1", 9)
    nothing = await store.oldest(PLACE, "account:3", 9)

    assert ([entry.offset for entry in trimmed.entries], trimmed.older) == ([12, 13, 14, 15, 16], "trimmed")
    assert (await store.oldest(PLACE, "account:2", 9)).older == "expired"
    assert (nothing.entries, nothing.next_offset, nothing.is_whole, nothing.older) == ([], 20, True, "expired")
    with pytest.raises(HistoryUnproven):
        await store.oldest(HistoryPlace(PLACE.topic, 1, PLACE.generation), "account:1", 9)


async def test_a_channel_is_found_in_its_partition(store: HistoryStore, writer: HistoryWriter) -> None:
    """For clients whose position is one over all partitions."""
    places = [PLACE._replace(partition=number) for number in range(8)]
    for place in places:
        await begin(writer, place=place)
    await write(writer, step(0, 2, ["account:7"], places[5]))

    assert await store.find(PLACE.topic, PLACE.generation, 8, "account:7") == [5]
    assert await store.find(PLACE.topic, PLACE.generation, 8, "account:1") == []


# ---------------------------------------------------------------------- when Redis is away, full, or forgetful


async def test_a_redis_that_refuses_is_said_to_all_who_wait() -> None:
    """Nobody waits for a port on which nobody listens."""
    redis = connect(RedisSettings(url="redis://127.0.0.1:1/0", timeout_seconds=TIMEOUT_SECONDS))
    store = HistoryStore(redis, TIMEOUT_SECONDS, RETENTION)

    found = await asyncio.gather(
        *[store.read(PLACE, f"account:{n}", 0, 500) for n in range(40)], return_exceptions=True
    )

    assert {type(one) for one in found} == {StoreUnavailable}
    await redis.aclose()


@pytest.mark.parametrize(
    ("maxmemory", "policy", "is_proven"),
    [
        ("100mb", "allkeys-lru", False),
        ("100mb", "volatile-ttl", False),
        ("100mb", "noeviction", True),
        ("0", "allkeys-lru", True),
    ],
)
async def test_a_redis_that_may_drop_keys_proves_nothing(
    redis_url: str, maxmemory: str, policy: str, is_proven: bool
) -> None:
    """An absent stream would not mean that the channel was quiet."""
    redis = connect(RedisSettings(url=redis_url, timeout_seconds=TIMEOUT_SECONDS))
    await redis.flushdb()
    writer = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)
    await begin(writer)
    try:
        await redis.config_set("maxmemory", maxmemory)
        await redis.config_set("maxmemory-policy", policy)
        store = HistoryStore(redis, TIMEOUT_SECONDS, RETENTION)

        assert await writer.eviction.is_evicting() is not is_proven
        if is_proven:
            assert (await store.read(PLACE, "account:1", -1, 9)).is_whole
        else:
            assert await reason_of(store, -1) == "evicting"
    finally:
        await redis.config_set("maxmemory", "0")
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.aclose()


async def test_one_node_that_may_drop_keys_is_enough(redis: Client, request: pytest.FixtureRequest) -> None:
    """Whichever it is."""
    if "cluster" not in request.node.name:
        pytest.skip("has one node")
    assert isinstance(redis, RedisCluster)
    for node in redis.get_primaries():
        assert not await HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS).eviction.is_evicting()
        await redis.execute_command(
            "CONFIG SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lfu", target_nodes=node
        )
        try:
            assert await HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS).eviction.is_evicting()
        finally:
            await redis.execute_command("CONFIG SET", "maxmemory", "0", target_nodes=node)


async def test_a_full_redis_takes_a_step_whole_or_not_at_all(redis_url: str) -> None:
    """With noeviction it refuses; what it has still proves what it proved."""
    redis = connect(RedisSettings(url=redis_url, timeout_seconds=TIMEOUT_SECONDS))
    await redis.flushdb()
    store = HistoryStore(redis, TIMEOUT_SECONDS, RETENTION)
    writer = HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)
    await begin(writer)
    await write(writer, step(0, 3))
    try:
        await redis.config_set("maxmemory", "1")
        assert await write(writer, step(3, 5, ["account:1", "account:9"])) == ["refused"]
        assert await write(writer, Step(PLACE, 3, 9, [])) == ["refused"]
    finally:
        await redis.config_set("maxmemory", "0")

    assert await offsets(store, -1) == [0, 1, 2]
    assert await write(writer, step(3, 4)) == ["written"]
    assert await offsets(store, -1) == [0, 1, 2, 3]
    await redis.aclose()


async def _dump(redis: Client) -> dict[bytes, bytes | None]:
    """All that there is."""
    return {name: await redis.dump(name) for name in sorted(await names_of(redis))}
