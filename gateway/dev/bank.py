"""
The demo bank: something happens on each of its accounts at least every three seconds, and goes to Kafka.

`lastmile dev` runs it in its process; against another Kafka it runs by itself:

    python -m gateway.dev.bank --bootstrap kafka:9092 --topic edge.accounts
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import signal
import time
from collections.abc import Sequence
from random import Random

import click
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from gateway.dev.books import Books, Event
from gateway.dev.customers import CUSTOMERS
from gateway.settings import KafkaSettings
from gateway.stream.connection import aiokafka_arguments

_log = logging.getLogger("gateway.dev.bank")
_json = msgspec.json.Encoder().encode
LEAST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.6, 2.4
OPENING_EVENTS = 6
RETRY_SECONDS = 1.0


class Bank:
    """
    All accounts, and when something happens on which.

    Args:
        random: Decides what and when.
        now: Seconds since the epoch; the accounts begin then.
    """

    def __init__(self, random: Random, now: float) -> None:
        self._random = random
        self._books = [Books(customer, random) for customer in CUSTOMERS]
        self._agenda = [(now + self._pause(), number) for number in range(len(self._books))]
        heapq.heapify(self._agenda)

    @property
    def next_at(self) -> float:
        """When the next thing happens, in seconds since the epoch."""
        return self._agenda[0][0]

    def opening(self, now: float) -> list[Event]:
        """What happened before anybody looked: some events for each account."""
        return [books.next_event(now) for books in self._books for _ in range(OPENING_EVENTS)]

    def due(self, now: float) -> list[Event]:
        """What has happened by *now*, in order; one event for each account at most, however long ago the last call was."""
        events = []
        while self._agenda[0][0] <= now:
            _, number = self._agenda[0]
            events.append(self._books[number].next_event(now))
            heapq.heapreplace(self._agenda, (now + self._pause(), number))
        return events

    def _pause(self) -> float:
        return self._random.uniform(LEAST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)


async def operate(kafka: KafkaSettings, topic: str, random: Random) -> None:
    """
    Post to *topic* what happens at a bank, until cancelled.

    Kafka being away is waited for. An event whose fate is unknown then is posted again: its number tells the copy.
    """
    producer = AIOKafkaProducer(**aiokafka_arguments(kafka), acks="all", enable_idempotence=True)
    await _start(producer)
    try:
        bank = Bank(random, time.time())
        await _post(producer, topic, bank.opening(time.time()))
        while True:
            await asyncio.sleep(max(0.0, bank.next_at - time.time()))
            await _post(producer, topic, bank.due(time.time()))
    finally:
        await producer.stop()


async def _start(producer: AIOKafkaProducer) -> None:
    while True:
        try:
            await producer.start()
        except KafkaError as error:
            _log.warning("the demo bank waits for Kafka", extra={"error": str(error)})
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return


async def _post(producer: AIOKafkaProducer, topic: str, events: Sequence[Event]) -> None:
    for event in events:
        while not await _is_taken(producer, topic, event):  # noqa: ASYNC110  # it is not an event that is waited for
            await asyncio.sleep(RETRY_SECONDS)


async def _is_taken(producer: AIOKafkaProducer, topic: str, event: Event) -> bool:
    headers = [("name", event.name.encode())]
    try:
        await producer.send_and_wait(topic, _json(event.value), key=event.account.encode(), headers=headers)
    except KafkaError as error:
        _log.warning("Kafka did not take an event of the demo bank", extra={"error": str(error)})
        return False
    return True


@click.command()
@click.option("--bootstrap", required=True, help="Brokers, host:port, several with commas between.")
@click.option("--topic", default="edge.accounts", show_default=True, help="Where to post; it must exist.")
def main(bootstrap: str, topic: str) -> None:
    """Post what happens at a demo bank to a topic, keyed by account, until stopped."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_operate_until_told(KafkaSettings(bootstrap_servers=bootstrap), topic))


async def _operate_until_told(kafka: KafkaSettings, topic: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        bank = tasks.create_task(operate(kafka, topic, Random()))
        await stop.wait()
        bank.cancel()


if __name__ == "__main__":
    main()
