"""Unmodified SDKs publish: into Kafka, acknowledged by it, and out again."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartEdge
from tests.e2e.conftest import StartSdk, reader_of, writer_of
from tests.testbed.cut_proxy import CutProxy
from tests.testbed.edge import KEY, EdgeProcess, token
from tests.testbed.records import Records
from tests.testbed.sdk import KINDS, Fault, Kind

each_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
SEVERAL = [
    {"name": "text", "data": "plain ü"},
    {"name": "looks like JSON", "data": '{"a": 1}'},
    {"name": "object", "data": {"a": [1, "ü", None]}},
    {"name": "array", "data": [1, 2]},
    {"name": "bytes", "data": {"bytes": base64.b64encode(b"\xff\x00plain").decode()}},
    {"name": "empty", "data": ""},
    {"name": "nothing"},
    {"data": "nameless", "extras": {"headers": {"trace": "t1", "id": "not-mine"}, "ref": {"type": "reply"}}},
]
SECRETS = [
    {"data": "a secret ü"},
    {"data": {"a": ["secret", None]}},
    {"data": {"bytes": base64.b64encode(b"\xffsecret").decode()}},
]


@each_kind
async def test_what_is_published_comes_back_as_what_it_was(
    kind: Kind, shared_edge: EdgeProcess, account: str, sdk: StartSdk
) -> None:
    """Text, JSON and bytes, to the publisher and to others in both formats, with who said it."""
    channel = f"account:{account}"
    listener = await sdk(KINDS[1], shared_edge, token=reader_of(channel))
    await listener.attach(channel)
    client = await sdk(kind, shared_edge, token=writer_of(channel))
    await client.attach(channel)

    for message in SEVERAL:
        await client.publish(channel, message)
    for one in (client, listener):
        await one.until_received(channel, len(SEVERAL))

    for one in (client, listener):
        got = one.messages[channel]
        assert [message.get("name") for message in got] == [message.get("name") for message in SEVERAL]
        assert [message.get("data") for message in got] == [message.get("data") for message in SEVERAL]
        assert {message["clientId"] for message in got} == {"phone"}
        assert got[-1]["extras"]["headers"] == {"trace": "t1", "id": "not-mine"}
        assert got[-1]["extras"]["ref"] == {"type": "reply"}


@each_kind
async def test_the_ack_names_the_positions_of_all_that_was_published_together(
    kind: Kind, shared_edge: EdgeProcess, account: str, sdk: StartSdk
) -> None:
    """TR4s: the serials of the ACK are those of the messages as everybody gets them."""
    channel = f"account:{account}"
    client = await sdk(kind, shared_edge, token=writer_of(channel))
    await client.attach(channel)

    serials = await client.publish(channel, *({"data": str(n)} for n in range(5)))
    await client.until_received(channel, 5)

    assert client.data(channel) == [str(n) for n in range(5)]
    assert serials == [message["serial"] for message in client.messages[channel]]


@pytest.mark.parametrize("kind", KINDS[:2], ids=str)  # ably-python has no such option
async def test_publishing_needs_no_attachment_and_echo_can_be_off(
    kind: Kind, shared_edge: EdgeProcess, account: str, sdk: StartSdk
) -> None:
    """RTL6c5, RTC1a."""
    channel = f"account:{account}"
    listener = await sdk(kind, shared_edge, token=reader_of(channel))
    await listener.attach(channel)
    unattached = await sdk(kind, shared_edge, token=writer_of(channel))
    silent = await sdk(kind, shared_edge, token=writer_of(channel), echo=False)
    await silent.attach(channel)

    await unattached.publish(channel, {"data": "from outside"})
    await silent.publish(channel, {"data": "not for me"})
    await unattached.publish(channel, {"data": "the last"})
    await listener.until_received(channel, 3)
    await silent.until_received(channel, 2)

    assert listener.data(channel) == ["from outside", "not for me", "the last"]
    assert silent.data(channel) == ["from outside", "the last"]


@each_kind
async def test_a_refused_publication_says_why_and_the_next_one_goes_on(
    kind: Kind, shared_edge: EdgeProcess, account: str, sdk: StartSdk
) -> None:
    """NACK with its code: rights, namespace, name, ids, clientId, size."""
    channel = f"account:{account}"
    anonymous = token(now=time.time(), capability={channel: ["publish", "subscribe"], "nowhere:*": ["*"]})
    client = await sdk(kind, shared_edge, token=anonymous)
    codes = []
    refused: list[tuple[str, list[dict[str, Any]]]] = [
        (f"{channel}-other", [{"data": "x"}]),
        ("nowhere:1", [{"data": "x"}]),
        (":nameless", [{"data": "x"}]),
        (channel, [{"id": "a", "data": "x"}, {"id": "b", "data": "y"}]),
        (channel, [{"data": "x", "clientId": "somebody"}]),
        (channel, [{"data": "x" * 70000}]),
    ]

    for name, messages in refused:
        with pytest.raises(Fault) as refusal:
            await client.publish(name, *messages)
        codes.append(refusal.value.code)

    assert codes == [40160, 40400, 40010, 40031, 40012, 40009]
    assert await client.publish(channel, {"data": "good"})
    assert client.state == "connected"


@each_kind
async def test_an_id_of_ones_own_makes_a_repetition_harmless(
    kind: Kind, shared_edge: EdgeProcess, account: str, sdk: StartSdk
) -> None:
    """RSL1k5: delivered once, alone and in arrays, by whichever way; all are told the first one's serials."""
    channel = f"account:{account}"
    options = {"token": writer_of(channel, client_id="server")}
    client = await sdk(kind, shared_edge, key=KEY, clientId="server")
    await client.attach(channel)
    alone = [{"id": "order-1", "data": "once"}]
    several = [{"id": "order-2:0", "data": "both"}, {"id": "order-2:1", "data": "once"}]

    told = [[await client.publish(channel, *messages) for _ in range(2)] for messages in (alone, several)]
    over_rest = [await client.rest_publish(channel, options, *messages) for messages in (alone, several)]
    await client.publish(channel, {"data": "end"})
    await client.until(lambda: "end" in client.data(channel), "the end")

    assert [first for first, _ in told] == [again for _, again in told] == over_rest
    assert client.data(channel) == ["once", "both", "once", "end"]


