"""lastmile.js on real edges: what the SDKs do by themselves, ours does too."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.conftest import Produce, StartEdge
from tests.e2e.conftest import reader_of
from tests.e2e.own.client import OwnClient
from tests.testbed.cut_proxy import CutProxy
from tests.testbed.edge import EdgeProcess
from tests.testbed.flow import Flow
from tests.testbed.records import Records
from tests.testbed.sdk import Fault

StartClient = Callable[..., Awaitable[OwnClient]]


@pytest.fixture
async def client() -> AsyncIterator[StartClient]:
    """
    Start a client: ``await client(port, token=token)`` is connected or failed when it returns.

    Args of the factory: the port; ``mint`` for one that asks for tokens; and what `Sdk.connect` takes.
    """
    async with AsyncExitStack() as running:

        async def start(port: int, *, mint: Callable[[], str] | None = None, **options: Any) -> OwnClient:
            client = await running.enter_async_context(OwnClient(port, mint=mint))
            await client.connect(**options)
            return client

        yield start


# ---------------------------------------------------------------------- what arrives


async def test_values_of_every_kind_arrive_as_what_they_are(
    shared_edge: EdgeProcess, shared_topic: str, account: str, client: StartClient, produce: Produce
) -> None:
    """JSON as values, text as text, bytes as bytes, a tombstone as an event without data; each with its position."""
    channel = f"account:{account}"
    own = await client(shared_edge.port, token=reader_of(channel))
    await own.attach(channel)

    values = ['{"a": [1, "ü"]}', "[1, 2]", "plain ü", b"\xff\x00", None]
    produce(shared_topic, [(account, value, {"name": "payment", "trace": "t"}) for value in values])
    await own.until_received(channel, 5)

    messages = own.messages[channel]
    expected = [{"a": [1, "ü"]}, [1, 2], "plain ü", {"bytes": base64.b64encode(b"\xff\x00").decode()}, None]
    assert own.data(channel) == expected
    assert messages[0]["name"] == "payment"
    assert messages[0]["extras"]["headers"] == {"trace": "t"}
    assert messages[0]["id"] == "{topic}:{partition}:{offset}".format_map(messages[0]["extras"]["kafka"])
    assert [message["serial"] for message in messages] == sorted({message["serial"] for message in messages})


async def test_rewind_begins_with_earlier_messages(
    shared_edge: EdgeProcess, shared_topic: str, account: str, client: StartClient, produce: Produce
) -> None:
    """Then it goes on live, without a gap; and there is nothing that it would have to be told is missing."""
    channel = f"account:{account}"
    own = await client(shared_edge.port, token=reader_of(channel, f"account:{account}-witness"))
    produce(shared_topic, [(account, str(number)) for number in range(5)])
    witness = await client(shared_edge.port, token=reader_of(channel))
    await witness.attach(channel, rewind="2m")
    await witness.until_received(channel, 5)  # so the edge has read them

    await own.attach(channel, rewind=3)
    produce(shared_topic, [(account, "live")])
    await own.until(lambda: "live" in own.data(channel), "the live one")

    assert own.data(channel) == ["2", "3", "4", "live"]
    assert own.attached(channel)[0]["hasBacklog"]
    assert own.gaps[channel] == []


# ---------------------------------------------------------------------- over drops


async def test_cut_at_random_every_record_arrives_once_in_order(
    shared_edge: EdgeProcess, shared_topic: str, account: str, client: StartClient, records: Records
) -> None:
    """In the middle of frames, of handshakes and of backlogs: 30 cuts while 3,000 records flow on two channels."""
    keys = [f"{account}-a", f"{account}-b"]
    flow = Flow(records, shared_topic, keys, total=3000, per_second=500)
    chance = random.Random(7)
    async with CutProxy(shared_edge.port) as proxy:
        own = await client(proxy.port, token=reader_of(*(f"account:{key}" for key in keys)))
        for key in keys:
            await own.attach(f"account:{key}")
        flowing = asyncio.create_task(flow.run())

        while proxy.cuts < 30 and not flow.is_over:
            if own.state == "connected" and not proxy.is_armed:
                proxy.cut_after(chance.randrange(1, 20_000), reset=chance.random() < 0.5)
            elif own.state == "disconnected":
                await own.reopen()  # the pauses are not what is tested
            await asyncio.sleep(0.005)  # the pace of the cuts
        await flowing
        await flow.prove(own, deadline_seconds=30)

    assert proxy.cuts > 10
    assert own.gaps == {}


async def test_another_edge_takes_over(
    edge: StartEdge, topic: str, client: StartClient, records: Records, produce: Produce
) -> None:
    """kill -9, and it goes on elsewhere: resumed, no gap, none twice."""
    first, second = edge({"account": {"topic": topic}}), edge({"account": {"topic": topic}})
    async with CutProxy(first.port) as proxy:
        own = await client(proxy.port, token=reader_of("account:1"))
        await own.attach("account:1")
        produce(topic, [("1", str(number)) for number in range(10)])
        await own.until_received("account:1", 10)

        first.kill()
        proxy.target = second.port
        produce(topic, [("1", str(number)) for number in range(10, 20)])
        await own.until_received("account:1", 20)

    assert own.data("account:1") == [str(number) for number in range(20)]
    assert own.attached("account:1")[-1]["resumed"]
    assert own.gaps == {}


async def test_an_edge_that_drains_sends_its_clients_elsewhere(
    edge: StartEdge, topic: str, client: StartClient
) -> None:
    """DISCONNECTED 80003: it is back on another edge before the first has ended."""
    first, second = edge({"account": {"topic": topic}}), edge({"account": {"topic": topic}})
    async with CutProxy(first.port) as proxy:
        own = await client(proxy.port, token=reader_of("account:1"))
        await own.attach("account:1")

        proxy.target = second.port
        assert await asyncio.to_thread(first.terminate) == 0
        await own.until(lambda: len(own.attached("account:1")) == 2, "attached again")

    reasons = [change["reason"]["code"] for change in own.connection if change["state"] == "disconnected"]
    assert reasons[0] == 80003
    assert own.attached("account:1")[-1]["resumed"]


async def test_a_silent_edge_is_left(edge: StartEdge, topic: str, client: StartClient, produce: Produce) -> None:
    """RTN23a: no heartbeat within what was promised and 10 s, so the network has lost its way; what came meanwhile is there after it."""
    quick = edge({"account": {"topic": topic}}, server={"idle_interval_seconds": 1})
    async with CutProxy(quick.port) as proxy:
        own = await client(proxy.port, token=reader_of("account:1"))
        await own.attach("account:1")

        proxy.stall()
        produce(topic, [("1", "while silent")])
        await own.until(lambda: own.state == "disconnected", "it notices")
        proxy.cut()
        proxy.resume()
        await own.until_received("account:1", 1)

    assert own.connection[1]["reason"]["message"] == "the server is silent"
    assert own.attached("account:1")[-1]["resumed"]


async def test_a_new_client_goes_on_after_a_kept_serial(
    shared_edge: EdgeProcess, shared_topic: str, account: str, client: StartClient, produce: Produce
) -> None:
    """A page that was closed, or an app that was killed, and has kept the serial of the last message it dealt with."""
    channel = f"account:{account}"
    before = await client(shared_edge.port, token=reader_of(channel))
    await before.attach(channel)
    produce(shared_topic, [(account, "dealt with"), (account, "not any more")])
    await before.until_received(channel, 2)
    kept = before.messages[channel][0]["serial"]

    after = await client(shared_edge.port, token=reader_of(channel))
    await after.attach(channel, serial=kept, rewind=100)
    await after.until_received(channel, 1)

    assert after.data(channel) == ["not any more"]
    assert after.attached(channel)[0]["resumed"]
    assert after.gaps == {}


async def test_what_cannot_be_proven_is_told_as_a_gap(
    shared_edge: EdgeProcess, shared_topic: str, account: str, client: StartClient, produce: Produce
) -> None:
    """RTL12: ATTACHED without RESUMED, with the reason and both ends; then it goes on from there."""
    channel = f"account:{account}"
    own = await client(shared_edge.port, token=reader_of(channel))
    other_life = "zzzzzzzz-00000-0000000000000007"

    await own.attach(channel, serial=other_life)
    produce(shared_topic, [(account, "later")])
    await own.until_received(channel, 1)

    (gap,) = own.gaps[channel]
    assert gap["after"] == other_life
    assert gap["reason"]["code"] == 90003
    assert gap["serial"] == own.attached(channel)[0]["serial"]
    assert not own.attached(channel)[0]["resumed"]


# ---------------------------------------------------------------------- detach and close


async def test_detached_it_hears_nothing_and_goes_on_from_there(
    shared_edge: EdgeProcess, shared_topic: str, account: str, client: StartClient, produce: Produce
) -> None:
    """The serial stays, so attach() brings what was missed."""
    channel = f"account:{account}"
    own, witness = [await client(shared_edge.port, token=reader_of(channel)) for _ in range(2)]
    for each in (own, witness):
        await each.attach(channel)

    await own.detach(channel)
    await own.until(lambda: own.channel_state(channel) == "detached", "detached")
    produce(shared_topic, [(account, "meanwhile")])
    await witness.until_received(channel, 1)
    heard = len(own.messages[channel])
    await own.attach(channel)
    await own.until_received(channel, 1)

    assert heard == 0
    assert own.data(channel) == ["meanwhile"]
    assert own.attached(channel)[-1]["resumed"]


async def test_closed_it_stays_closed_until_it_is_told_to_connect(
    shared_edge: EdgeProcess, shared_topic: str, account: str, client: StartClient, produce: Produce
) -> None:
    """The edge forgets the connection, the channel does not forget its position."""
    channel = f"account:{account}"
    own = await client(shared_edge.port, token=reader_of(channel))
    await own.attach(channel)
    first_id = own.connection[-1]["id"]

    await own.close()
    await own.until(lambda: own.state == "closed", "closed")
    produce(shared_topic, [(account, "meanwhile")])
    await own.reopen()
    await own.until_received(channel, 1)

    assert own.states == ["connected", "closed", "connecting", "connected"]
    assert own.connection[-1]["id"] != first_id
    assert own.attached(channel)[-1]["resumed"]


# ---------------------------------------------------------------------- tokens and refusals


async def test_a_refused_channel_fails_and_nothing_else(
    shared_edge: EdgeProcess, account: str, client: StartClient
) -> None:
    """40160 at the channel; the connection stays."""
    own = await client(shared_edge.port, token=reader_of(f"account:{account}"))

    with pytest.raises(Fault) as refusal:
        await own.attach("account:of-somebody-else")

    assert refusal.value.code == 40160
    assert own.channel_state("account:of-somebody-else") == "failed"
    assert own.state == "connected"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda: reader_of("account:1", ttl_seconds=-60), 40142),
        (lambda: reader_of("account:1")[:-4] + "AAAA", 40140),
    ],
    ids=["expired", "forged"],
)
async def test_a_token_that_cannot_be_renewed_is_final(
    token: Callable[[], str], code: int, shared_edge: EdgeProcess, client: StartClient
) -> None:
    """A retry with the same one would be refused again, for ever."""
    own = await client(shared_edge.port, token=token())

    assert own.state == "failed"
    assert own.connection[-1]["reason"]["code"] == code


async def test_an_expired_token_is_renewed_before_the_connection_is_made(
    shared_edge: EdgeProcess, account: str, client: StartClient
) -> None:
    """RTN14b: 40142 in answer to the handshake; the app is asked for another."""
    tokens = iter([reader_of(f"account:{account}", ttl_seconds=-60), reader_of(f"account:{account}")])

    own = await client(shared_edge.port, mint=lambda: next(tokens))

    assert own.states == ["disconnected", "connecting", "connected"]
    assert own.connection[0]["reason"]["code"] == 40142
    assert own.tokens_asked == 2


async def test_a_token_that_ends_is_renewed_in_band(
    shared_edge: EdgeProcess, shared_topic: str, account: str, client: StartClient, produce: Produce
) -> None:
    """RTN22: the edge asks before the end, and the connection lives on beyond it."""
    channel = f"account:{account}"
    lives = iter([3.0])
    own = await client(shared_edge.port, mint=lambda: reader_of(channel, ttl_seconds=next(lives, 3600)))
    await own.attach(channel)

    ends_at, sent = time.monotonic() + 4.0, 0
    while time.monotonic() < ends_at:
        produce(shared_topic, [(account, str(sent))])
        sent += 1
        await own.until_received(channel, sent)

    assert own.tokens_asked == 2
    assert own.states == ["connected"]
    assert len(own.messages[channel]) == sent


async def test_without_a_token_it_tries_again(shared_edge: EdgeProcess, account: str, client: StartClient) -> None:
    """The app's server was away for a moment: 80019, and the next attempt asks again."""
    answers = iter(["", reader_of(f"account:{account}")])  # the driver lets the promise fail on an empty one

    own = await client(shared_edge.port, mint=lambda: next(answers))

    assert own.states == ["disconnected", "connecting", "connected"]
    assert own.connection[0]["reason"]["code"] == 80019


@pytest.mark.parametrize(("status", "state"), [(200, "connected"), (403, "failed")])
@pytest.mark.parametrize("form", ["text", "json"])
async def test_tokens_come_from_the_server_of_the_app(
    form: str, status: int, state: str, shared_edge: EdgeProcess, account: str, client: StartClient
) -> None:
    """authUrl answers with a JWT, bare or in JSON; 401 or 403 means that nobody is logged in, which is final."""
    token = reader_of(f"account:{account}")
    body = token if form == "text" else json.dumps({"token": token})

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} So\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        own = await client(shared_edge.port, authUrl=f"http://127.0.0.1:{port}/token")

    assert own.state == state
