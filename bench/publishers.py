"""
Clients that publish over WebSockets, each as soon as the one before was acknowledged.

    python -m bench.publishers PORT TOKEN CHANNELS

Each line on stdin, ``COUNT SECONDS``, has so many of them publish for so long, and is answered by a line of JSON: how
many publications were acknowledged, and the seconds that each took.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time

import uvloop
from websockets.asyncio.client import ClientConnection, connect

from bench.load import PUBLISHED
from gateway.core.wire import Action

OPEN_AT_ONCE = 50


async def open_client(port: int, token: str, turn: asyncio.Semaphore) -> ClientConnection:
    """One that has heard CONNECTED."""
    async with turn:
        client = await connect(f"ws://127.0.0.1:{port}/?v=3&format=json&heartbeats=false&accessToken={token}")
        await client.recv()
        return client


async def publish(client: ClientConnection, channel: str, serials: itertools.count[int], until: float) -> list[float]:
    """
    Publish for as long as *until* is not reached.

    Returns:
        The seconds from sending to the ACK, of each.
    """
    took: list[float] = []
    while (at := time.monotonic()) < until:
        message = {
            "action": Action.MESSAGE,
            "channel": channel,
            "msgSerial": next(serials),
            "messages": [{"data": PUBLISHED}],
        }
        await client.send(json.dumps(message))
        answer = json.loads(await client.recv())
        if answer["action"] != Action.ACK:
            raise RuntimeError(f"not acknowledged: {answer}")
        took.append(time.monotonic() - at)
    return took


async def obey(port: int, token: str, channels: int) -> None:
    """Do what the lines on stdin say."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    clients: list[tuple[ClientConnection, str, itertools.count[int]]] = []
    turn = asyncio.Semaphore(OPEN_AT_ONCE)
    while line := await lines.readline():
        count, seconds = line.split()
        missing = range(len(clients), int(count))
        opened = await asyncio.gather(*(open_client(port, token, turn) for _ in missing))
        clients += [
            (client, f"account:{number % channels}", itertools.count())
            for number, client in zip(missing, opened, strict=True)
        ]
        until = time.monotonic() + float(seconds)
        took = await asyncio.gather(*(publish(*client, until) for client in clients[: int(count)]))
        print(json.dumps({"seconds": sorted(itertools.chain.from_iterable(took))}), flush=True)


if __name__ == "__main__":
    uvloop.run(obey(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
