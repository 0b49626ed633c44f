"""Receipts of what unmodified SDKs got, as a service reads them from Kafka."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence

from tests.conftest import MakeTopic, StartEdge
from tests.e2e.conftest import StartSdk, reader_of
from tests.testbed.cut_proxy import CutProxy
from tests.testbed.records import Records
from tests.testbed.sdk import Kind, Sdk
from tests.testbed.topic_reader import TopicReader, Written

KINDS = [Kind("js", is_binary=False), Kind("python", is_binary=True)]
KEYS = ["a", "b"]
CHANNELS = [f"account:{key}" for key in KEYS]
ROUND = 60

Chains = dict[tuple[str, str], list[tuple[str, str]]]


def chains_of(receipts: Sequence[Written]) -> Chains:
    """By connection and channel: from where to where."""
    chains: Chains = defaultdict(list)
    for key, value in receipts:
        assert value["channel"] == f"account:{key}"
        chains[value["connectionId"], value["channel"]].append((value["after"], value["upto"]))
    return chains


def covering(chains: Chains, connection_id: str, channel: str, serial: str) -> int:
    """In how many receipts a message is; positions of a channel that had not spoken are before all of it."""
    return sum((after < serial or "-v-" in after) and serial <= upto for after, upto in chains[connection_id, channel])


def delivered(client: Sdk) -> list[tuple[str, str, str]]:
    """Connection, channel and serial of all that a client got; its connection has one id for all its life."""
    (connection_id,) = {change["id"] for change in client.connection if change["kind"] == "connected"}
    return [(connection_id, channel, message["serial"]) for channel in CHANNELS for message in client.messages[channel]]


async def send_round(records: Records, topic: str, clients: Sequence[Sdk], turn: int) -> None:
    """Write some records, slowly enough for several PINGs, and wait until all clients have all of them."""
    for number in range(ROUND):
        records.send(topic, (KEYS[number % len(KEYS)], f"{turn} {number}"))
        await asyncio.sleep(0.01)  # the pace, not a wait for something
    await asyncio.to_thread(records.flush)
    for client, channel in itertools.product(clients, CHANNELS):
        await client.until_received(channel, (turn + 1) * ROUND // len(KEYS))


async def until_receipted(reader: TopicReader, clients: Sequence[Sdk]) -> list[tuple[str, str, str]]:
    """Wait until there are receipts of all that these clients got. Returns: what they got."""
    wanted = [each for client in clients for each in delivered(client)]

    def is_receipted(found: Sequence[Written]) -> bool:
        chains = chains_of(found)
        return all(covering(chains, *each) for each in wanted)

    await asyncio.to_thread(reader.read_until, is_receipted, "all that was delivered is receipted")
    return wanted


async def test_receipts_cover_each_delivered_message_once(
    edge: StartEdge, topic: str, make_topic: MakeTopic, sdk: StartSdk, records: Records
) -> None:
    """
    Ranges chain from ATTACHED on, over a drop of the transport too, since all before it was confirmed.

    The client comes back with the serial of its last message; what is known of it may be a little more, where the
    partition's next records are of other channels. So its ranges may overlap there, and no message is in both.
    """
    proofs = make_topic()
    serving = edge(
        {"account": {"topic": topic, "receipts_topic": proofs}},
        server={"confirm_after_seconds": 0.2, "confirm_every_seconds": 0.5},
        receipts={"every_seconds": 0.1},
    )
    async with CutProxy(serving.port) as proxy:
        clients = [await sdk(kind, serving, port=proxy.port, token=reader_of(*CHANNELS)) for kind in KINDS]
        for client, channel in itertools.product(clients, CHANNELS):
            await client.attach(channel)
        with TopicReader(records.address, proofs) as reader:
            await send_round(records, topic, clients, 0)
            await until_receipted(reader, clients)
            proxy.cut()
            for client in clients:
                await client.until(lambda client=client: client.connections == 2, "connected again")
            await send_round(records, topic, clients, 1)
            wanted = await until_receipted(reader, clients)

    chains = chains_of(reader.found)
    assert len(chains) == len(clients) * len(CHANNELS)
    assert len(wanted) == len(clients) * 2 * ROUND
    assert Counter(covering(chains, *each) for each in wanted) == {1: len(wanted)}
    for chain in chains.values():
        assert len(chain) > 1
        assert [pair for pair in itertools.pairwise(chain) if pair[0][1] < pair[1][0]] == []
    assert {(value["app"], value["clientId"]) for _, value in reader.found} == {("bank", "phone")}
    assert serving.metrics()["lastmile_receipts_total"] == len(reader.found)
