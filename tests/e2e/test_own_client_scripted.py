"""lastmile.js and what an edge does seldom: a server that says, word for word, what the protocol allows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve

from gateway.core.wire import Action, Flag
from tests.e2e.own.client import OwnClient

CHANNEL = "account:1"


class Script:
    """One transport after the other of one client, spoken to by a test."""

    def __init__(self) -> None:
        self.transports: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def next_transport(self, key: str = "key-1") -> ServerConnection:
        """The client's next transport, with CONNECTED said."""
        async with asyncio.timeout(20):
            transport = await self.transports.get()
        details = {"connectionKey": key, "maxIdleInterval": 15000}
        await say(transport, Action.CONNECTED, connectionId="c", connectionDetails=details)
        return transport


async def say(transport: ServerConnection, action: Action, **fields: Any) -> None:
    """Send a protocol message."""
    await transport.send(json.dumps({"action": int(action), **fields}))


async def heard(transport: ServerConnection) -> dict[str, Any]:
    """The client's next protocol message."""
    async with asyncio.timeout(20):
        return dict(json.loads(await transport.recv()))


def query_of(transport: ServerConnection) -> dict[str, list[str]]:
    """What the client asked for in its handshake."""
    assert transport.request is not None
    return parse_qs(urlsplit(transport.request.path).query)


@asynccontextmanager
async def scripted() -> AsyncIterator[tuple[Script, OwnClient]]:
    """A script, and a client that connects to it."""
    script = Script()

    async def keep(transport: ServerConnection) -> None:
        await script.transports.put(transport)
        await transport.wait_closed()

    async with serve(keep, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with OwnClient(port) as client:
            await client.connect(token="a-token", wait=False)
            yield script, client


async def test_it_resumes_with_the_newest_key_and_the_newest_serial() -> None:
    """RTN15b, RTL4c1: the key of the last CONNECTED, the serial of the last MESSAGE."""
    async with scripted() as (script, client):
        transport = await script.next_transport("key-1")
        attaching = asyncio.create_task(client.attach(CHANNEL))
        asked = await heard(transport)
        await say(transport, Action.ATTACHED, channel=CHANNEL, channelSerial="s1")
        await attaching
        await say(transport, Action.MESSAGE, channel=CHANNEL, channelSerial="s2", messages=[{"data": "x"}])
        await client.until_received(CHANNEL, 1)
        await transport.close()

        later = await script.next_transport("key-2")
        asked_again = await heard(later)

    assert "resume" not in query_of(transport)
    assert query_of(later) | {"agent": []} == {
        "v": ["6"],
        "format": ["json"],
        "heartbeats": ["true"],
        "accessToken": ["a-token"],
        "resume": ["key-1"],
        "agent": [],
    }
    assert asked == {"action": Action.ATTACH, "channel": CHANNEL, "flags": Flag.SUBSCRIBE}
    assert asked_again == {**asked, "channelSerial": "s2"}


async def test_messages_of_one_frame_inherit_from_it() -> None:
    """TM2a, c, f; and RSL6: steps of an encoding that are not known stay for the app."""
    async with scripted() as (script, client):
        transport = await script.next_transport()
        attaching = asyncio.create_task(client.attach(CHANNEL))
        await heard(transport)
        await say(transport, Action.ATTACHED, channel=CHANNEL, channelSerial="s1", flags=Flag.RESUMED)
        await attaching
        frame = {"id": "frame", "timestamp": 7, "connectionId": "other", "channelSerial": "s2"}
        messages = [
            {"data": "e30=", "encoding": "cipher+aes-256-cbc/base64"},
            {"id": "own", "timestamp": 8, "data": "no json", "encoding": "json"},
        ]
        await say(transport, Action.MESSAGE, channel=CHANNEL, messages=messages, **frame)
        await client.until_received(CHANNEL, 2)

    first, second = client.messages[CHANNEL]
    inherited = {"timestamp": 7, "connectionId": "other", "serial": "s2"}
    assert first == inherited | {"id": "frame:0", "data": {"bytes": "e30="}, "encoding": "cipher+aes-256-cbc"}
    assert second == inherited | {"id": "own", "timestamp": 8, "data": "no json", "encoding": "json"}


async def test_detached_unasked_it_attaches_again() -> None:
    """RTL13: the topic could not be read for a moment."""
    async with scripted() as (script, client):
        transport = await script.next_transport()
        attaching = asyncio.create_task(client.attach(CHANNEL))
        await heard(transport)
        await say(
            transport, Action.DETACHED, channel=CHANNEL, error={"code": 50003, "statusCode": 503, "message": "Kafka"}
        )
        again = await heard(transport)
        await say(transport, Action.ATTACHED, channel=CHANNEL, channelSerial="s1")
        await attaching

    assert again["action"] == Action.ATTACH
    assert [change["state"] for change in client.channels[CHANNEL]] == ["attaching", "attached"]
    assert client.channels[CHANNEL][0]["reason"]["code"] == 50003


async def test_continuity_that_breaks_while_attached_is_a_gap() -> None:
    """RTL12: ATTACHED unasked; without RESUMED something is missing, with it nothing is."""
    async with scripted() as (script, client):
        transport = await script.next_transport()
        attaching = asyncio.create_task(client.attach(CHANNEL))
        await heard(transport)
        await say(transport, Action.ATTACHED, channel=CHANNEL, channelSerial="s1")
        await attaching
        await say(transport, Action.ATTACHED, channel=CHANNEL, channelSerial="s2", flags=Flag.RESUMED)
        lost = {"code": 90003, "statusCode": 404, "message": "read too slowly"}
        await say(transport, Action.ATTACHED, channel=CHANNEL, channelSerial="s9", error=lost)
        await client.until(lambda: len(client.gaps[CHANNEL]) > 0, "a gap")

    assert client.gaps[CHANNEL] == [
        {
            "event": "gap",
            "channel": CHANNEL,
            "after": "s2",
            "serial": "s9",
            "reason": {"code": 90003, "status": 404, "message": "read too slowly"},
        }
    ]


async def test_what_cannot_be_read_ends_the_transport_and_not_the_channel() -> None:
    """Going on behind it would be a gap that nobody sees."""
    async with scripted() as (script, client):
        transport = await script.next_transport()
        attaching = asyncio.create_task(client.attach(CHANNEL))
        await heard(transport)
        await say(transport, Action.ATTACHED, channel=CHANNEL, channelSerial="s1")
        await attaching
        await transport.send("{")
        later = await script.next_transport()
        again = await heard(later)

    assert again["channelSerial"] == "s1"


async def test_what_was_on_its_way_at_a_detach_is_not_given_out() -> None:
    """And the serial does not pass over it: attaching again brings it."""
    async with scripted() as (script, client):
        transport = await script.next_transport()
        attaching = asyncio.create_task(client.attach(CHANNEL))
        await heard(transport)
        await say(transport, Action.ATTACHED, channel=CHANNEL, channelSerial="s1")
        await attaching
        await client.detach(CHANNEL)
        asked = await heard(transport)
        await say(transport, Action.MESSAGE, channel=CHANNEL, channelSerial="s2", messages=[{"data": "late"}])
        attaching = asyncio.create_task(client.attach(CHANNEL))
        await say(transport, Action.DETACHED, channel=CHANNEL)
        again = await heard(transport)
        await say(transport, Action.ATTACHED, channel=CHANNEL, channelSerial="s1", flags=Flag.RESUMED)
        await attaching

    assert asked == {"action": Action.DETACH, "channel": CHANNEL}
    assert again["channelSerial"] == "s1"
    assert client.messages[CHANNEL] == []
