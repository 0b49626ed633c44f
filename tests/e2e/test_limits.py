"""Limits as SDKs meet them: refused and told so, and what was acknowledged is delivered; shared by edges."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.conftest import StartEdge
from tests.e2e.conftest import StartSdk, reader_of
from tests.testbed.edge import EdgeProcess, token
from tests.testbed.process import wait_until
from tests.testbed.redis import RedisServer
from tests.testbed.sdk import KINDS, Fault, Sdk

CHANNEL = "account:1"


def publisher() -> str:
    """A token of the client whose limits are tried."""
    return token(now=time.time(), client_id="phone", capability={"account:*": ["publish", "subscribe"]})


async def refusal_of(publishing: Any) -> int:
    """The code of a publication's refusal; 0 if it was acknowledged."""
    try:
        await publishing
    except Fault as fault:
        return fault.code
    return 0


async def test_who_publishes_too_fast_is_told_so_and_what_was_acknowledged_is_delivered_once_in_order(
    edge: StartEdge, topic: str, sdk: StartSdk
) -> None:
    """Unmodified ably-js, far beyond the rate: every publication has its ACK or its NACK, and the connection lives on."""
    limits = {"publishes_per_second_per_connection": 5, "burst_seconds": 2}
    one = edge({"account": {"topic": topic}}, limits=limits)
    listener = await sdk(KINDS[0], one, token=reader_of(CHANNEL))
    await listener.attach(CHANNEL)
    client = await sdk(KINDS[0], one, token=publisher())

    codes: dict[int, int] = {}
    for begin in (0, 30):  # the second half is sent when all of the first is answered
        numbers = range(begin, begin + 30)
        told = await asyncio.gather(*(refusal_of(client.publish(CHANNEL, {"data": n})) for n in map(str, numbers)))
        codes |= dict(zip(numbers, told, strict=True))
    async with asyncio.timeout(30):
        while await refusal_of(client.publish(CHANNEL, {"data": "end"})):
            await asyncio.sleep(0.1)
    await listener.until(lambda: "end" in listener.data(CHANNEL), "the end")

    assert set(codes.values()) == {0, 42911}
    assert listener.data(CHANNEL) == [*(str(n) for n, code in codes.items() if code == 0), "end"]
    assert client.state == "connected"
    assert client.connections == 1
    refused = list(codes.values()).count(42911)
    assert one.metrics()['lastmile_limited_total{limit="publish_connection"}'] >= refused


async def test_two_edges_let_one_client_through_as_often_as_one(
    edge: StartEdge, topic: str, redis_server: RedisServer, sdk: StartSdk
) -> None:
    """By WebSocket on one, by REST on the other: ten a second in all, not ten on each."""
    rate, burst, seconds = 10, 10, 5
    limits = {"publishes_per_second_per_client": rate, "burst_seconds": burst / rate}
    edges = [edge({"account": {"topic": topic}}, redis_url=redis_server.url, limits=limits) for _ in range(2)]
    await asyncio.to_thread(wait_until, lambda: shared_by(edges) == [2, 2], "both edges know of each other")
    options = {"token": publisher()}
    clients = [await sdk(KINDS[0], one, **options) for one in edges]
    codes: list[list[int]] = [[], []]
    begun = time.monotonic()

    async def publish(number: int, client: Sdk) -> None:
        while time.monotonic() < begun + seconds:
            to_come = client.publish if number == 0 else lambda *what: client.rest_publish(what[0], options, what[1])
            codes[number] += await asyncio.gather(*(refusal_of(to_come(CHANNEL, {"data": "x"})) for _ in range(5)))

    await asyncio.gather(*(publish(number, client) for number, client in enumerate(clients)))
    elapsed = time.monotonic() - begun

    assert {code for told in codes for code in told} == {0, 42910}
    assert all(0 in told for told in codes)
    assert sum(told.count(0) for told in codes) <= 2 * burst + rate * elapsed + len(edges)


def shared_by(edges: list[EdgeProcess]) -> list[float]:
    """Among how many each edge shares."""
    return [one.metrics()["lastmile_limit_edges"] for one in edges]


async def test_without_redis_each_edge_limits_by_itself(
    edge: StartEdge, topic: str, redis_server: RedisServer, sdk: StartSdk
) -> None:
    """No publication waits for Redis or fails because of it; metrics say that limits are not shared."""
    limits = {"publishes_per_second_per_client": 0.1, "burst_seconds": 50}
    one = edge({"account": {"topic": topic}}, redis_url=redis_server.url, limits=limits)
    client = await sdk(KINDS[0], one, token=publisher())
    redis_server.kill()
    await asyncio.to_thread(wait_until, lambda: shared_by([one]) == [0], "the edge knows that it is alone")

    codes = [await refusal_of(client.publish(CHANNEL, {"data": "x"})) for _ in range(12)]

    assert codes[:5] == [0] * 5
    assert 42910 in codes[5:]


async def test_who_attaches_too_often_attaches_again_by_itself(edge: StartEdge, topic: str, sdk: StartSdk) -> None:
    """RTL13b: DETACHED while attaching makes ably-js wait for 15 s and try again; the app has nothing to do."""
    one = edge({"account": {"topic": topic}}, limits={"attaches_per_second": 0.2, "channels_per_connection": 2})
    client = await sdk(KINDS[0], one, token=reader_of(CHANNEL))
    for _ in range(3):
        await client.attach(CHANNEL)
        await client.detach(CHANNEL)

    assert await refusal_of(client.attach(CHANNEL)) == 42910

    assert client.channel_state(CHANNEL) == "suspended"
    await client.until(lambda: client.channel_state(CHANNEL) == "attached", "attached again", deadline_seconds=60)
    assert client.connections == 1
