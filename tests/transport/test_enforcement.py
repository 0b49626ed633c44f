"""Rulings on live connections: who is let go, who is asked, who is left alone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK

from auth.capability import Capability
from auth.keys import Key, KeyRing
from auth.revocation import Address, Cut, parse_target
from gateway.transport.enforcement import enforce, enforce_keys
from tests.transport.ground import KEY, Ground, standing
from tests.transport.test_device import address, read, read_action, send


async def attach(socket: ClientConnection, channel: str = "account:1") -> None:
    await read_action(socket, 4)
    await send(socket, action=10, channel=channel)
    await read_action(socket, 11)


async def rule(ground: Ground, target: str, *, scope: str = "bank", ahead: float = 1.0, margin: float = 0.0) -> None:
    """As the follower does with a record."""
    now, rulings = ground.house.now(), ground.house.verifier.rulings
    assert rulings is not None
    at = Address(scope, parse_target(target))
    rulings.revoke(at, Cut(now + ahead, now + margin if margin else 0.0), now)
    await enforce(ground.house, [at])


async def left(socket: ClientConnection) -> list[dict[str, Any]]:
    """What comes until it is closed."""
    found = []
    with contextlib.suppress(ConnectionClosedOK):
        while True:
            found.append(await read(socket))
    return found


@pytest.mark.parametrize("target", ["clientId:ada", "channel:account:1", "channel:*"])
async def test_who_is_meant_is_disconnected_and_told_why_and_gets_nothing_more(target: str) -> None:
    """40141 with where it stands, so that it renews and resumes; then a message is said, and does not come."""
    capability = {"*" if target == "channel:*" else "account:1": ["*"]}
    async with standing() as ground:
        async with connect(address(ground, client_id="ada", capability=capability)) as socket:
            await attach(socket)
            ground.say("account:1", "before")
            await read_action(socket, 15)

            await rule(ground, target)
            ground.say("account:1", "after")

            told = await left(socket)
        assert [message["action"] for message in told if message["action"] != 0] == [11, 6]
        assert (told[-1]["error"]["code"], told[-1]["error"]["statusCode"]) == (40141, 401)
        assert ground.house.counts.revoked == 1


@pytest.mark.parametrize(
    ("target", "scope"),
    [("clientId:eve", "bank"), ("clientId:ada", "shop"), ("clientId:ada", "bank.other"), ("channel:account:2", "bank")],
)
async def test_who_is_not_meant_hears_nothing(target: str, scope: str) -> None:
    async with standing() as ground, connect(address(ground, client_id="ada")) as socket:
        await attach(socket)

        await rule(ground, target, scope=scope)
        ground.say("account:1", "after")

        assert (await read_action(socket, 15))["messages"][0]["data"] == "after"


async def test_a_token_of_before_does_not_come_back_in() -> None:
    """40141 at the handshake, and in band."""
    async with standing() as ground:
        old, new = ground.token(client_id="ada"), ground.token(client_id="eve")
        await rule(ground, "clientId:ada")
        async with connect(f"{ground.url}?accessToken={old}") as socket:
            assert (await read_action(socket, 9))["error"]["code"] == 40141
        async with connect(f"{ground.url}?accessToken={new}") as socket:
            await read_action(socket, 4)
            await send(socket, action=17, auth={"accessToken": old})
            assert (await read_action(socket, 9))["error"]["code"] == 40141


async def test_with_a_margin_it_is_asked_first_and_keeps_its_connection_if_it_renews() -> None:
    """RTN22; who renews is under its new token from then on, by whatever it can be found."""
    async with standing() as ground, connect(address(ground, client_id="ada")) as socket:
        connected = await read_action(socket, 4)
        await rule(ground, "clientId:ada", ahead=0.0, margin=600)
        await read_action(socket, 17)
        await asyncio.sleep(0.01)  # a later token has a later time
        await send(socket, action=17, auth={"accessToken": ground.token(client_id="ada")})
        again = await read_action(socket, 4)
        await rule(ground, "clientId:ada", ahead=-0.005)
        await send(socket, action=0, id="still-there")

        assert (await read_action(socket, 0))["id"] == "still-there"
        assert again["connectionId"] == connected["connectionId"]


async def test_one_that_does_not_read_is_cut_off_with_what_was_to_come() -> None:
    """No graceful end for what waits in the buffers of somebody who is not to have it."""
    async with standing(write_high_water_bytes=4096, send_buffer_bytes=4096) as ground:
        reader, writer = await asyncio.open_connection("127.0.0.1", ground.port, limit=1024)
        token = ground.token(client_id="ada")
        writer.write(
            f"GET /?accessToken={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await reader.readuntil(b"connectionId")
        frame = b'{"action":10,"channel":"account:1"}'
        writer.write(bytes([0x81, 0x80 | len(frame)]) + b"\0\0\0\0" + frame)
        (device,) = ground.house.devices
        while not device.is_full:
            ground.say("account:1", "x" * 60000)
            await asyncio.sleep(0.001)

        await rule(ground, "clientId:ada")
        await asyncio.sleep(0)

        assert not ground.house.devices
        writer.close()


async def test_a_key_that_is_gone_takes_its_connections_along() -> None:
    """40141 for its tokens; who showed the key itself hears that it is not valid, which is final."""
    async with (
        standing() as ground,
        connect(address(ground, client_id="ada")) as by_token,
        connect(f"{ground.url}?key=bank.server:{KEY.secret.decode()}") as by_key,
    ):
        await read_action(by_token, 4)
        await read_action(by_key, 4)
        other = Key("bank", "other", b"another-secret-of-more-than-thirty-two", Capability.parse({"*": ["*"]}))

        ground.house.verifier.trust(KeyRing([KEY, other]), [])
        await enforce_keys(ground.house)
        assert len(ground.house.devices) == 2
        ground.house.verifier.trust(KeyRing([other]), [])
        await enforce_keys(ground.house)

        assert (await read_action(by_token, 6))["error"]["code"] == 40141
        assert (await read_action(by_key, 9))["error"]["code"] == 40101


async def test_an_entitlement_is_felt_at_once_and_leaves_the_rest() -> None:
    async with standing() as ground, connect(address(ground, client_id="ada")) as socket:
        await attach(socket, "account:1")
        await send(socket, action=10, channel="account:2")
        await read_action(socket, 11)
        rulings = ground.house.verifier.rulings
        assert rulings is not None
        rulings.entitle("bank", "ada", Capability.parse({"account:2": ["subscribe"]}))

        await enforce(ground.house, [Address("bank", parse_target("clientId:ada"))])
        ground.say("account:1", "not for it")
        ground.say("account:2", "for it")

        error = await read_action(socket, 9)
        assert (error["channel"], error["error"]["code"]) == ("account:1", 40160)
        assert (await read_action(socket, 15))["channel"] == "account:2"


async def test_many_of_one_client_are_found_and_forgotten() -> None:
    """A kiosk's clientId is that of all its screens; who has left is not looked at."""
    async with standing() as ground:
        sockets = [await connect(address(ground, client_id="kiosk")) for _ in range(5)]
        for socket in sockets:
            await read_action(socket, 4)
        at = Address("bank", parse_target("clientId:kiosk"))
        assert len(list(ground.house.roster.concerned(at))) == 5

        await sockets[0].close()
        while len(ground.house.devices) > 4:
            await asyncio.sleep(0.01)
        assert len(list(ground.house.roster.concerned(at))) == 4
        await rule(ground, "clientId:kiosk")
        for socket in sockets[1:]:
            await read_action(socket, 6)
            await socket.close()
        while ground.house.devices:
            await asyncio.sleep(0.01)

        assert list(ground.house.roster.concerned(at)) == []