async def test_an_encrypted_channel_passes_unread_and_resumes(
    shared_edge: EdgeProcess, shared_topic: str, account: str, sdk: StartSdk, records: Records
) -> None:
    """RSL5, RSL6: every kind reads every kind's, also what came while its network was cut; nobody else does."""
    channel = f"account:{account}"
    cipher = {"key": base64.b64encode(bytes(range(32))).decode()}
    wanted = [message.get("data") for message in SECRETS]
    stranger = await sdk(KINDS[0], shared_edge, token=reader_of(channel))
    await stranger.attach(channel)
    async with CutProxy(shared_edge.port) as network:
        clients = [await sdk(kind, shared_edge, port=network.port, token=writer_of(channel)) for kind in KINDS]
        for client in clients:
            await client.attach(channel, cipher=cipher)
        sender = await sdk(KINDS[1], shared_edge, token=writer_of(channel))
        await sender.attach(channel, cipher=cipher)
        for client in clients:
            await client.publish(channel, *SECRETS)
        network.stall()
        network.cut()
        await sender.publish(channel, *SECRETS)
        network.resume()
        for client in clients:
            await client.until_received(channel, len(SECRETS) * 5)
    await stranger.until_received(channel, len(SECRETS) * 5)

    for client in clients:
        assert client.data(channel) == wanted * 5
        assert client.losses([channel]) == []
    chains = [message["encoding"].split("/") for message in stranger.messages[channel]]
    assert {chain[-1] for chain in chains} == {"cipher+aes-256-cbc"}
    stored = [record.value() for record in records.read(shared_topic) if record.key() == account.encode()]
    assert len(stored) == len(SECRETS) * 5
    assert not any(b"secret" in value for value in stored)


@each_kind
async def test_a_server_publishes_over_rest(kind: Kind, shared_edge: EdgeProcess, account: str, sdk: StartSdk) -> None:
    """RSL1n: answered with the serials that listeners get; refused with the code."""
    channel = f"account:{account}"
    options = {"token": writer_of(channel)}
    client = await sdk(kind, shared_edge, **options)
    await client.attach(channel)

    serials = await client.rest_publish(channel, options, *SEVERAL)
    with pytest.raises(Fault) as refusal:
        await client.rest_publish(f"{channel}-other", options, {"data": "x"})
    await client.until_received(channel, len(SEVERAL))

    assert client.data(channel) == [message.get("data") for message in SEVERAL]
    assert serials == [message["serial"] for message in client.messages[channel]]
    assert refusal.value.code == 40160


async def test_a_namespace_takes_what_fits_its_schema(
    edge: StartEdge, topic: str, tmp_path: Path, sdk: StartSdk
) -> None:
    """A bank's payments, from both SDKs and over REST: what services read has the form that they expect."""
    schema = tmp_path / "payment.json"
    schema.write_text(json.dumps({"type": "object", "properties": {"amount": {"type": "integer"}}}))
    bank = edge({"account": {"topic": topic, "publish_schema_file": str(schema)}})
    channel, options = "account:1", {"token": writer_of("account:1")}
    clients = [await sdk(kind, bank, **options) for kind in KINDS]
    await clients[0].attach(channel)
    faults = []

    for client in clients:
        for data in ({"amount": "5"}, {"bytes": "/w=="}):
            with pytest.raises(Fault) as refusal:
                await client.publish(channel, {"data": data})
            faults.append(refusal.value)
        await client.publish(channel, {"data": {"amount": 5}})
    with pytest.raises(Fault) as refusal:
        await clients[1].rest_publish(channel, options, {"data": {"amount": 5}}, {"data": "five"})
    await clients[0].until_received(channel, len(KINDS))

    assert {fault.code for fault in [*faults, refusal.value]} == {40013}
    assert all("at /amount: this value is not of type" in str(fault) for fault in faults[::2])
    assert clients[0].data(channel) == [{"amount": 5}] * len(KINDS)


async def test_a_batch_tells_of_each_channel_what_became_of_it(
    shared_edge: EdgeProcess, account: str, sdk: StartSdk
) -> None:
    """RSC22, BPR, BPF."""
    first, second, other = (f"account:{account}{end}" for end in ("", "-b", "-other"))
    options = {"token": writer_of(first, second)}
    client = await sdk(KINDS[0], shared_edge, **options)
    for channel in (first, second):
        await client.attach(channel)

    told = await client.batch_publish({"channels": [first, second, other], "messages": [{"data": "to all"}]}, options)
    for channel in (first, second):
        await client.until_received(channel, 1)

    assert (told["successCount"], told["failureCount"]) == (2, 1)
    assert [result["channel"] for result in told["results"]] == [first, second, other]
    assert told["results"][0]["serials"] == [client.messages[first][0]["serial"]]
    assert told["results"][2]["error"]["code"] == 40160
