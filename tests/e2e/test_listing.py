"""The past of a channel over REST when its messages have left the window: out of Redis, out of Kafka, or told."""

from __future__ import annotations

import re
import time
from urllib.parse import urljoin

import httpx
import pytest

from gateway.replay.listing.walk import PAGE_RECORDS
from tests.conftest import MakeTopic, Produce, StartEdge
from tests.e2e.conftest import reader_of
from tests.e2e.replaying import CHANNEL, KEY, NO_HISTORY, OTHER, SHORT, numbers, texts, until_forgotten, until_written
from tests.testbed.edge import EdgeProcess
from tests.testbed.redis import RedisServer

MESSAGES = f"/channels/{CHANNEL}/messages"
DEADLINE_SECONDS = 60.0
WHOLE_SINCE = "X-Lastmile-Whole-Since"


class Asked:
    """What a walk through pages brought."""

    def __init__(self) -> None:
        self.pages: list[list[dict]] = []
        self.whole_since: list[int] = []

    @property
    def data(self) -> list[str]:
        return [message["data"] for page in self.pages for message in page]


async def ask(edge: EdgeProcess, url: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30) as client:
        return await client.get(f"{edge.url}{url}", headers={"Authorization": f"Bearer {reader_of('account:*')}"})


def next_of(response: httpx.Response) -> str | None:
    match = re.search(r'<(\./messages\?[^>]+)>; rel="next"', response.headers["Link"])
    return None if match is None else urljoin(MESSAGES, match[1])


async def walk(edge: EdgeProcess, query: str = "", *others: EdgeProcess) -> Asked:
    """Page after page, each of the next edge in turn."""
    edges, asked, url = [edge, *others], Asked(), f"{MESSAGES}?{query}"
    deadline = time.monotonic() + DEADLINE_SECONDS
    while url:
        response = await ask(edges[len(asked.pages) % len(edges)], url)
        if response.status_code == 503 and time.monotonic() < deadline:
            continue  # in 8 s a busy machine may not get there; clients ask again
        assert response.status_code == 200, response.text
        asked.pages.append(response.json())
        asked.whole_since.append(int(response.headers[WHOLE_SINCE]))
        url = next_of(response)
    return asked


async def serial_before(edge: EdgeProcess, offset: int) -> str:
    """What a client attached with that had everything up to one message."""
    found = (await walk(edge, "direction=forwards&limit=100")).pages
    return next(m["serial"] for page in found for m in page if m["data"] == str(offset))


async def code_of(edge: EdgeProcess, query: str = "") -> int:
    return int((await ask(edge, f"{MESSAGES}?{query}")).headers["X-Ably-ErrorCode"])


async def test_what_left_the_window_comes_out_of_the_history_and_out_of_kafka_without_it(
    edge: StartEdge, make_topic: MakeTopic, produce: Produce, redis_server: RedisServer
) -> None:
    """The same pages in both directions, whichever tier has them; of two edges; and the present behind them."""
    topic = make_topic(partitions=2)
    namespaces = {"account": {"topic": topic}}
    one = edge(namespaces, window=SHORT, redis_url=redis_server.url)
    produce(topic, [record for number in numbers(300) for record in (number, (OTHER, "of another"))])
    until_forgotten(one, 600)
    until_written(one)
    other = edge(namespaces, window=SHORT, redis_url=redis_server.url)
    whole, reversed_ = texts(300), texts(300)[::-1]

    backwards = await walk(one, "limit=70", other)
    forwards = await walk(one, "limit=70&direction=forwards", other)
    middle = await serial_before(one, 199)
    until_attach = await walk(other, f"limit=150&fromSerial={middle}", one)

    assert backwards.data == reversed_
    assert forwards.data == whole
    assert [len(page) for page in backwards.pages] == [70, 70, 70, 70, 20]
    assert until_attach.data == reversed_[100:]
    assert (await walk(one, f"direction=forwards&fromSerial={middle}")).data == whole[:200]
    assert backwards.whole_since[-1] == forwards.whole_since[0] == 0
    assert one.metrics()["lastmile_scanned_records_total"] == 0

    redis_server.command("CONFIG SET maxmemory-policy allkeys-lru")
    redis_server.command("CONFIG SET maxmemory 1gb")  # so nothing in it is proof any more, see `store.eviction`
    third = edge(namespaces, window=SHORT, redis_url=redis_server.url)  # knows nothing of where the channel lies
    assert (await walk(third, "limit=70")).data == reversed_
    assert (await walk(third, "limit=70&direction=forwards")).data == whole
    assert (await walk(third, f"limit=150&fromSerial={middle}")).data == reversed_[100:]
    assert third.metrics()["lastmile_scanned_records_total"] > 0

    produce(topic, numbers(5, 300))
    until_forgotten(third, 5)
    produce(topic, numbers(5, 305))
    assert (await walk(third, "limit=7", one)).data == texts(310)[::-1]
    assert (await walk(one, "limit=7&direction=forwards", third)).data == texts(310)


