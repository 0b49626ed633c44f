"""The network between SDK and edge breaks fifty times while records flow, and the SDK's app never knows."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

from tests.e2e.conftest import StartSdk, reader_of
from tests.testbed.cut_proxy import CutProxy
from tests.testbed.edge import EdgeProcess
from tests.testbed.flow import Flow
from tests.testbed.records import Records
from tests.testbed.sdk import KINDS

CUTS = 50
RECORDS = 10_000
CHANNELS = 5
RECORDS_A_CUT = RECORDS // CUTS
MOST_BYTES_TO_A_CUT = 40_000  # less than RECORDS_A_CUT are long, so each cut comes while the flow waits for it
HANDSHAKE_BYTES = 700  # answer to the upgrade and CONNECTED


async def test_fifty_cuts_lose_nothing_double_nothing_and_are_never_told_as_a_gap(
    shared_edge: EdgeProcess, shared_topic: str, account: str, sdk: StartSdk, records: Records
) -> None:
    """
    RTN15, RTL4c1: by reset and in order, in the middle of a frame and of a handshake; resumed each time.

    All kinds listen to one flow, each behind a network of its own, since ably-js lets a second pass between its attempts.
    """
    keys = [f"{account}-{number}" for number in range(CHANNELS)]
    channels = [f"account:{key}" for key in keys]
    async with AsyncExitStack() as networks:
        proxies = [await networks.enter_async_context(CutProxy(shared_edge.port)) for _ in KINDS]
        clients = [
            await sdk(kind, shared_edge, port=proxy.port, token=reader_of(*channels))
            for kind, proxy in zip(KINDS, proxies, strict=True)
        ]
        for client in clients:
            for channel in channels:
                await client.attach(channel)

        def limit() -> int:
            return (min(proxy.cuts for proxy in proxies) + 2) * RECORDS_A_CUT

        flow = Flow(records, shared_topic, keys, total=RECORDS, per_second=400, limit=limit)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(flow.run())
            for number, proxy in enumerate(proxies):
                tasks.create_task(cut_often(proxy, random.Random(number)))
        for client in clients:
            await flow.prove(client, deadline_seconds=30)

    assert [proxy.cuts for proxy in proxies] == [CUTS] * len(KINDS)
    for client in clients:
        assert client.losses(channels) == []


async def cut_often(proxy: CutProxy, chance: random.Random) -> None:
    """Break the network of one client, each time some more bytes after the last time."""
    for _ in range(CUTS):
        most = HANDSHAKE_BYTES if chance.random() < 0.1 else MOST_BYTES_TO_A_CUT
        proxy.cut_after(chance.randrange(1, most), reset=chance.random() < 0.5)
        await proxy.until_cut()
