"""Pages over all tiers: a Kafka and a Redis inside the process, and a window that begins wherever the test says."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import pytest
from confluent_kafka import Producer
from fakeredis import FakeAsyncRedis, FakeServer

from gateway.core.duplicates import Duplicates
from gateway.core.history import Query
from gateway.core.hub import Hub
from gateway.core.interpreter import Interpreter
from gateway.core.retention import Retention
from gateway.core.routing import Router
from gateway.core.serial import Front, Position, Serial, parse_serial
from gateway.core.window import Window
from gateway.dev.embedded import embedded_kafka
from gateway.errors import ContinuityLost, NotInTime, PositionExpired
from gateway.metrics.counts import Counts
from gateway.replay import Tiers
from gateway.replay.listing import Listing
from gateway.settings import KafkaSettings, Namespace
from gateway.store.history import HistoryStore
from gateway.store.history_keys import HistoryPlace
from gateway.store.history_writer import Chapter, HistoryWriter, Step
from gateway.stream.past import Past
from gateway.stream.scan import Scan
from gateway.stream.topics import TopicLife

TOPIC, LIFE, CHANNEL, HOME, PARTITIONS, RECORDS = "edge.accounts", "aaaaaaaa", "account:1", 2, 4, 200
NAMESPACES = {"account": Namespace(topic=TOPIC, id_header="id", extras_header="extras", history_messages=1000)}
ROUTER = Router(NAMESPACES)
RETENTION = Retention(NAMESPACES, ROUTER)
INTERPRETER = Interpreter(ROUTER, NAMESPACES, 1 << 20)


class Ground(NamedTuple):
    """What is in Kafka: all records of the one partition that has any, and the offsets that a client may see."""

    settings: KafkaSettings
    records: list
    shown: list[int]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Two hundred records: of two channels in turn, some of them copies, some ephemeral."""
    with embedded_kafka([TOPIC]) as address:
        producer = Producer({"bootstrap.servers": address})
        for offset in range(RECORDS):
            headers = {"id": f"m{offset - 5 if offset % 25 == 5 else offset}"}
            if offset % 25 == 10:
                headers["extras"] = '{"ephemeral": true}'
            key = b"1" if offset % 5 == 0 else b"2"
            producer.produce(TOPIC, f"{offset}".encode(), key, HOME, headers=headers)
            if offset % 20 == 0:
                producer.flush()
        producer.flush()
        yield address


@pytest.fixture
async def ground(address: str) -> Ground:
    """The same as values."""
    settings = KafkaSettings(bootstrap_servers=address)
    scan, records = Scan(settings), []
    await scan.begin((TOPIC, HOME), 0)
    while len(records) < RECORDS:
        records += (await scan.read()).records
    await scan.stop()
    known = Duplicates(1000)
    shown = [
        record.offset
        for record in records
        if record.key == b"1" and known.keeps(CHANNEL, INTERPRETER.read(record)[1], TOPIC, HOME, record.offset)
    ]
    assert 20 < len(shown) < 40
    return Ground(settings, records, shown)


class Edge(NamedTuple):
    """A listing and the window behind it."""

    listing: Listing
    hub: Hub
    counts: Counts


