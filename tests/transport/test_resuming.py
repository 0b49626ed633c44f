"""Which connection goes on, by whose key, and under which ids it publishes."""

from __future__ import annotations

import pytest
from websockets.asyncio.client import ClientConnection, connect

from gateway.store.connections import ConnectionRecord
from tests.transport.ground import Ground, standing
from tests.transport.test_device import address, read, send

UNKNOWN = "twelve-chars!and-16-letters-x"


async def first(ground: Ground, socket: ClientConnection) -> tuple[str, str]:
    """Of a connection that begins: id and key, once Redis knows it."""
    connected = await read(socket)
    await ground.house.ledger.flush()
    return connected["connectionId"], connected["connectionDetails"]["connectionKey"]


async def published_id(ground: Ground, socket: ClientConnection, msg_serial: int) -> str:
    """Under which id a message goes to Kafka."""
    publishing = ground.house.terms.publishing
    count = len(publishing.publications)
    await send(socket, action=15, channel="account:1", msgSerial=msg_serial, messages=[{"data": "x"}])
    await send(socket, action=0, id="heard")
    await read(socket)
    assert len(publishing.publications) == count + 1
    return publishing.publications[-1].records[0].id


@pytest.mark.parametrize("how", ["resume", "recover"])
async def test_a_connection_goes_on_by_its_key(how: str) -> None:
    """RTN15c6, RTN16d: same connectionId, no error, another key."""
    async with standing() as ground:
        async with connect(address(ground)) as socket:
            connection_id, key = await first(ground, socket)
        async with connect(address(ground, f"&{how}={key}")) as socket:
            again = await read(socket)

    assert again["connectionId"] == connection_id
    assert again["connectionDetails"]["connectionKey"] != key
    assert "error" not in again


@pytest.mark.parametrize("how", ["resume", "recover"])
@pytest.mark.parametrize(("key", "code"), [(UNKNOWN, 80008), ("nonsense", 80018), ("%00", 80018), ("x" * 5000, 80018)])
async def test_what_cannot_go_on_begins_anew_and_says_why(how: str, key: str, code: int) -> None:
    """RTN15c7, RTN16l: unknown by now, or never a key at all."""
    async with standing() as ground, connect(address(ground, f"&{how}={key}")) as socket:
        connected = await read(socket)

        assert (connected["action"], connected["error"]["code"]) == (4, code)
        assert connected["connectionId"] != key[:12]
        assert sum(ground.house.counts.refusals.values()) == 1


@pytest.mark.parametrize("how", ["resume", "recover"])
async def test_nobody_goes_on_as_somebody_else(how: str) -> None:
    """RTN15e: another client's is an error; another app's is as good as unknown."""
    async with standing() as ground:
        async with connect(address(ground, client_id="ada")) as socket:
            _, key = await first(ground, socket)
        await ground.house.connections.save_many([(UNKNOWN, ConnectionRecord("theirs", None, "another-app"))], 60)

        async with connect(address(ground, f"&{how}={key}", client_id="eve")) as socket:
            refusal = await read(socket)
        async with connect(address(ground, f"&{how}={UNKNOWN}")) as socket:
            connected = await read(socket)

    assert (refusal["action"], refusal["error"]["code"]) == (9, 40102)
    assert connected["error"]["code"] == 80018
    assert connected["connectionId"] != "theirs"


async def test_a_resumed_connection_publishes_again_under_the_same_ids() -> None:
    """RTN19a: what is sent again must be told from what is new."""
    async with standing() as ground:
        async with connect(address(ground)) as socket:
            connection_id, key = await first(ground, socket)
            before = await published_id(ground, socket, 7)
        async with connect(address(ground, f"&resume={key}")) as socket:
            await read(socket)
            again = await published_id(ground, socket, 7)

    assert before == again == f"{connection_id}:7:0"


async def test_a_recovered_connection_publishes_under_ids_of_its_own_and_keeps_them() -> None:
    """
    RTN16f: it counts from where the recovery key was made. What the first instance published after that has the same
    numbers, and must not make copies of what the second one says.
    """
    async with standing() as ground:
        async with connect(address(ground)) as socket:
            connection_id, key = await first(ground, socket)
            theirs = await published_id(ground, socket, 7)
        async with connect(address(ground, f"&recover={key}")) as socket:
            recovered_id, next_key = await first(ground, socket)
            ours = await published_id(ground, socket, 7)
        async with connect(address(ground, f"&resume={next_key}")) as socket:
            await read(socket)
            again = await published_id(ground, socket, 7)

    assert recovered_id == connection_id
    assert ours != theirs
    assert again == ours
    assert ours.startswith(connection_id)
