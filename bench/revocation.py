"""From a revocation to the closed connection, with 2,000 connections on the edge, 200 records/s, and half of them let go."""

from __future__ import annotations

import asyncio
import time
from statistics import quantiles

from bench.figures import Figure, at_most
from bench.ground import Ground
from bench.load import write_paced
from bench.scale import Scale
from tests.e2e.revoking import revoke, token_of
from tests.testbed.edge import EdgeProcess
from tests.testbed.records import Records
from tests.testbed.watchers import Watchers

CONNECTIONS = 2000
ACCOUNTS = [str(number) for number in range(20)]
PER_SECOND = 200
SECONDS = 6


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """p99 of the time from the request, or from the record of a service, to DISCONNECTED at the client."""
    rulings = ground.records.make_topic(1, cleanup_policy="compact")
    gateway = ground.lastmile(revocation={"topic": rulings})
    by_request, by_record, at_once = [], [], []
    for _ in scale.runs("revocation"):
        for way, found in (("request", by_request), ("record", by_record), ("group", at_once)):
            found.append(asyncio.run(_let_go(ground.records, gateway.edge, gateway.topic, rulings, way)))
    return [
        Figure(0, "500 of 2,000 revoked by requests of 50 targets, p99 until closed", "ms", by_request, at_most(1000)),
        Figure(
            0, "500 of 2,000 revoked by a record each, all at once, p99 until closed", "ms", by_record, at_most(1000)
        ),
        Figure(0, "500 of 2,000 revoked by one record, p99 until closed", "ms", at_once, at_most(1000)),
    ]


async def _let_go(records: Records, edge: EdgeProcess, topic: str, rulings: str, way: str) -> float:
    name = f"{way}-{time.monotonic_ns()}"
    channels = [f"account:{ACCOUNTS[number % len(ACCOUNTS)]}" for number in range(CONNECTIONS)]
    clients = [
        (token_of(f"{name}-{number}", channel, revocation_key=f"{name}-{number % 4}"), channel)
        for number, channel in enumerate(channels)
    ]
    async with Watchers(edge.port, clients) as watchers:
        going = watchers.all[::4]
        flow = asyncio.create_task(
            asyncio.to_thread(write_paced, records, topic, ACCOUNTS, PER_SECOND * SECONDS, PER_SECOND)
        )
        await asyncio.sleep(1)  # it flows
        began = {}
        for at in range(0, len(going), 50):
            began |= dict.fromkeys(range(at, at + 50), time.monotonic())
            if way == "request":
                targets = [f"clientId:{name}-{4 * number}" for number in range(at, at + 50)]
                await asyncio.to_thread(revoke, edge, *targets)
        if way == "record":
            every = [(f"revoke:bank:clientId:{name}-{4 * number}", "{}") for number in range(len(going))]
            await asyncio.to_thread(records.produce, rulings, every)
        elif way == "group":
            await asyncio.to_thread(records.produce, rulings, [(f"revoke:bank:revocationKey:{name}-0", "{}")])
        await watchers.until_gone(going)
        await flow
        if any(watcher.code != 40141 or watcher.after for watcher in going):
            raise RuntimeError("somebody was not told, or got something after that")
        return quantiles([(one.told_at - began[at]) * 1000 for at, one in enumerate(going)], n=100)[98]
