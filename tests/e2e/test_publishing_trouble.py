"""Publishing while brokers and edges are killed: what is acknowledged is in Kafka once and delivered once."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest

from tests.conftest import StartEdge
from tests.e2e.conftest import StartSdk, writer_of
from tests.testbed.cut_proxy import CutProxy
from tests.testbed.edge import KEY, EdgeProcess
from tests.testbed.flow import differences
from tests.testbed.kafka import KafkaBroker
from tests.testbed.records import Records
from tests.testbed.sdk import KINDS, Fault, Kind, Sdk

JS_JSON, JS_MSGPACK, PYTHON_JSON, PYTHON_MSGPACK = KINDS
CHANNEL = "account:1"
BREATH_SECONDS = 0.1  # of an app that was refused, before it publishes the next


class Stored(NamedTuple):
    """A record of a publisher."""

    offset: int
    message_id: str
    by: str
    number: int


@dataclass
class Publisher:
    """
    An app that publishes numbers as fast as it is told that they are stored.

    Args:
        kind: Its SDK.
        total: How many numbers.
        at_once: How many it keeps under way.
        insists: Whether its messages have ids of its own, and it publishes again with the same one until there is an ACK.
    """

    kind: Kind
    total: int
    at_once: int
    insists: bool
    acknowledged: dict[int, str] = field(default_factory=dict)
    refused: int = 0

    async def run(self, client: Sdk) -> None:
        """Publish all of it."""
        numbers = iter(range(self.total))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.at_once):
                tasks.create_task(self._publish(client, numbers))

    async def _publish(self, client: Sdk, numbers: Iterator[int]) -> None:
        for number in numbers:
            message = {"data": {"by": str(self.kind), "n": number}}
            if self.insists:
                message["id"] = f"{self.kind}-{number}"
            while number not in self.acknowledged:
                try:
                    serials = await client.publish(CHANNEL, message)
                except Fault:
                    self.refused += 1
                    await asyncio.sleep(BREATH_SECONDS)
                    if not self.insists:
                        break
                else:
                    self.acknowledged[number] = (serials or [""])[0] or ""

    def prove(self, stored: Sequence[Stored], delivered: Sequence[dict[str, Any]]) -> None:
        """
        Compare what was acknowledged with what is in Kafka and with what a listener got.

        Raises:
            AssertionError: If something is missing, doubled or out of order.
        """
        got = [message["data"]["n"] for message in delivered if message["data"]["by"] == str(self.kind)]
        assert got == sorted(set(got)), f"{self.kind}: {differences(got, sorted(set(got)))}"
        assert set(self.acknowledged) <= set(got)
        firsts: dict[int, Stored] = {}
        for record in stored:
            if record.by == str(self.kind):
                first = firsts.setdefault(record.number, record)
                assert record.message_id == first.message_id, "a copy that nobody can tell"
        assert set(got) == set(firsts)
        told = {number: serial for number, serial in self.acknowledged.items() if serial}  # else its edge lagged behind
        assert len(told) >= len(self.acknowledged) * 0.9
        assert {number: serial[-16:] for number, serial in told.items()} == {
            number: f"{firsts[number].offset:016}" for number in told
        }


def stored_in(records: Records, topic: str) -> list[Stored]:
    """What publishers have put into a topic, in the order of their channel."""
    found = []
    for record in records.read(topic):
        data = json.loads(record.value())
        found.append(Stored(record.offset(), dict(record.headers())["id"].decode(), data["by"], data["n"]))
    return found


async def _killed_under(
    edges: Sequence[EdgeProcess], proxies: Sequence[CutProxy], broker: KafkaBroker, grown: Callable[[], Awaitable[None]]
) -> None:
    """Kill broker, edge, broker and the other edge, each while it flows."""
    for number in (0, 1):
        await grown()
        broker.kill()
        broker.launch()
        await asyncio.to_thread(broker.wait_until_answering)
        await grown()
        edges[number].kill()
        for proxy in proxies:
            proxy.target = edges[1 - number].port
        edges[number].launch()
        proxies[number].cut()
        await asyncio.to_thread(edges[number].wait_until_ready)
        await grown()
        proxies[number].target = edges[number].port
        proxies[number].cut()


@pytest.mark.timeout(300)
async def test_what_is_acknowledged_is_in_kafka_and_delivered_once_whatever_is_killed(
    broker: KafkaBroker, edge: StartEdge, sdk: StartSdk
) -> None:
    """10,000 publications by four publishers on two edges; the broker is killed twice, and each edge once."""
    with Records(broker.address) as records:
        topic = records.make_topic()
        edges = [edge({"account": {"topic": topic}}, kafka=broker.address) for _ in range(2)]
        publishers = [
            Publisher(JS_JSON, 4_500, at_once=12, insists=False),
            Publisher(JS_MSGPACK, 4_500, at_once=12, insists=False),
            Publisher(PYTHON_JSON, 500, at_once=1, insists=True),  # one: docs/publishing.md says what it does with more
            Publisher(PYTHON_MSGPACK, 500, at_once=1, insists=True),
        ]
        total = sum(publisher.total for publisher in publishers)
        async with CutProxy(edges[0].port) as first, CutProxy(edges[1].port) as second:
            listener = await sdk(JS_JSON, edges[1], port=second.port, key=KEY)
            await listener.attach(CHANNEL)
            milestones = itertools.count(1)

            async def grown() -> None:
                share = next(milestones) * total // 10
                await listener.until_received(CHANNEL, share, deadline_seconds=120)

            async with asyncio.TaskGroup() as tasks:
                for number, publisher in enumerate(publishers):
                    port = (first, second)[number % 2].port
                    client = await sdk(publisher.kind, edges[0], port=port, token=writer_of(CHANNEL))
                    tasks.create_task(publisher.run(client))
                tasks.create_task(_killed_under(edges, (first, second), broker, grown))
            end = await sdk(JS_JSON, edges[0], key=KEY)
            await end.publish(CHANNEL, {"data": {"by": "the end", "n": 0}})
            await listener.until(lambda: listener.data(CHANNEL)[-1]["by"] == "the end", "the end", deadline_seconds=60)
        stored = stored_in(records, topic)

    for publisher in publishers:
        publisher.prove(stored, listener.messages[CHANNEL])
    assert all(publisher.refused or len(publisher.acknowledged) == publisher.total for publisher in publishers)
    assert sum(len(publisher.acknowledged) for publisher in publishers) >= total * 0.9
    assert listener.losses([CHANNEL]) == []


async def test_a_publication_that_kafka_took_too_late_is_settled_by_its_id(
    broker: KafkaBroker, edge: StartEdge, sdk: StartSdk
) -> None:
    """
    The broker hangs for longer than a publication may wait: 50003, and then it writes it after all.

    Published again with the same id, until there is an ACK: delivered once, with the serial of what was written first.
    """
    with Records(broker.address) as records:
        topic = records.make_topic()
        serving = edge({"account": {"topic": topic}}, kafka=broker.address, publish={"timeout_seconds": 1})
        clients = [await sdk(kind, serving, token=writer_of(CHANNEL)) for kind in (JS_MSGPACK, PYTHON_JSON)]
        for client in clients:
            await client.attach(CHANNEL)
            await client.publish(CHANNEL, {"data": {"by": "before", "n": 0}})
        codes: list[int | None] = []

        async def insist(client: Sdk) -> list[str | None] | None:
            message = {"id": f"{client.kind}-late", "data": {"by": str(client.kind), "n": 0}}
            while True:
                try:
                    return await client.publish(CHANNEL, message)
                except Fault as fault:
                    codes.append(fault.code)
                    if len(codes) == 6:
                        broker.process.send(signal.SIGCONT)

        broker.process.send(signal.SIGSTOP)
        told = [await one for one in [asyncio.create_task(insist(client)) for client in clients]]
        await clients[0].publish(CHANNEL, {"data": {"by": "after", "n": 0}})
        for client in clients:
            await client.until(lambda client=client: client.data(CHANNEL)[-1]["by"] == "after", "the end")
        stored = stored_in(records, topic)

    assert set(codes) == {50003}
    written = [record.by for record in stored]
    for client, serials in zip(clients, told, strict=True):
        by = str(client.kind)
        assert written.count(by) > 1, "nothing was written late"
        got = [[m["serial"] for m in one.messages[CHANNEL] if m["data"]["by"] == by] for one in clients]
        assert got == [serials, serials]


async def test_what_is_published_while_kafka_is_away_waits_for_it(
    broker: KafkaBroker, edge: StartEdge, sdk: StartSdk
) -> None:
    """Also on an edge that has not published before; over HTTP as well. Whoever waits too long is told, and nothing is stored of it."""
    with Records(broker.address) as records:
        topic = records.make_topic()
        of = {"account": {"topic": topic}}
        patient = edge(of, kafka=broker.address, publish={"timeout_seconds": 60})
        hasty = edge(of, kafka=broker.address, publish={"timeout_seconds": 1})
        clients = [await sdk(kind, patient, token=writer_of(CHANNEL)) for kind in (JS_JSON, PYTHON_MSGPACK)]
        told_soon = await sdk(JS_MSGPACK, hasty, token=writer_of(CHANNEL))
        broker.kill()
        waiting = [
            asyncio.create_task(client.publish(CHANNEL, {"data": {"by": str(client.kind), "n": 1}}))
            for client in clients
        ]

        with pytest.raises(Fault) as refused:
            await told_soon.publish(CHANNEL, {"data": {"by": "nobody", "n": 0}})

        broker.launch()
        await asyncio.to_thread(broker.wait_until_answering)
        serials = [(await one or [None])[0] for one in waiting]
        await told_soon.publish(CHANNEL, {"data": {"by": "after", "n": 2}})
        stored = stored_in(records, topic)

    assert refused.value.code == 50003
    assert all(serials)
    assert sorted(record.by for record in stored) == sorted([*(str(client.kind) for client in clients), "after"])
