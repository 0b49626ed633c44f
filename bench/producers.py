"""
Producers without a gateway: what publishing is measured beside.

    python -m bench.producers KAFKA TOPIC CHANNELS bare | ours

Each line on stdin, ``COUNT SECONDS``, has so many tasks share one producer for so long, each writing its next record as
soon as Kafka has acknowledged the last; answered as bench.publishers answers, and with the produce requests that it took.
``bare`` is aiokafka's producer with acks=all and idempotence, ``ours`` is the edge's, which is built on it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest

from bench.load import PUBLISHED
from gateway.core.published import OutgoingRecord
from gateway.settings import KafkaSettings
from gateway.stream.producer import Producer

Write = Callable[[bytes], Awaitable[Any]]


class Requests:
    """How many produce requests leave this process."""

    def __init__(self) -> None:
        self.count = 0
        send = AIOKafkaClient.send

        async def counted(client: AIOKafkaClient, node_id: int, request: Any, **options: Any) -> Any:
            self.count += isinstance(request, ProduceRequest)
            return await send(client, node_id, request, **options)

        AIOKafkaClient.send = counted


async def write_of(kind: str, kafka: str, topic: str) -> Write:
    """How one record is written and waited for."""
    value = PUBLISHED.encode()
    if kind == "ours":
        ours = Producer(KafkaSettings(bootstrap_servers=kafka))

        async def write(key: bytes) -> Any:
            return await (await ours.hand_over(topic, [OutgoingRecord(key, value, [], "")]))

        return write
    bare = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await bare.start()

    async def write_bare(key: bytes) -> Any:
        return await bare.send_and_wait(topic, value, key)

    return write_bare


async def write_on(write: Write, key: bytes, until: float) -> list[float]:
    """Write for as long as *until* is not reached. Returns: the seconds that each took."""
    took: list[float] = []
    while (at := time.monotonic()) < until:
        await write(key)
        took.append(time.monotonic() - at)
    return took


async def obey(kafka: str, topic: str, channels: int, kind: str) -> None:
    """Do what the lines on stdin say."""
    requests = Requests()
    write = await write_of(kind, kafka, topic)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        count, seconds = line.split()
        before, until = requests.count, time.monotonic() + float(seconds)
        keys = [str(number % channels).encode() for number in range(int(count))]
        took = await asyncio.gather(*(write_on(write, key, until) for key in keys))
        told = {"seconds": sorted(itertools.chain.from_iterable(took)), "requests": requests.count - before}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    uvloop.run(obey(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
