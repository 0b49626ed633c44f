"""
An aiokafka consumer that only prints: what any gateway's latency is measured beside.

    python -m bench.bare_consumer KAFKA TOPIC

For each record it prints the microseconds since the producer's clock in it.
"""

from __future__ import annotations

import json
import sys
import time

import uvloop
from aiokafka import AIOKafkaConsumer


async def consume(kafka: str, topic: str) -> None:
    """Print for ever."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, group_id=None, auto_offset_reset="latest")
    await consumer.start()
    async for record in consumer:
        print((time.monotonic_ns() - json.loads(record.value)["at_ns"]) // 1000, flush=True)


if __name__ == "__main__":
    uvloop.run(consume(*sys.argv[1:]))
