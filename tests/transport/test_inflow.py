"""How fast a client may send, on a real socket: not read for a while, sent away if that is all it does, and at nobody's cost."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Opcode

from gateway.settings import LimitSettings
from tests.transport.ground import Ground, standing
from tests.transport.raw import Raw, frame
from tests.transport.test_device import WAIT_SECONDS, address, read, read_action, send

HEARTBEAT = frame(Opcode.TEXT, b'{"action":0,"id":"x"}')
DISCONNECTED, ATTACHED = 6, 11


async def until(ground: Ground, count: str, least: int) -> None:
    """Wait until the edge has counted so many."""
    async with asyncio.timeout(WAIT_SECONDS * 4):
        while getattr(ground.house.counts, count) < least:
            await asyncio.sleep(0.01)


async def flood(ground: Ground, part: bytes) -> dict[str, Any]:
    """Send *part* over and over until the edge says something final. Returns: what it says."""
    raw = await Raw.open(ground.port, f"v=6&accessToken={ground.token()}")

    async def write() -> None:
        while True:
            raw.writer.write(part)
            await raw.writer.drain()

    writing = asyncio.create_task(write())
    try:
        while (got := await raw.read_opcode(Opcode.TEXT)) is not None:
            message: dict[str, Any] = json.loads(got.payload)
            if message["action"] in {DISCONNECTED, 9}:
                return message
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        raw.close()
    raise AssertionError("closed without a word")


@pytest.mark.parametrize(
    ("part", "code", "limit"),
    [
        pytest.param(HEARTBEAT * 50, 42924, "inbound_messages", id="messages"),
        pytest.param(frame(Opcode.PONG, b"") * 200, 42924, "inbound_messages", id="tiny frames that are no messages"),
        pytest.param(
            frame(Opcode.TEXT, b'{"action":0,"id":"' + b"x" * 60_000 + b'"}'), 42920, "inbound_bytes", id="bytes"
        ),
    ],
)
async def test_a_flood_is_held_back_and_then_told_to_come_back(part: bytes, code: int, limit: str) -> None:
    """DISCONNECTED, never ERROR: an app whose SDK went wild is not dead for ever."""
    limits = LimitSettings(inbound_messages_per_second=500, inbound_bytes_per_second=200_000, flood_seconds=1.0)
    async with standing(limits=limits) as ground:
        told = await flood(ground, part)

        assert (told["action"], told["error"]["code"], told["error"]["statusCode"]) == (DISCONNECTED, code, 429)
        assert ground.house.counts.limited[limit] == 1


async def test_who_sends_more_for_a_moment_is_slowed_down_and_nothing_is_lost() -> None:
    """Back-pressure first: the answers come late, and all of them."""
    limits = LimitSettings(inbound_messages_per_second=100, burst_seconds=0.5, flood_seconds=30.0)
    async with standing(limits=limits) as ground, connect(address(ground)) as socket:
        assert (await read(socket))["connectionDetails"].get("maxInboundRate") is None  # this ground tells none

        for number in range(150):
            await send(socket, action=0, id=str(number))
        answers = [(await read_action(socket, 0)).get("id") for _ in range(150)]

        assert answers == [str(number) for number in range(150)]
        assert ground.house.counts.holds >= 1
        assert sum(ground.house.counts.limited.values()) == 0


async def test_while_one_is_held_back_the_others_are_served() -> None:
    limits = LimitSettings(inbound_messages_per_second=10, burst_seconds=1.0, flood_seconds=30.0)
    async with standing(limits=limits) as ground, connect(address(ground)) as loud, connect(address(ground)) as quiet:
        for number in range(60):
            await send(loud, action=0, id=str(number))
        await until(ground, "holds", 1)

        await send(quiet, action=10, channel="account:1")
        await read_action(quiet, ATTACHED)
        ground.say("account:1", "hello")

        assert (await read_action(quiet, 15))["messages"][0]["data"] == "hello"
        (held,) = [device for device in ground.house.devices if device.held_until]
        assert held.session is not None


async def test_who_is_held_back_still_gets_messages() -> None:
    limits = LimitSettings(inbound_messages_per_second=10, burst_seconds=1.0, flood_seconds=30.0)
    async with standing(limits=limits) as ground, connect(address(ground)) as socket:
        await send(socket, action=10, channel="account:1")
        await read_action(socket, ATTACHED)
        for number in range(60):
            await send(socket, action=0, id=str(number))
        await until(ground, "holds", 1)

        ground.say("account:1", "hello")

        assert (await read_action(socket, 15))["messages"][0]["data"] == "hello"
