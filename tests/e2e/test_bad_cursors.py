"""Cursors at the wire, by hand: whose they are, and what no cursor can be. Nobody reads or moves another's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.test_cursors import until_heard
from tests.e2e.test_operations import ATTACH, ATTACHED, CONNECTED, DEADLINE_SECONDS, ERROR, MESSAGE
from tests.testbed.edge import EdgeProcess, token
from tests.testbed.follower import DETACHED
from tests.testbed.records import Records

RESUMED = 1 << 2


class Phone:
    """A WebSocket of one person that speaks JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.connected: dict[str, Any] = {}

    async def attach(self, channel: str, *, flags: int = 0, **params: str) -> dict[str, Any]:
        """ATTACH with params. Returns: ATTACHED, DETACHED or ERROR."""
        await self._socket.send(json.dumps({"action": ATTACH, "channel": channel, "flags": flags, "params": params}))
        return await self.read(ATTACHED, DETACHED, ERROR)

    async def read(self, *actions: int) -> dict[str, Any]:
        """The next message of one of these kinds; others are passed over."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (message := json.loads(await self._socket.recv()))["action"] not in actions:
                pass
        return message


@asynccontextmanager
async def phone_of(edge: EdgeProcess, client_id: str | None, **query: str) -> AsyncIterator[Phone]:
    """A device that keeps nothing."""
    shown = token(now=time.time(), client_id=client_id, capability={"account:*": ["subscribe"]})
    more = "".join(f"&{name}={value}" for name, value in query.items())
    async with connect(f"ws://127.0.0.1:{edge.port}/?accessToken={shown}{more}") as socket:
        phone = Phone(socket)
        phone.connected = await phone.read(CONNECTED)
        yield phone


async def data_of(phone: Phone, count: int) -> list[Any]:
    """The data of the next messages."""
    return [(await phone.read(MESSAGE))["messages"][0]["data"] for _ in range(count)]


@pytest.mark.parametrize(
    ("client_id", "query", "cursor", "code"),
    [
        (None, {}, "phone-7", 40012),
        ("*", {}, "phone-7", 40012),
        ("alice", {}, "", 40003),
        ("alice", {}, "a b", 40003),
        ("alice", {}, "phone/7", 40003),
        ("alice", {}, "x" * 65, 40003),
        ("alice", {}, "x" * 60_000, 40003),
        ("alice", {}, "phone-7\n", 40003),
        ("alice", {}, "ph\u00f6ne", 40003),
        ("alice", {}, "\u0663", 40003),
    ],
)
async def test_what_can_be_no_cursor_is_refused(
    shared_edge: EdgeProcess, account: str, client_id: str | None, query: Mapping[str, str], cursor: str, code: int
) -> None:
    """On that channel only: the connection lives on, and takes a good one where it may have any."""
    async with phone_of(shared_edge, client_id, **query) as phone:
        refused = await phone.attach(f"account:{account}", cursor=cursor)
        taken = await phone.attach(f"account:{account}")

    assert (refused["action"], refused["error"]["code"]) == (ERROR, code)
    assert refused["channel"] == f"account:{account}"
    assert taken["action"] == ATTACHED


async def test_a_cursor_of_the_same_name_is_another_person_s_own(
    shared_edge: EdgeProcess, shared_topic: str, records: Records, account: str
) -> None:
    """Bob names alice's device: he begins at the present, and she goes on where hers was, missing nothing."""
    alice, bob, cursor = f"alice-{uuid4().hex[:8]}", f"bob-{uuid4().hex[:8]}", "phone-7"
    channel = f"account:{account}"
    async with phone_of(shared_edge, None) as witness:
        await witness.attach(channel)
        async with phone_of(shared_edge, alice) as phone:
            first = await phone.attach(channel, cursor=cursor)
            await asyncio.to_thread(until_heard, shared_edge, alice, 1)
        records.produce(shared_topic, [(account, "while alice was away")])
        await data_of(witness, 1)  # so the edge has read it

        async with phone_of(shared_edge, bob) as phone:
            his = await phone.attach(channel, cursor=cursor)
            records.produce(shared_topic, [(account, "while bob was here")])
            got_by_bob = await data_of(phone, 1)
        async with phone_of(shared_edge, alice) as phone:
            hers = await phone.attach(channel, cursor=cursor)
            got_by_alice = await data_of(phone, 2)

    assert first["params"]["cursor"] == cursor
    assert not his["flags"] & RESUMED
    assert hers["flags"] & RESUMED
    assert got_by_bob == ["while bob was here"]
    assert got_by_alice == ["while alice was away", "while bob was here"]
