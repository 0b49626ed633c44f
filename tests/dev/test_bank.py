"""When something happens at the demo bank, and that it reaches Kafka."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from random import Random

from aiokafka import AIOKafkaConsumer

from gateway.dev.bank import OPENING_EVENTS, Bank, operate
from gateway.dev.customers import CUSTOMERS
from gateway.dev.embedded import embedded_kafka
from gateway.settings import KafkaSettings
from tests.testbed.ports import free_port
from tests.testbed.process import Process

NOW = 1_790_000_000.0
ACCOUNTS = [customer.account for customer in CUSTOMERS]


def test_each_account_gets_an_event_at_least_every_three_seconds() -> None:
    """What the demo promises; watched for ten minutes of its time."""
    bank = Bank(Random(1), NOW)
    times: dict[str, list[float]] = {account: [NOW] for account in ACCOUNTS}

    now = NOW
    while now < NOW + 600:
        now = bank.next_at
        for event in bank.due(now):
            times[event.account].append(now)

    assert max(later - earlier for of in times.values() for earlier, later in pairwise(of)) <= 3


def test_a_machine_that_slept_wakes_to_one_event_an_account() -> None:
    """And not to a night's worth at once."""
    bank = Bank(Random(1), NOW)

    events = bank.due(NOW + 8 * 3600)

    assert sorted(event.account for event in events) == ACCOUNTS
    assert bank.due(NOW + 8 * 3600) == []


def test_there_was_life_before_anybody_looked() -> None:
    """So a page is not empty when it opens."""
    events = Bank(Random(1), NOW).opening(NOW)

    assert [event.account for event in events] == [account for account in ACCOUNTS for _ in range(OPENING_EVENTS)]


async def test_what_happens_is_posted_to_kafka_in_the_order_of_its_numbers() -> None:
    """Keyed by account, its kind in the header `name`, on the listener that the demo brings along."""
    wanted = 2 * OPENING_EVENTS * len(ACCOUNTS)
    with embedded_kafka(["edge.accounts"]) as address:
        consumer = AIOKafkaConsumer("edge.accounts", bootstrap_servers=address, auto_offset_reset="earliest")
        await consumer.start()
        bank = asyncio.create_task(operate(KafkaSettings(bootstrap_servers=address), "edge.accounts", Random(1)))
        numbers: dict[str, list[int]] = defaultdict(list)
        kinds = set()
        async with asyncio.timeout(30):
            while sum(map(len, numbers.values())) < wanted:
                record = await consumer.getone()
                numbers[record.key.decode()].append(json.loads(record.value)["number"])
                kinds |= {value for name, value in record.headers if name == "name"}
        bank.cancel()
        await asyncio.wait([bank])
        await consumer.stop()

    assert sorted(numbers) == ACCOUNTS
    assert all(of == list(range(1, len(of) + 1)) for of in numbers.values())
    assert b"transaction" in kinds


async def test_alone_it_waits_for_kafka_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    """As in a composition where it comes up first: it says so, begins once there is a broker, and leaves with 0."""
    port = free_port()
    command = [sys.executable, "-m", "gateway.dev.bank", "--bootstrap", f"127.0.0.1:{port}"]
    bank = Process(command, tmp_path / "bank.log")
    bank.wait_until(lambda: "the demo bank waits for Kafka" in bank.log_text(), "it says that it waits")

    with embedded_kafka(["edge.accounts"]) as address:

        async def lead_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            host, _, target = address.partition(":")
            back, forth = await asyncio.open_connection(host, int(target))
            await asyncio.gather(_pass(reader, forth), _pass(back, writer))

        consumer = AIOKafkaConsumer("edge.accounts", bootstrap_servers=address, auto_offset_reset="earliest")
        async with await asyncio.start_server(lead_on, "127.0.0.1", port), asyncio.timeout(30):
            await consumer.start()
            record = await consumer.getone()
            await consumer.stop()
            code = await asyncio.to_thread(bank.terminate)

    assert record.key.decode() in ACCOUNTS
    assert code == 0
    assert "Traceback" not in bank.log_text()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
    writer.close()
