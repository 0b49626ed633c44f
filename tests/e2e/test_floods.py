"""Floods of those who never say who they are: good clients notice nothing, and every socket is free again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import MakeTopic, Produce, StartEdge
from tests.e2e.conftest import StartSdk, reader_of
from tests.testbed.edge import EdgeProcess
from tests.testbed.process import wait_until
from tests.testbed.sdk import Kind
from tests.transport.raw import HANDSHAKE

FLOOD, AT_ONCE, GOOD = 5000, 200, 20
SOURCES = [f"127.0.0.{number}" for number in range(2, 12)]  # one address has too few ports
HALF = HANDSHAKE.format(query="v=3").encode()[:-4]
JS, PYTHON = Kind("js", is_binary=False), Kind("python", is_binary=True)


async def flood(port: int, said: bytes) -> list[socket.socket]:
    """So many connections that say this much, and then nothing. Returns: those that the edge took."""
    loop, room = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)
    opened: list[socket.socket] = []

    async def come(number: int) -> None:
        client = socket.socket()
        client.setblocking(False)
        client.bind((SOURCES[number % len(SOURCES)], 0))
        async with room:
            try:
                async with asyncio.timeout(30):
                    await loop.sock_connect(client, ("127.0.0.1", port))
                    await loop.sock_sendall(client, said)
            except OSError:
                client.close()
            else:
                opened.append(client)

    async with asyncio.TaskGroup() as tasks:
        for number in range(FLOOD):
            tasks.create_task(come(number))
    return opened


def sockets_of(edge: EdgeProcess) -> int:
    return sum(1 for entry in Path(f"/proc/{edge.pid}/fd").iterdir() if _is_socket(entry))


def _is_socket(entry: Path) -> bool:
    try:
        return str(entry.readlink()).startswith("socket:")
    except OSError:
        return False


def close_all(clients: Sequence[socket.socket]) -> None:
    for client in clients:
        client.close()


async def test_half_open_handshakes_and_bad_credentials_by_the_thousand_cost_good_clients_nothing(
    edge: StartEdge, make_topic: MakeTopic, sdk: StartSdk, produce: Produce
) -> None:
    """All who are there get everything, all who come get in, and no socket stays."""
    topic = make_topic()
    serving = edge({"account": {"topic": topic}})
    there = await sdk(JS, serving, token=reader_of("account:1"))
    await there.attach("account:1")
    before = await asyncio.to_thread(sockets_of, serving)
    unknown = HANDSHAKE.format(query=f"accessToken={reader_of('account:1')[:-9]}AAAAAAAAA").encode()

    half_open, nobody = await asyncio.gather(flood(serving.port, HALF), flood(serving.port, unknown))
    produce(topic, [("1", str(number)) for number in range(GOOD)])
    newcomers = [await sdk(kind, serving, token=reader_of("account:1")) for kind in (JS, PYTHON) for _ in range(2)]
    for newcomer in newcomers:
        await newcomer.attach("account:1")
    produce(topic, [("1", str(number)) for number in range(GOOD, 2 * GOOD)])
    await there.until_received("account:1", 2 * GOOD)
    for newcomer in newcomers:
        await newcomer.until_received("account:1", GOOD)
    counted = serving.metrics()
    close_all(nobody)  # a client that was refused closes; one that is half open never says anything again
    await asyncio.to_thread(wait_until, lambda: sockets_of(serving) <= before + 4 * len(newcomers), "sockets are free")
    close_all(half_open)

    assert len(half_open) + len(nobody) == 2 * FLOOD
    assert counted['lastmile_authentication_failures_total{check="signature"}'] == FLOOD
    assert [client.connections for client in (there, *newcomers)] == [1] * 5
    assert there.losses(["account:1"]) == []
