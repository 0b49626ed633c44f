"""What services write meanwhile: bursts, values of all kinds, and transactions of which some are aborted."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

from confluent_kafka import KafkaException, Message, Producer

from tests.chaos.plan import NAMESPACES, TRANSACTIONAL, Plan, keys, topic_of
from tests.checker.messages import Record

BEAT_SECONDS = 0.1
DELIVERY_SECONDS = 240
BROKEN_TRANSACTIONS = 100  # one behind the other: then it is no fault that passes
Value = tuple[bytes | None, list[tuple[str, bytes]]]
_numbers = itertools.count(1)


def value_of(seed: Random) -> Value:
    """A value that no other record has, with headers."""
    number = next(_numbers)
    padding = "x" * (seed.randint(2000, 6000) if seed.random() < 0.05 else seed.randint(20, 200))
    headers = [("n", str(number).encode())]
    if seed.random() < 0.2:
        headers.append(("name", seed.choice([b"payment", b"fee"])))
    if seed.random() < 0.1:
        headers.append(("clientId", b"teller"))
    match seed.randrange(10):
        case 0:
            return None, headers
        case 1:
            return b"\xff\x00" + number.to_bytes(8, "big"), headers
        case 2:
            return f"number {number} {padding}".encode(), headers
        case 3:
            return json.dumps([number, padding]).encode(), headers
        case _:
            return json.dumps({"n": number, "padding": padding}).encode(), headers


class Writer:
    """
    One idempotent producer, which remembers what was acknowledged.

    Args:
        address: Bootstrap servers.
    """

    def __init__(self, address: str) -> None:
        self.acknowledged: list[Record] = []
        self.failures: list[str] = []
        self._producer = Producer(_options(address) | {"enable.idempotence": True})

    def send(self, topic: str, key: str, value: Value) -> None:
        """Write a record without waiting; `flush` says whether it was taken."""
        raw, headers = value
        now_ms = int(time.time() * 1000)

        def note(error: Any, message: Message) -> None:
            if error is not None:
                self.failures.append(f"{topic}: {error}")
                return
            place = (message.partition(), message.offset(), now_ms)
            self.acknowledged.append(Record(topic, *place, key, raw, tuple(headers)))

        self._producer.produce(topic, key=key, value=raw, headers=headers, timestamp=now_ms, on_delivery=note)
        self._producer.poll(0)

    def flush(self) -> None:
        """
        Wait until all of it is acknowledged.

        Raises:
            RuntimeError: If it was not: then nobody knows what Kafka holds.
        """
        left = self._producer.flush(DELIVERY_SECONDS)
        if left or self.failures:
            raise RuntimeError(f"{left} records not acknowledged; failures: {self.failures[:3]}")


class Writing:
    """
    All that is written.

    Args:
        address: Bootstrap servers.
        plan: How much.
    """

    def __init__(self, address: str, plan: Plan) -> None:
        self.counts: Counter[str] = Counter()
        self.writers = {namespace: Writer(address) for namespace in NAMESPACES}
        self.held: set[str] = set()  # namespaces whose topic is not to be written now
        self._address = address
        self._plan = plan
        self._transactional: Producer | None = None

    async def run(self, until: asyncio.Event) -> None:
        """Write until told not to; all of it is in Kafka when this returns."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._burst(until))
            both.create_task(self._transact(until))
        for writer in self.writers.values():
            await asyncio.to_thread(writer.flush)

    def renew(self, namespace: str) -> None:
        """Its topic is another one: so is the producer."""
        self.writers[namespace] = Writer(self._address)

    def write(self, namespace: str, count: int, seed: Random) -> None:
        """Write a burst."""
        for key in _draw_keys(namespace, count, seed):
            self.writers[namespace].send(topic_of(namespace), key, value_of(seed))
        self.counts["records"] += count

    async def _burst(self, until: asyncio.Event) -> None:
        seed = self._plan.random("bursts")
        while not until.is_set():
            namespace = seed.choice(list(NAMESPACES))
            count = int(seed.expovariate(1 / (self._plan.records_per_second * BEAT_SECONDS)))
            if namespace not in self.held:
                self.write(namespace, count, seed)
            await asyncio.sleep(BEAT_SECONDS)  # the pace

    # ------------------------------------------------------------------ transactions

    async def _transact(self, until: asyncio.Event) -> None:
        seed = self._plan.random("transactions")
        broken_in_a_row = 0
        while not until.is_set() or self._transactional is None:  # a new one fences what a broken one has left open
            namespace, is_kept = seed.choice(TRANSACTIONAL), seed.random() < 0.6
            try:
                await self._one_transaction(namespace, seed, is_kept=is_kept)
            except KafkaException as error:
                self.counts["transactions broken"] += 1
                self._transactional = None
                broken_in_a_row += 1
                if broken_in_a_row == BROKEN_TRANSACTIONS:
                    raise RuntimeError("transactions do not come about any more") from error
            else:
                broken_in_a_row = 0
            await asyncio.sleep(seed.uniform(0.1, 0.8))

    async def _one_transaction(self, namespace: str, seed: Random, *, is_kept: bool) -> None:
        if self._transactional is None:
            transactional = {"transactional.id": "chaos", "transaction.timeout.ms": DELIVERY_SECONDS * 1000}
            producer = Producer(_options(self._address) | transactional)
            await asyncio.to_thread(producer.init_transactions, DELIVERY_SECONDS)
            self._transactional = producer
        producer = self._transactional
        producer.begin_transaction()
        for key in _draw_keys(namespace, seed.randint(1, 10), seed):
            value, headers = value_of(seed)
            producer.produce(topic_of(namespace), key=key, value=value, headers=headers)
        await asyncio.to_thread(producer.flush, DELIVERY_SECONDS)
        await asyncio.sleep(seed.uniform(0, 0.3))  # open for a while: what others write behind it waits
        if is_kept:
            await asyncio.to_thread(producer.commit_transaction, DELIVERY_SECONDS)
            self.counts["transactions kept"] += 1
        else:
            await asyncio.to_thread(producer.abort_transaction, DELIVERY_SECONDS)
            self.counts["transactions aborted"] += 1


def _draw_keys(namespace: str, count: int, seed: Random) -> Sequence[str]:
    every = keys(namespace)
    return seed.choices(every, [1 / (number + 1) for number in range(len(every))], k=count)


def _options(address: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": address,
        "log_level": 0,
        "max.in.flight.requests.per.connection": 1,  # see tests/testbed/records.py
        "linger.ms": 1,
        "partitioner": "murmur2_random",  # what Java's clients do
        "topic.metadata.refresh.interval.ms": 1_000,
        "reconnect.backoff.max.ms": 500,
        "delivery.timeout.ms": DELIVERY_SECONDS * 1000,
    }