async def test_a_quiet_channel_of_a_busy_partition_takes_several_pages_of_bounded_work(
    edge: StartEdge, make_topic: MakeTopic, produce: Produce, redis_server: RedisServer
) -> None:
    """A page may be empty and go on; the walk ends at the beginning, and finds what is there."""
    topic = make_topic(partitions=1)
    redis_server.command("CONFIG SET maxmemory-policy allkeys-lru")
    redis_server.command("CONFIG SET maxmemory 1gb")
    served = edge({"account": {"topic": topic}}, window=SHORT, redis_url=redis_server.url)
    produce(topic, [*numbers(3), *((OTHER, "of another") for _ in range(2 * PAGE_RECORDS)), *numbers(1, 3)])
    until_forgotten(served, 2 * PAGE_RECORDS + 4)

    backwards = await walk(served)
    forwards = await walk(served, "direction=forwards")

    assert backwards.data == texts(4)[::-1]
    assert forwards.data == texts(4)
    assert len(backwards.pages) == len(forwards.pages) == 3
    assert backwards.whole_since[-1] == 0


async def test_what_is_not_kept_is_told(
    edge: StartEdge, make_topic: MakeTopic, produce: Produce, redis_server: RedisServer
) -> None:
    """By count; where a namespace has no history, the window is all, whatever Kafka has; and Redis may be away."""
    trimmed, off = make_topic(partitions=1), make_topic(partitions=1)
    begun_ms = int(time.time() * 1000)
    served = edge(
        {"account": {"topic": trimmed, "history_messages": 50}, "chat": {"topic": off, **NO_HISTORY}},
        window=SHORT,
        redis_url=redis_server.url,
    )
    produce(trimmed, numbers(100))
    produce(off, numbers(100))
    until_forgotten(served, 200)
    until_written(served)

    newest = await walk(served, "limit=30")
    oldest = await walk(served, "limit=30&direction=forwards")
    async with httpx.AsyncClient() as client:
        token = {"Authorization": f"Bearer {reader_of('chat:*')}"}
        forgotten = await client.get(f"{served.url}/channels/chat:{KEY}/messages", headers=token)

    assert newest.data == texts(50, 50)[::-1]
    assert oldest.data == texts(50, 50)
    assert newest.whole_since[-1] == newest.pages[-1][-1]["timestamp"] + 1
    assert oldest.whole_since[0] == oldest.pages[0][0]["timestamp"] + 1
    assert forgotten.json() == []
    assert int(forgotten.headers[WHOLE_SINCE]) >= begun_ms

    redis_server.freeze()
    try:
        assert await code_of(served) == await code_of(served, "direction=forwards") == 50003
    finally:
        redis_server.thaw()


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "direction=up", "start=2&end=1", "start=yesterday"])
async def test_params_out_of_range_are_refused_before_anything_is_read(query: str, shared_edge: EdgeProcess) -> None:
    assert await code_of(shared_edge, query) == 40003


@pytest.mark.parametrize("name", ["fromSerial", "page"])
async def test_positions_that_cannot_be_are_refused_each_with_its_code(
    name: str, shared_edge: EdgeProcess, shared_topic: str, produce: Produce
) -> None:
    """Malformed, of the future, of a partition that is not there, forged: of another life of the topic."""
    produce(shared_topic, [(KEY, "x")])
    newest = (await walk(shared_edge)).pages[0]
    generation, partition, offset = newest[0]["serial"].split("-")

    assert await code_of(shared_edge, f"{name}=108hJ9IGwBZ8nh@1") == 80012
    assert await code_of(shared_edge, f"{name}={generation}-{partition}-{int(offset) + 1_000_000:016}") == 80012
    assert await code_of(shared_edge, f"{name}={generation}-00099-{offset}") == 80012
    assert await code_of(shared_edge, f"{name}=aaaaaaaa-{partition}-{offset}") == 90003
