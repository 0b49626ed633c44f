"""Unmodified SDKs and a past that has left the window: history, rewind, untilAttach and recover."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.conftest import Produce, StartEdge
from tests.e2e.conftest import StartSdk
from tests.e2e.replaying import CHANNEL, SHORT, numbers, texts, until_forgotten, until_written
from tests.testbed.edge import EdgeProcess, token
from tests.testbed.redis import RedisServer
from tests.testbed.sdk import KINDS, Kind, Sdk

JS_KINDS = [kind for kind in KINDS if kind.language == "js"]
NUMBERS = 120


def credentials(client_id: str = "phone") -> dict[str, str]:
    return {"token": token(now=time.time(), client_id=client_id, capability={"account:*": ["*"]})}


def data(pages: list[list[dict[str, Any]]]) -> list[str]:
    return [message["data"] for page in pages for message in page]


async def prove_past(clients: list[Sdk], count: int) -> None:
    """Pages in both directions, between two times, and until the attachment; of every SDK."""
    for client in clients:
        backwards = await client.walk(CHANNEL, credentials(), limit=50)
        forwards = await client.walk(CHANNEL, credentials(), limit=50, direction="forwards")
        first, last = backwards[-1][-1]["timestamp"], backwards[0][0]["timestamp"]
        between = await client.walk(CHANNEL, credentials(), start=first, end=last)

        assert data(backwards) == texts(count)[::-1]
        assert data(forwards) == data(between)[::-1] == texts(count)
        assert len(backwards) == len(forwards) == -(-count // 50)
        if client.kind.language == "js":  # ably-python has no untilAttach
            before = await client.before_attach(CHANNEL)
            assert [message["data"] for message in before] == texts(NUMBERS)[::-1][:100]


async def test_the_past_is_whole_for_every_sdk_with_the_history_and_without_it(
    edge: StartEdge, topic: str, produce: Produce, sdk: StartSdk, redis_server: RedisServer
) -> None:
    """RSL2, RTL10, RTL10b, and rewind: out of Redis; out of a Redis that was flushed; and beside messages that flow."""
    served = edge({"account": {"topic": topic}}, window=SHORT, redis_url=redis_server.url)
    produce(topic, numbers(NUMBERS))
    until_forgotten(served, NUMBERS)
    until_written(served)
    clients = [await sdk(kind, served, **credentials()) for kind in KINDS]
    for client in clients:
        await client.attach(CHANNEL)
    produce(topic, numbers(10, NUMBERS))
    for client in clients:
        await client.until_received(CHANNEL, 10)

    await prove_past(clients, NUMBERS + 10)
    for kind, rewind in zip(KINDS, ("125", "10m", "10m", "125"), strict=True):
        late = await sdk(kind, served, **credentials())
        await late.attach(CHANNEL, params={"rewind": rewind})
        wanted = texts(NUMBERS + 10)[-125 if rewind == "125" else 0 :]
        await late.until_received(CHANNEL, len(wanted))
        assert late.data(CHANNEL) == wanted
        assert (await late.status(CHANNEL, credentials()))["status"]["isActive"]
    told = await clients[0].status(CHANNEL, credentials())
    assert told["channelId"] == CHANNEL
    assert told["status"]["occupancy"]["metrics"]["subscribers"] >= len(KINDS)

    redis_server.flush()  # the historian notices it a moment later, and writes everything again
    await prove_past(clients, NUMBERS + 10)


# ---------------------------------------------------------------------- recover


async def recovered(sdk: StartSdk, kind: Kind, edge: EdgeProcess, key: str, client_id: str = "phone") -> Sdk:
    return await sdk(kind, edge, recover=key, **credentials(client_id))


@pytest.mark.parametrize("kind", JS_KINDS, ids=str)
async def test_another_instance_goes_on_with_a_connection_whose_edge_was_killed(
    kind: Kind, edge: StartEdge, topic: str, produce: Produce, sdk: StartSdk, redis_server: RedisServer
) -> None:
    """
    RTN16: same connectionId, channels from the serials of the recovery key on, and nothing that it publishes is lost.

    ably-python has the option `recover` and does not use it.
    """
    namespaces = {"account": {"topic": topic}}
    one, other = (edge(namespaces, window=SHORT, redis_url=redis_server.url) for _ in range(2))
    witness = await sdk(kind, other, **credentials())
    first = await sdk(kind, one, **credentials())
    await witness.attach(CHANNEL)
    await first.attach(CHANNEL)
    await first.attach("account:quiet ü")
    await first.publish(CHANNEL, {"data": "published before"})
    await first.until_received(CHANNEL, 1)
    key = await first.recovery_key()
    await first.publish(CHANNEL, {"data": "published after the key was made"})
    await asyncio.to_thread(redis_server.wait_for_connections, 2)
    one.kill()
    produce(topic, numbers(200))
    until_forgotten(other, 202)

    second = await recovered(sdk, kind, other, key)
    await second.attach(CHANNEL)
    await second.attach("account:quiet ü")
    serials = [await second.publish(CHANNEL, {"data": f"fresh {n}"}) for n in range(3)]
    missed = ["published after the key was made", *texts(200), *(f"fresh {n}" for n in range(3))]
    await second.until_received(CHANNEL, len(missed))
    await witness.until_received(CHANNEL, len(missed) + 1)

    assert second.connection[-1]["id"] == first.connection[-1]["id"]
    assert second.connection[-1].get("reason") is None
    assert second.data(CHANNEL) == missed
    assert all(second.channels[name][-1]["resumed"] for name in (CHANNEL, "account:quiet ü"))
    assert witness.data(CHANNEL) == ["published before", *missed]
    assert [[message["serial"]] for message in second.messages[CHANNEL][-3:]] == serials

    await prove_failures(sdk, kind, other, second, redis_server)


async def prove_failures(sdk: StartSdk, kind: Kind, edge: EdgeProcess, before: Sdk, redis_server: RedisServer) -> None:
    """RTN16l: a new connection with the reason, and channels that resume by their serials all the same."""
    key = await before.recovery_key()
    somebody_else = await recovered(sdk, kind, edge, key, client_id="somebody-else")
    assert (somebody_else.state, somebody_else.connection[-1]["reason"]["code"]) == ("failed", 40102)

    await before.close()
    await asyncio.to_thread(redis_server.wait_for_closed, 1)
    closed = await recovered(sdk, kind, edge, key)
    assert closed.connection[-1]["reason"]["code"] == 80017
    forgotten_key = await closed.recovery_key()
    await asyncio.to_thread(redis_server.wait_for_connections, 4)
    redis_server.flush()

    forgotten = await recovered(sdk, kind, edge, forgotten_key)
    await forgotten.attach(CHANNEL)
    await forgotten.publish(CHANNEL, {"data": "under a new connection"})
    await forgotten.until_received(CHANNEL, 1)

    assert forgotten.connection[-1]["reason"]["code"] == 80008
    assert forgotten.connection[-1]["id"] != closed.connection[-1]["id"]
    assert forgotten.data(CHANNEL)[-1] == "under a new connection"
