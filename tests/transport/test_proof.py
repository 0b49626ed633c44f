"""Whether what was written has arrived: PINGs with numbers, and what becomes of a way that loses messages."""

from __future__ import annotations

import asyncio
import ctypes
import json
import socket
import struct
from typing import Any

from websockets.asyncio.client import connect

from gateway.core.confirming import Advance
from tests.testbed.cut_proxy import CutProxy
from tests.transport.ground import Ground, standing
from tests.transport.raw import Raw, frame
from tests.transport.test_device import read, read_action, send

PING, PONG, TEXT = 9, 10, 1
ATTACH, ATTACHED, MESSAGE = 10, 11, 15
SOON_SECONDS = 20.0  # for what comes within two, on a machine that does other things too
SO_ATTACH_FILTER = 26
QUICK: dict[str, Any] = {"confirm_after_seconds": 0.2, "confirm_every_seconds": 0.5}


def query(ground: Ground) -> str:
    return f"v=6&accessToken={ground.token()}"


async def attached(raw: Raw) -> None:
    raw.writer.write(frame(TEXT, json.dumps({"action": ATTACH, "channel": "account:1"}).encode()))
    while (got := await raw.read()) is not None and b'"action":11' not in got.payload:
        pass


async def answered_ping(raw: Raw) -> bytes:
    """The next PING's payload, and its PONG."""
    got = await raw.read_opcode(PING)
    assert got is not None
    raw.writer.write(frame(PONG, got.payload))
    return got.payload


async def until(is_so: Any) -> None:
    async with asyncio.timeout(SOON_SECONDS):
        while not is_so():
            await asyncio.sleep(0.02)


class Advances(list[Advance]):
    def advanced(self, advance: Advance) -> None:
        self.append(advance)


def follow(ground: Ground) -> Advances:
    advances = Advances()
    ground.house.terms.confirmations = (advances,)
    ground.house.terms.receipt_namespaces = frozenset({"account"})
    return advances


async def test_the_pong_of_the_ping_after_a_message_confirms_it_once() -> None:
    """Also a client that answers in the middle of other things: PONGs are read by the parser then."""
    async with standing(**QUICK) as ground:
        advances = follow(ground)
        raw = await Raw.open(ground.port, query(ground))
        await attached(raw)
        first = await answered_ping(raw)
        ground.say("account:1")
        second = await raw.read_opcode(PING)
        assert second is not None
        raw.writer.write(frame(PONG, second.payload) + frame(TEXT, b'{"action":0,"id":"x"}'))
        await until(lambda: advances)
        raw.close()

    assert first != second.payload
    assert [advance.upto for advance in advances] == ["aaaaaaaa-00000-0000000000000000"]


async def test_a_pong_of_another_number_confirms_nothing() -> None:
    """RFC 6455 section 5.5.3: a PONG may come unasked, and is no answer."""
    async with standing(**QUICK) as ground:
        advances = follow(ground)
        raw = await Raw.open(ground.port, query(ground))
        await attached(raw)
        await answered_ping(raw)
        ground.say("account:1")
        ping = await raw.read_opcode(PING)
        raw.writer.write(frame(PONG, b"99") + frame(PONG) + frame(TEXT, b'{"action":0,"id":"heard"}'))
        while (got := await raw.read()) is not None and b"heard" not in got.payload:
            pass
        before = list(advances)
        assert ping is not None
        raw.writer.write(frame(PONG, ping.payload))
        await until(lambda: advances)
        raw.close()

    assert before == []


async def test_a_quiet_connection_is_asked_once_and_then_left_in_peace() -> None:
    async with standing(**QUICK) as ground:
        raw = await Raw.open(ground.port, query(ground))
        await attached(raw)
        await answered_ping(raw)
        (device,) = ground.house.devices
        await until(lambda: device.proof.is_idle)
        raw.close()


async def test_a_busy_connection_is_asked_now_and_then() -> None:
    """Not each message costs a PING; messages that do not end are proven all the same."""
    async with standing(confirm_after_seconds=0.4, confirm_every_seconds=0.5) as ground:
        advances = follow(ground)
        async with connect(f"{ground.url}?{query(ground)}", max_queue=None) as client:
            await read(client)
            await send(client, action=ATTACH, channel="account:1")
            await read_action(client, ATTACHED)
            said = 0
            async with asyncio.timeout(SOON_SECONDS):
                while len(advances) < 2:
                    ground.say("account:1")
                    said += 1
                    await asyncio.sleep(0.02)

    assert said > 5 * len(advances)


async def test_the_last_message_lost_on_a_quiet_channel_is_noticed_and_comes_with_the_resume() -> None:
    """Something between takes it and says that it has come; the transport is ended, and the client gets it again."""
    async with standing(confirm_timeout_seconds=0.5, **QUICK) as ground, CutProxy(ground.port) as proxy:
        async with connect(f"ws://127.0.0.1:{proxy.port}/?{query(ground)}") as client:
            await read(client)
            await send(client, action=ATTACH, channel="account:1")
            serial = (await read_action(client, ATTACHED))["channelSerial"]
            (device,) = ground.house.devices
            await until(lambda: device.proof.is_idle)
            proxy.swallow()
            ground.say("account:1", "the last one")
            async with asyncio.timeout(SOON_SECONDS):
                await client.wait_closed()
        async with connect(f"{ground.url}?{query(ground)}") as client:
            await read(client)
            await send(client, action=ATTACH, channel="account:1", channelSerial=serial)
            again = await read_action(client, MESSAGE)

    assert again["messages"][0]["data"] == "the last one"
    assert (ground.house.counts.unanswered_pings, ground.house.counts.lost_ways) == (1, 1)


async def test_a_slow_way_is_given_the_time_that_it_needs() -> None:
    """Its PONG is overdue by seconds, and it is not cut, since what it was sent is being acknowledged."""
    async with standing(confirm_timeout_seconds=2.0, **QUICK) as ground:
        async with CutProxy(ground.port, bytes_per_second=4000) as proxy:
            async with connect(f"ws://127.0.0.1:{proxy.port}/?{query(ground)}") as client:
                await read(client)
                await send(client, action=ATTACH, channel="account:1")
                await read_action(client, ATTACHED)
                ground.say("account:1", "x" * 1000, count=32)
                offsets = []
                async with asyncio.timeout(60):
                    while len(offsets) < 32:
                        message = json.loads(await client.recv())
                        offsets += [one["id"].rpartition(":")[2] for one in message.get("messages", ())]
        counts = ground.house.counts

    assert offsets == [str(number) for number in range(32)]
    assert (counts.unanswered_pings, counts.lost_ways) == (1, 0)


async def test_a_way_on_which_nothing_is_acknowledged_is_lost() -> None:
    """The client's kernel drops what comes: no ACK since the PING."""
    async with standing(confirm_timeout_seconds=0.5, **QUICK) as ground:
        opened = socket.socket()
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", ground.port))
        raw = await Raw.open(ground.port, query(ground), on=opened)
        await attached(raw)
        await answered_ping(raw)
        (device,) = ground.house.devices
        await until(lambda: device.proof.is_idle)
        _drop_all(opened)
        ground.say("account:1")

        await until(lambda: not ground.house.devices)
        raw.close()

    assert ground.house.counts.lost_ways == 1


def _drop_all(client: socket.socket) -> None:
    """Have the kernel drop every packet of a socket before TCP sees it: the filter program `return 0`."""
    program = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))
    client.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(program)))
