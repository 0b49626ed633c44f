"""
Records become messages, or are counted as poison; bounded per turn of the loop.

A record of which no message can be made is skipped, counted, and logged with its coordinates. It stops nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.core.hub import Hub
from gateway.core.interpreter import Interpreter
from gateway.core.routing import PoisonRecord
from gateway.metrics.counts import Counts
from gateway.stream.reader import Partition

_log = logging.getLogger("gateway.tail")

TURN_SECONDS = 0.005
POISON_LOGS_PER_LOOK = 20


class Intake:
    """
    Takes records in.

    Args:
        interpreter: How records become messages.
        hub: Where messages go.
        counts: What the metrics show.
        served_from: Where serving begins in partitions that are not read so far yet; what comes before is only learned from.
    """

    def __init__(
        self, interpreter: Interpreter, hub: Hub, counts: Counts, served_from: Mapping[Partition, int]
    ) -> None:
        self._interpreter = interpreter
        self._hub = hub
        self._counts = counts
        self._served_from = served_from
        self._logs_left = POISON_LOGS_PER_LOOK

    def allow_logs(self) -> None:
        """Let some more poison be logged; a flood of it is only counted."""
        self._logs_left = POISON_LOGS_PER_LOOK

    async def take(self, records: Sequence[Any], until: float) -> float:
        """
        Hand records on; yields to the loop when its share of the turn is used up.

        Args:
            until: When the share ends, by the monotonic clock.

        Returns:
            When the next share ends.
        """
        counts = self._counts
        for record in records:
            now = time.time()
            try:
                delivered = self._accept(record, now)
            except PoisonRecord as poison:
                self.count_poison(record, poison.reason)
            else:
                if delivered:
                    counts.delivery.observe(now - record.timestamp / 1000, delivered)
            if time.monotonic() >= until:
                await asyncio.sleep(0)
                until = time.monotonic() + TURN_SECONDS
        counts.records += len(records)
        return until

    def count_poison(self, record: Any, reason: str) -> None:
        """Skip a record, and say where it is."""
        self._counts.poisoned(reason)
        if self._logs_left > 0:
            self._logs_left -= 1
            _log.error(
                "a record was skipped, no message can be made of it",
                extra={"topic": record.topic, "partition": record.partition, "offset": record.offset, "reason": reason},
            )

    def _accept(self, record: Any, now: float) -> int:
        """Hand one record on. Returns: to how many clients."""
        channel, message, size_bytes = self._interpreter.read(record)
        served_from = self._served_from
        if served_from and record.offset < served_from.get((record.topic, record.partition), 0):
            self._hub.learn(record.topic, record.partition, record.offset, channel, message)
            return 0
        return self._hub.accept(record.topic, record.partition, record.offset, channel, message, size_bytes, now)
