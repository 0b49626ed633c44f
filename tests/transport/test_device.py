"""One device on a real socket, from handshake to close."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from gateway.core.frames import protocol_frame
from gateway.core.wire import JSON, Action, ProtocolMessage
from tests.transport.ground import Ground, standing

WAIT_SECONDS = 5.0


async def read(socket: ClientConnection) -> dict[str, Any]:
    """The next protocol message."""
    async with asyncio.timeout(WAIT_SECONDS):
        payload = await socket.recv()
    decode = msgspec.json.decode if isinstance(payload, str) else msgspec.msgpack.decode
    return decode(payload)  # type: ignore[no-any-return]


async def read_action(socket: ClientConnection, action: int) -> dict[str, Any]:
    """The next protocol message with this action."""
    while True:
        message = await read(socket)
        if message["action"] == action:
            return message


async def send(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


def address(ground: Ground, query: str = "", **token: Any) -> str:
    return f"{ground.url}?v=6&accessToken={ground.token(**token)}{query}"


async def test_connects_attaches_and_gets_messages() -> None:
    async with standing() as ground, connect(address(ground)) as socket:
        connected = await read(socket)
        await send(socket, action=10, channel="account:1")
        attached = await read(socket)
        ground.say("account:1", "hello")
        message = await read(socket)

    assert connected["action"] == 4
    assert attached["action"] == 11
    assert message["messages"][0]["data"] == "hello"


async def test_speaks_messagepack() -> None:
    async with standing() as ground, connect(address(ground, "&format=msgpack")) as socket:
        connected = await read(socket)
        await socket.send(msgspec.msgpack.encode({"action": 10, "channel": "account:1"}))
        attached = await read(socket)

    assert (connected["action"], attached["action"]) == (4, 11)


async def test_takes_json_in_binary_frames() -> None:
    """Ably's Java SDK sends them: the format of the query decides, not the opcode."""
    async with standing() as ground, connect(address(ground)) as socket:
        await read(socket)
        await socket.send(b'{"action":10,"channel":"account:1"}')

        assert (await read(socket))["action"] == 11


async def test_connects_by_key_on_loopback() -> None:
    async with standing() as ground:
        async with connect(f"{ground.url}?key=bank.server:secret-secret-secret-secret-secret") as socket:
            assert (await read(socket))["action"] == 4


@pytest.mark.parametrize(
    ("query", "action", "code"),
    [
        ("?key=bank.server:wrong", 9, 40101),
        ("?accessToken=nonsense", 9, 40144),
        ("", 9, 40101),
        ("?v=1&key=bank.server:secret-secret-secret-secret-secret", 9, 40003),
        ("?format=xml", 9, 40003),
    ],
)
async def test_a_refusal_is_said_inside_the_socket(query: str, action: int, code: int) -> None:
    async with standing() as ground, connect(ground.url + query) as socket:
        refusal = await read(socket)
        async with asyncio.timeout(WAIT_SECONDS):
            await socket.wait_closed()

    assert (refusal["action"], refusal["error"]["code"]) == (action, code)


async def test_resumes_a_connection_by_its_key() -> None:
    """RTN15c6: same connectionId and no error."""
    async with standing() as ground:
        async with connect(address(ground)) as socket:
            first = await read(socket)
            key = first["connectionDetails"]["connectionKey"]
            await ground.house.ledger.flush()
            socket.transport.abort()
        async with connect(address(ground, f"&resume={key}")) as socket:
            second = await read(socket)

    assert second["connectionId"] == first["connectionId"]
    assert "error" not in second


async def test_an_unknown_connection_gets_a_new_id_and_the_reason() -> None:
    """RTN15c7."""
    async with standing() as ground, connect(address(ground, "&resume=nobody!nothing")) as socket:
        connected = await read(socket)

    assert connected["action"] == 4
    assert connected["error"]["code"] == 80018


async def test_another_clients_connection_cannot_be_resumed() -> None:
    """RTN15e."""
    async with standing() as ground:
        async with connect(address(ground, client_id="ada")) as socket:
            key = (await read(socket))["connectionDetails"]["connectionKey"]
            await ground.house.ledger.flush()
        async with connect(address(ground, f"&resume={key}", client_id="eve")) as socket:
            refusal = await read(socket)

    assert (refusal["action"], refusal["error"]["code"]) == (9, 40102)


async def test_a_closed_connection_cannot_be_resumed() -> None:
    async with standing() as ground:
        async with connect(address(ground)) as socket:
            key = (await read(socket))["connectionDetails"]["connectionKey"]
            await send(socket, action=7)
            assert (await read(socket))["action"] == 8
            await socket.wait_closed()
        await ground.house.ledger.flush()
        async with connect(address(ground, f"&resume={key}")) as socket:
            assert (await read(socket))["error"]["code"] == 80017


async def test_a_token_that_ends_asks_for_renewal_and_then_disconnects() -> None:
    """RTN22, RTN15h2."""
    async with standing() as ground, connect(address(ground, ttl_seconds=3)) as socket:
        await read(socket)
        asked = await read_action(socket, 17)
        ended = await read_action(socket, 6)

    assert asked["action"] == 17
    assert (ended["error"]["code"], ended["error"]["statusCode"]) == (40142, 401)