@asynccontextmanager
async def edge(
    ground: Ground, *, held_from: int, history: tuple[int, int] | None, reads_kafka: bool = True
) -> AsyncIterator[Edge]:
    """
    An edge that began to read at an offset, beside a history that goes from one offset to another.

    Args:
        reads_kafka: By the settings.
    """
    redis = FakeAsyncRedis(server=FakeServer())
    if history is not None:
        await write_history(redis, ground, *history)
    hub = Hub(Window(max_bytes=1 << 28, max_seconds=600, remembered_channels=100), Duplicates(1000))
    hub.begin(TOPIC, LIFE, {p: held_from if p == HOME else 0 for p in range(PARTITIONS)}, now=1000.0)
    for record in ground.records:
        channel, message, size_bytes = INTERPRETER.read(record)
        if record.offset < held_from:
            hub.learn(TOPIC, HOME, record.offset, channel, message)
        else:
            hub.accept(TOPIC, HOME, record.offset, channel, message, size_bytes, 1000.0)
    past = Past(ground.settings, lambda: {TOPIC: TopicLife(LIFE, PARTITIONS, None)})
    store, counts = HistoryStore(redis, 5.0, RETENTION), Counts()
    tiers = Tiers(store, past, ground.settings, ROUTER, INTERPRETER)
    listing = Listing(hub.window, tiers, RETENTION, 1000 if reads_kafka else 0, counts)
    running = asyncio.create_task(listing.run())
    try:
        yield Edge(listing, hub, counts)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await past.stop()
        await store.close()


async def write_history(redis: FakeAsyncRedis, ground: Ground, floor: int, end: int) -> None:
    """Of every partition; those without records are whole and empty."""
    writer, keep = HistoryWriter(redis, 5.0, RETENTION, 60.0), RETENTION.keep_of_channel(CHANNEL)
    assert keep is not None
    for partition in range(PARTITIONS):
        place = HistoryPlace(TOPIC, partition, LIFE)
        first, last = (floor, end) if partition == HOME else (0, 0)
        assert (await writer.take(place))[0]
        assert (await writer.begin(place, first, expected=None)).kind == "written"
        chapters = [
            Chapter(offset, CHANNEL, INTERPRETER.read(ground.records[offset])[1], keep)
            for offset in ground.shown
            if partition == HOME and first <= offset < last
        ]
        (answer,) = await writer.write([Step(place, first, last, chapters)])
        assert answer.kind == "written"


async def walk(listing: Listing, query: Query) -> list[list[int]]:
    pages: list[list[int]] = []
    while True:
        page = await listing.page(TOPIC, CHANNEL, query)
        pages.append([entry.offset for entry in page.entries])
        if page.next_page is None:
            return pages
        query = query._replace(page=parse_serial(page.next_page))
        assert len(pages) < 100


def joined(pages: Sequence[Sequence[int]]) -> list[int]:
    return [offset for page in pages for offset in page]


HISTORIES = [None, (0, RECORDS), (0, 120), (40, 160)]


@pytest.mark.parametrize("held_from", [0, 60, 150, RECORDS])
@pytest.mark.parametrize("history", HISTORIES, ids=str)
async def test_every_message_is_in_one_page_whichever_tiers_have_it(
    held_from: int, history: tuple[int, int] | None, ground: Ground
) -> None:
    """Both directions, any limit, with and without an attachment as the bound: in order, none left out, none twice."""
    front = Front(LIFE, tuple(100 if p == HOME else 0 for p in range(PARTITIONS)))
    bounds: list[tuple[Position | None, int]] = [(None, RECORDS), (Serial(LIFE, HOME, 99), 100), (front, 100)]
    async with edge(ground, held_from=held_from, history=history) as served:
        floor = min(held_from, 0 if history is None else history[0])
        for (attached_at, end), limit in itertools.product(bounds, (3, 100)):
            expected = [offset for offset in ground.shown if floor <= offset < end]
            query = Query(limit=limit, attached_at=attached_at)

            backwards = await walk(served.listing, query)
            forwards = await walk(served.listing, query._replace(is_forwards=True))

            assert joined(backwards) == expected[::-1]
            assert joined(forwards) == expected
            assert all(len(page) == limit for page in backwards[:-1])


async def test_times_bound_what_is_shown_in_every_tier(ground: Ground) -> None:
    stamps = {record.offset: record.timestamp for record in ground.records}
    start_ms, end_ms = stamps[45], stamps[165]
    expected = [offset for offset in ground.shown if start_ms <= stamps[offset] <= end_ms]

    async with edge(ground, held_from=150, history=(0, 120)) as served:
        query = Query(limit=3, start_ms=start_ms, end_ms=end_ms)

        assert joined(await walk(served.listing, query)) == expected[::-1]
        assert joined(await walk(served.listing, query._replace(is_forwards=True))) == expected


