"""Records of accounts: about as long as a payment, each with the producer's clock in it."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.testbed.records import Records

SLICE_SECONDS = 0.1
_T = TypeVar("_T")
_PADDING = "x" * 60
PUBLISHED = json.dumps({"type": "order", "amount": "12.50", "currency": "EUR", "to": "x" * 90})


def record_of(account: str) -> tuple[str, str]:
    """Key and value of a payment that is made now."""
    payment = {"at_ns": time.monotonic_ns(), "type": "payment", "amount": "12.50", "currency": "EUR", "to": _PADDING}
    return account, json.dumps(payment)


def write_all(records: Records, topic: str, accounts: Sequence[str], count: int) -> None:
    """So many records, accounts in turn, as fast as Kafka takes them; acknowledged when this returns."""
    records.produce(topic, (record_of(account) for account in itertools.islice(itertools.cycle(accounts), count)))


def write_paced(records: Records, topic: str, accounts: Sequence[str], count: int, per_second: float) -> None:
    """So many records at an even pace, accounts in turn; acknowledged when this returns."""
    turn = itertools.cycle(accounts)
    began_at = time.monotonic()
    for sent in range(count):
        wait_seconds = began_at + sent / per_second - time.monotonic()
        if wait_seconds > 0:
            time.sleep(wait_seconds)  # the pace
        records.send(topic, record_of(next(turn)))
    records.flush()


def write_while(
    records: Records, topic: str, accounts: Sequence[str], per_second: float, meanwhile: Callable[[], _T]
) -> tuple[int, _T]:
    """
    Records at an even pace for as long as something else takes.

    Returns:
        How many were written, and what the other thing has returned.
    """
    a_slice, written = max(1, int(per_second * SLICE_SECONDS)), 0
    with ThreadPoolExecutor(1) as other:
        running = other.submit(meanwhile)
        while not running.done():
            write_paced(records, topic, accounts, a_slice, per_second)
            written += a_slice
        return written, running.result()