async def test_a_renewed_token_keeps_the_connection() -> None:
    async with standing() as ground, connect(address(ground, ttl_seconds=3)) as socket:
        first = await read(socket)
        await read_action(socket, 17)
        await send(socket, action=17, auth={"accessToken": ground.token()})
        again = await read_action(socket, 4)
        await send(socket, action=0, id="still-there")
        answer = await read_action(socket, 0)

    assert again["connectionId"] == first["connectionId"]
    assert answer["id"] == "still-there"


async def test_a_bad_renewal_ends_the_connection() -> None:
    async with standing() as ground, connect(address(ground)) as socket:
        await read(socket)
        await send(socket, action=17, auth={"accessToken": "nonsense"})

        assert (await read_action(socket, 9))["error"]["code"] == 40144


@pytest.mark.parametrize("asked", ["&heartbeats=true", ""])
async def test_heartbeats_come_as_messages_unless_they_are_declined(asked: str) -> None:
    """RTN23b: a browser cannot see PINGs. Nor does ably-python, which does not say so."""
    async with standing(idle_interval_seconds=1) as ground, connect(address(ground, asked)) as socket:
        await read(socket)

        assert (await read(socket))["action"] == 0


async def test_a_silent_client_is_let_go() -> None:
    async with standing(idle_interval_seconds=1, silence_timeout_seconds=1) as ground:
        reader, writer = await asyncio.open_connection("127.0.0.1", ground.port)
        writer.write(
            f"GET /?accessToken={ground.token()} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionResetError):  # noqa: PT012  # reading until the reset
                while await reader.read(65536):
                    pass
                raise ConnectionResetError
        writer.close()

        assert ground.house.counts.timed_out == 1


async def test_foreign_pages_are_refused_and_own_and_listed_ones_are_not() -> None:
    async with standing(allowed_origins=("https://app.bank.example",)) as ground:
        answers = []
        for origin in ("https://evil.example", "https://app.bank.example", f"http://127.0.0.1:{ground.port}"):
            async with connect(address(ground), origin=origin) as socket:  # type: ignore[arg-type]
                answers.append((await read(socket))["action"])

    assert answers == [9, 4, 4]


async def test_a_draining_edge_says_come_back() -> None:
    async with standing() as ground:
        ground.house.is_draining = True
        async with connect(address(ground)) as socket:
            message = await read(socket)

    assert (message["action"], message["error"]["code"]) == (6, 80003)


async def test_an_unreadable_frame_ends_the_connection_with_its_reason() -> None:
    async with standing() as ground, connect(address(ground)) as socket:
        await read(socket)
        await socket.send('{"action":"ten"}')
        error = await read_action(socket, 9)

    assert error["error"]["code"] == 40000
    assert "action" in error["error"]["message"]


async def test_what_is_said_within_one_turn_leaves_in_one_write() -> None:
    async with standing() as ground, connect(address(ground)) as socket:
        await read(socket)
        await send(socket, action=10, channel="account:1")
        await read(socket)
        before = ground.house.counts.writes
        ground.say("account:1", count=50)
        for _ in range(50):
            await read(socket)

        assert ground.house.counts.writes == before + 1


async def test_what_may_wait_leaves_in_one_write_with_what_may_not_and_before_it() -> None:
    async with standing() as ground, connect(address(ground)) as socket:
        await read(socket)
        await send(socket, action=10, channel="account:1")
        await read(socket)
        (device,) = ground.house.devices
        before = ground.house.counts.writes
        for number in range(3):
            device.write_later(protocol_frame(JSON, ProtocolMessage(action=Action.HEARTBEAT, id=str(number))))
            await asyncio.sleep(0)  # another turn of the loop
        ground.say("account:1", "urgent")
        told = [await read(socket) for _ in range(4)]

        assert [message.get("id") for message in told[:3]] == ["0", "1", "2"]
        assert told[3]["messages"][0]["data"] == "urgent"
        assert ground.house.counts.writes == before + 1


async def test_what_may_wait_leaves_in_a_moment_by_itself() -> None:
    async with standing() as ground, connect(address(ground)) as socket:
        await read(socket)
        (device,) = ground.house.devices
        device.write_later(protocol_frame(JSON, ProtocolMessage(action=Action.HEARTBEAT, id="of the past")))

        assert (await read(socket))["id"] == "of the past"


async def test_a_stalled_reader_costs_constant_memory_and_catches_up_whole() -> None:
    async with standing(write_high_water_bytes=65536, send_buffer_bytes=65536) as ground:
        async with connect(address(ground), max_queue=1) as slow, connect(address(ground)) as quick:
            for socket in (slow, quick):
                await read(socket)
                await send(socket, action=10, channel="account:1")
                await read(socket)
            slow.transport.pause_reading()
            total = 20_000
            for _ in range(total // 100):
                ground.say("account:1", "x" * 300, count=100)
                for _ in range(100):
                    await read(quick)
            device = next(d for d in ground.house.devices if d.is_full)
            held = device._pending_bytes + device._transport.get_write_buffer_size()  # type: ignore[union-attr]

            slow.transport.resume_reading()
            offsets = [int((await read(slow))["messages"][0]["id"].rpartition(":")[2]) for _ in range(total)]

    assert held < 4 * 65536
    assert offsets == list(range(total))