async def test_what_comes_during_a_walk_backwards_is_not_in_it(ground: Ground) -> None:
    async with edge(ground, held_from=150, history=(0, 120)) as served:
        first = await served.listing.page(TOPIC, CHANNEL, Query(limit=8))
        message = INTERPRETER.read(ground.records[0])[1]
        served.hub.accept(TOPIC, HOME, RECORDS, CHANNEL, message, 1, 1001.0)
        assert first.next_page is not None

        rest = await walk(served.listing, Query(limit=8, page=parse_serial(first.next_page)))

        assert [entry.offset for entry in first.entries] + joined(rest) == ground.shown[::-1]


async def test_the_window_alone_answers_what_it_has(ground: Ground) -> None:
    """Nobody else is asked: with neither history nor Kafka there is nobody."""
    async with edge(ground, held_from=100, history=None, reads_kafka=False) as served:
        page = await served.listing.page(TOPIC, CHANNEL, Query(limit=5))

        assert [entry.offset for entry in page.entries] == ground.shown[::-1][:5]
        assert page.next_page is not None
        assert served.counts.scanned_records == 0


async def test_where_nothing_else_is_proof_the_pages_end_with_the_window_and_say_so(ground: Ground) -> None:
    held = [offset for offset in ground.shown if offset >= 100]
    async with edge(ground, held_from=100, history=None, reads_kafka=False) as served:
        backwards = await served.listing.page(TOPIC, CHANNEL, Query())
        forwards = await served.listing.page(TOPIC, CHANNEL, Query(is_forwards=True))

        assert [entry.offset for entry in backwards.entries] == held[::-1]
        assert [entry.offset for entry in forwards.entries] == held
        assert backwards.whole_since == forwards.whole_since == 1000.0


async def test_forwards_nothing_is_left_out_that_is_gone(ground: Ground) -> None:
    """Who goes on after a message hears that what comes next is gone, or cannot be read yet; never a page with a gap."""
    after = Query(is_forwards=True, page=Serial(LIFE, HOME, 20))
    async with edge(ground, held_from=100, history=(40, 160), reads_kafka=False) as served:
        with pytest.raises(PositionExpired):
            await served.listing.page(TOPIC, CHANNEL, after)
    async with edge(ground, held_from=100, history=(0, 60), reads_kafka=False) as served:
        with pytest.raises(NotInTime):
            await served.listing.page(TOPIC, CHANNEL, after)


async def test_many_who_ask_for_the_same_are_read_for_together(ground: Ground) -> None:
    """After a Redis that forgot, everybody asks at once; the first one is read for alone, the others share."""
    async with edge(ground, held_from=150, history=None) as served:
        pages = await asyncio.gather(*(served.listing.page(TOPIC, CHANNEL, Query()) for _ in range(50)))

        assert all([entry.offset for entry in page.entries] == ground.shown[::-1] for page in pages)
        assert served.counts.scanned_records <= 4 * RECORDS


async def test_a_channel_that_nobody_knows_has_an_empty_past(ground: Ground) -> None:
    """It is looked for wherever it may lie; it may never have spoken."""
    for history in (None, (0, RECORDS)):
        async with edge(ground, held_from=150, history=history) as served:
            for is_forwards in (False, True):
                page = await served.listing.page(TOPIC, "account:silent", Query(is_forwards=is_forwards))

                assert (page.entries, page.next_page) == ([], None)


async def test_a_topic_that_is_another_one_is_told(ground: Ground) -> None:
    async with edge(ground, held_from=150, history=None) as served:
        for name in ("page", "attached_at"):
            with pytest.raises(ContinuityLost):
                await served.listing.page(TOPIC, CHANNEL, Query()._replace(**{name: Serial("bbbbbbbb", HOME, 7)}))
