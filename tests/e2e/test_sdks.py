"""Unmodified SDKs on one edge: what they receive, what they are refused, how they renew."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable

import pytest

from tests.conftest import Produce
from tests.e2e.conftest import StartSdk, reader_of
from tests.testbed.edge import KEY, EdgeProcess
from tests.testbed.sdk import KINDS, Fault, Kind

each_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


@each_kind
@pytest.mark.parametrize(
    "credentials", [lambda channel: {"key": KEY}, lambda channel: {"token": reader_of(channel)}], ids=["key", "token"]
)
async def test_a_thousand_records_come_in_order(
    kind: Kind,
    credentials: Callable[[str], dict[str, str]],
    shared_edge: EdgeProcess,
    shared_topic: str,
    account: str,
    sdk: StartSdk,
    produce: Produce,
) -> None:
    """From a record of Kafka to the message of the SDK, with name, headers and position."""
    channel = f"account:{account}"
    client = await sdk(kind, shared_edge, **credentials(channel))
    await client.attach(channel)

    produce(
        shared_topic,
        ((account, json.dumps({"n": n}), {"name": "payment", "trace": f"t{n}"}) for n in range(1000)),
    )
    await client.until_received(channel, 1000)

    messages = client.messages[channel]
    assert client.data(channel) == [{"n": n} for n in range(1000)]
    assert {message["name"] for message in messages} == {"payment"}
    assert messages[7]["extras"]["headers"] == {"trace": "t7"}
    assert messages[7]["id"] == "{topic}:{partition}:{offset}".format_map(messages[7]["extras"]["kafka"])
    assert messages[7]["extras"]["kafka"]["key"] == account
    assert [message["serial"] for message in messages] == sorted({message["serial"] for message in messages})


@each_kind
async def test_values_of_every_kind_arrive_as_what_they_are(
    kind: Kind, shared_edge: EdgeProcess, shared_topic: str, account: str, sdk: StartSdk, produce: Produce
) -> None:
    """JSON as values, text as text, bytes as bytes, a tombstone as an event without data."""
    channel = f"account:{account}"
    client = await sdk(kind, shared_edge, token=reader_of(channel))
    await client.attach(channel)

    produce(
        shared_topic,
        [
            (account, '{"a": [1, "ü"]}'),
            (account, "[1, 2]"),
            (account, "plain ü"),
            (account, b"\xff\x00"),
            (account, None),
        ],
    )
    await client.until_received(channel, 5)

    data = client.data(channel)
    assert data == [{"a": [1, "ü"]}, [1, 2], "plain ü", {"bytes": base64.b64encode(b"\xff\x00").decode()}, None]
    assert client.messages[channel][4]["name"] == "deleted"


@each_kind
async def test_a_refused_channel_fails_with_40160(
    kind: Kind, shared_edge: EdgeProcess, account: str, sdk: StartSdk
) -> None:
    """The channel fails and nothing else: the connection stays."""
    client = await sdk(kind, shared_edge, token=reader_of(f"account:{account}"))

    with pytest.raises(Fault) as refusal:
        await client.attach("account:of-somebody-else")

    assert refusal.value.code == 40160
    assert client.channel_state("account:of-somebody-else") == "failed"
    assert client.state == "connected"


@each_kind
async def test_a_wrong_key_fails_the_connection(kind: Kind, shared_edge: EdgeProcess, sdk: StartSdk) -> None:
    """RTN14g: what no retry can heal is final."""
    client = await sdk(kind, shared_edge, key="bank.server:not-the-secret-of-this-key-at-all-no")

    assert client.state == "failed"
    assert client.connection[-1]["reason"]["code"] == 40101


@each_kind
async def test_an_expired_token_is_renewed_before_the_connection_is_made(
    kind: Kind, shared_edge: EdgeProcess, account: str, sdk: StartSdk
) -> None:
    """RTN14b: 40142 in answer to the handshake makes the SDK ask its app for another."""
    channel = f"account:{account}"
    tokens = iter([reader_of(channel, ttl_seconds=-60), reader_of(channel)])

    client = await sdk(kind, shared_edge, mint=lambda: next(tokens))
    await client.until(lambda: client.state == "connected", "connected")

    assert client.tokens_asked == 2


@each_kind
async def test_a_token_that_ends_is_renewed_in_band(
    kind: Kind, shared_edge: EdgeProcess, shared_topic: str, account: str, sdk: StartSdk, produce: Produce
) -> None:
    """RTN22: the edge asks before the end, the connection goes on under the same id, and no message is missed."""
    channel = f"account:{account}"
    lives = iter([4.0])
    client = await sdk(kind, shared_edge, mint=lambda: reader_of(channel, ttl_seconds=next(lives, 3600)))
    await client.attach(channel)
    first_id = client.connection[-1]["id"]

    ends_at = time.monotonic() + 4.5
    sent = 0
    while time.monotonic() < ends_at:
        produce(shared_topic, [(account, str(sent))])
        sent += 1
        await client.until_received(channel, sent)

    assert client.tokens_asked == 2
    assert client.state == "connected"
    assert {change["state"] for change in client.connection[1:]} == {"connected"}
    assert client.connection[-1]["id"] == first_id
    assert len(client.messages[channel]) == sent


@each_kind
async def test_authorize_replaces_the_rights_of_the_connection(
    kind: Kind, shared_edge: EdgeProcess, account: str, sdk: StartSdk
) -> None:
    """RTC8: a wider token opens what was refused; a narrower one fails the channels that it does not allow."""
    first, second = f"account:{account}-a", f"account:{account}-b"
    tokens = iter([reader_of(first), reader_of(first, second), reader_of(second)])
    client = await sdk(kind, shared_edge, mint=lambda: next(tokens))
    connection_id = client.connection[-1]["id"]
    await client.attach(first)

    await client.authorize()
    await client.attach(second)
    await client.authorize()
    await client.until(lambda: client.channel_state(first) == "failed", "the first channel is refused")

    assert client.channels[first][-1]["reason"]["code"] == 40160
    await client.until(lambda: client.channel_state(second) == "attached", "the second channel goes on")
    assert client.connection[-1]["id"] == connection_id


@each_kind
@pytest.mark.parametrize("rewind", ["3", "2m"])
async def test_rewind_begins_with_earlier_messages(
    kind: Kind, rewind: str, shared_edge: EdgeProcess, shared_topic: str, account: str, sdk: StartSdk, produce: Produce
) -> None:
    """By count and by time; then it goes on live, without a gap."""
    channel = f"account:{account}"
    client = await sdk(kind, shared_edge, token=reader_of(channel))
    produce(shared_topic, [(account, f"early {n}") for n in range(5)])
    witness = await sdk(kind, shared_edge, token=reader_of(channel))
    await witness.attach(channel, params={"rewind": "2m"})
    await witness.until_received(channel, 5)  # so the edge has read them

    granted = await client.attach(channel, params={"rewind": rewind})
    produce(shared_topic, [(account, "live")])
    await client.until(lambda: "live" in client.data(channel), "the live one")

    expected = range(2, 5) if rewind == "3" else range(5)
    assert client.data(channel) == [*(f"early {n}" for n in expected), "live"]
    assert granted["params"] == {"rewind": rewind}


@each_kind
async def test_the_past_is_read_over_rest(
    kind: Kind, shared_edge: EdgeProcess, shared_topic: str, account: str, sdk: StartSdk, produce: Produce
) -> None:
    """By page, newest first as by default, with the same ids and serials as live."""
    channel = f"account:{account}"
    reader = reader_of(channel)
    client = await sdk(kind, shared_edge, token=reader)
    await client.attach(channel)
    produce(shared_topic, [(account, json.dumps({"n": n})) for n in range(5)])
    await client.until_received(channel, 5)

    newest = await client.history(channel, {"token": reader}, limit=2)
    oldest = await client.history(channel, {"token": reader}, limit=2, direction="forwards")

    live = client.messages[channel]
    assert [message["data"] for message in newest["messages"]] == [{"n": 4}, {"n": 3}]
    assert [message["data"] for message in oldest["messages"]] == [{"n": 0}, {"n": 1}]
    assert newest["hasNext"]
    assert newest["messages"][0]["id"] == live[4]["id"]


@each_kind
async def test_the_time_is_told_over_rest(kind: Kind, shared_edge: EdgeProcess, account: str, sdk: StartSdk) -> None:
    client = await sdk(kind, shared_edge, token=reader_of(f"account:{account}"))

    told = await client.time({"token": reader_of(f"account:{account}")})

    assert abs(told / 1000 - time.time()) < 5


@each_kind
async def test_nothing_comes_after_detach_and_all_of_it_after_the_next_attach(
    kind: Kind, shared_edge: EdgeProcess, shared_topic: str, account: str, sdk: StartSdk, produce: Produce
) -> None:
    """RTL5, and an SDK that was detached begins anew (RTL15b1)."""
    channel = f"account:{account}"
    client = await sdk(kind, shared_edge, token=reader_of(channel))
    witness = await sdk(kind, shared_edge, token=reader_of(channel))
    await client.attach(channel)
    await witness.attach(channel)
    await client.detach(channel)

    produce(shared_topic, [(account, "while detached")])
    await witness.until_received(channel, 1)  # so the edge has read it
    await client.attach(channel)
    produce(shared_topic, [(account, "attached again")])
    await client.until_received(channel, 1)

    assert client.data(channel) == ["attached again"]
