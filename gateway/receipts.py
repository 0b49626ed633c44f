"""
Receipts on their way to Kafka: what clients have confirmed, in the topics that namespaces name for it.

Delivery never waits for this. What is confirmed is joined by attachment and written every `receipts.every_seconds`; while
Kafka does not take it, it goes on being joined, and beyond the bounds the oldest is dropped and counted. What was handed
to the producer is written sooner or later. If the producer breaks, what it had is written again: a receipt may come twice,
and then says the same.

Source: docs/receipts.md; architecture.md, "Confirmed positions, cursors, receipts".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress

from gateway.core.confirming import Advance
from gateway.core.published import OutgoingRecord
from gateway.core.receipts import Receipt, Unsent, receipt_value
from gateway.core.routing import Router
from gateway.errors import KafkaUnavailable, MessageTooLarge
from gateway.metrics.counts import Counts
from gateway.settings import ReceiptSettings
from gateway.stream.producer import Placed, Producer

_log = logging.getLogger("gateway.receipts")
BATCH = 1000  # handed over before their acknowledgements are awaited
TURN = 50  # handed over before others have their turn


class Receipts:
    """
    The writer of receipts; see `gateway.core.confirming.Confirmations`.

    Args:
        producer: Writes; nobody else's, so that nobody waits behind receipts. `stop` stops it.
        topics: Namespace → where its receipts go; others have none.
        router: Gives the key of a channel.
        settings: How often, and the bounds.
        edge: What this edge calls itself.
        counts: What the metrics show.
    """

    def __init__(
        self,
        producer: Producer,
        topics: Mapping[str, str],
        router: Router,
        settings: ReceiptSettings,
        edge: str,
        counts: Counts,
    ) -> None:
        self.topics = topics
        self._producer = producer
        self._router = router
        self._every_seconds = settings.every_seconds
        self._unsent = Unsent(settings.max_pending, settings.max_pending_bytes)
        self._sending: list[Receipt] = []
        self._edge = edge
        self._counts = counts
        self._dropped = 0
        self._is_away = False
        self._stopping = asyncio.Event()
        self._stopped = asyncio.Event()

    @property
    def pending(self) -> int:
        """How many Kafka has not acknowledged."""
        return len(self._unsent) + len(self._sending)

    @property
    def dropped(self) -> int:
        """How many were dropped, by the bounds or because Kafka does not take them."""
        return self._dropped + self._unsent.dropped

    def lag_seconds(self, now: float) -> float:
        """How long ago the oldest was confirmed that Kafka has not acknowledged; 0.0 if there is none."""
        oldest_ms = min((receipt.since_ms for receipt in self._sending), default=self._unsent.oldest_ms)
        return 0.0 if oldest_ms is None else max(0.0, now - oldest_ms / 1000)

    def advanced(self, advance: Advance) -> None:
        """Take note of it, where its namespace has receipts."""
        if advance.namespace in self.topics and advance.after != advance.upto:
            self._unsent.add(advance)

    async def run(self) -> None:
        """Write until `stop`."""
        told = 0
        is_last = False
        while not is_last:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._every_seconds)
            is_last = self._stopping.is_set()
            await self.flush()
            if self.dropped > told:
                _log.warning("receipts were dropped", extra={"count": self.dropped - told})
                told = self.dropped
        self._stopped.set()

    async def flush(self) -> None:
        """Write what there is, as far as Kafka takes it."""
        while self._sending or len(self._unsent):
            self._sending = self._sending or self._unsent.take(BATCH)
            tried = len(self._sending)
            await self._send()
            if len(self._sending) == tried:
                return

    async def stop(self, timeout_seconds: float) -> None:
        """Have `run` write what is left, within so long, and end; then let go of the producer."""
        self._stopping.set()
        try:
            await asyncio.wait_for(self._stopped.wait(), timeout_seconds)
        except TimeoutError:
            _log.warning("receipts were not written before the end", extra={"count": self.pending})
        await self._producer.stop()

    async def _send(self) -> None:
        """Try to write a batch; what Kafka does not have yet stays in it."""
        answers: list[Placed | BaseException] = []
        taken, refusal = await self._hand_over(self._sending)
        answers += await asyncio.gather(*taken, return_exceptions=True)
        if refusal is not None:
            answers.append(refusal)
        rest = self._sending[len(answers) :]
        failures = [error for error in answers if isinstance(error, KafkaUnavailable)]
        self._dropped += sum(isinstance(answer, MessageTooLarge) for answer in answers)
        self._counts.receipts += sum(isinstance(answer, Placed) for answer in answers)
        tried = zip(self._sending, answers, strict=False)
        self._sending = [receipt for receipt, answer in tried if isinstance(answer, KafkaUnavailable)] + rest
        self._tell(failures)

    async def _hand_over(
        self, receipts: Sequence[Receipt]
    ) -> tuple[list[Awaitable[Placed]], KafkaUnavailable | MessageTooLarge | None]:
        """Returns: what is under way, of the first ones, and why the one behind them was not taken."""
        taken: list[Awaitable[Placed]] = []
        for receipt in receipts:
            if len(taken) % TURN == TURN - 1:
                await asyncio.sleep(0)
            try:
                topic, record = self.topics[receipt.advance.namespace], self._record(receipt)
                taken.append(asyncio.ensure_future(await self._producer.hand_over(topic, (record,))))
            except (KafkaUnavailable, MessageTooLarge) as error:
                return taken, error
        return taken, None

    def _record(self, receipt: Receipt) -> OutgoingRecord:
        source = self._router.source_of(receipt.advance.channel)
        key = receipt.advance.channel if source is None else source.key
        return OutgoingRecord(key.encode(), receipt_value(receipt, self._edge), [], "")

    def _tell(self, failures: Sequence[KafkaUnavailable]) -> None:
        """Say once that receipts wait, and once that they do not any more."""
        if failures and not self._is_away:
            _log.warning("receipts cannot be written now", extra={"error": failures[0].message, "count": self.pending})
        elif self._is_away and not failures:
            _log.info("receipts are written again")
        self._is_away = bool(failures)
