"""
The writer of revocations: answered when all in-sync replicas have them, and mostly when this edge goes by them as well.

A topic that is compacted keeps one record of each key, the last. So what is written says all that is known of its target;
and if another edge wrote at the same moment, it is written once more, until the last record says the most.

Source: docs/revocation.md; RSA17.
"""

from __future__ import annotations

import asyncio

from auth.revocation import Address, Cut, Rulings, joined
from gateway.core.published import OutgoingRecord
from gateway.errors import KafkaUnavailable, Overloaded
from gateway.revocation.follower import Follower
from gateway.revocation.record import revocation_record
from gateway.stream.producer import Placed, Producer

READ_SECONDS = 5.0
LOOK_SECONDS = 0.01
ATTEMPTS = 5  # each but the first has met another edge's record of the same target, of the same moment


class Writer:
    """
    Writes revocations to the topic.

    Args:
        producer: The way there; the caller stops it.
        topic: Its name.
        rulings: What is known of it.
        follower: Who reads it.
        timeout_seconds: After which Kafka counts as away.
    """

    def __init__(
        self, producer: Producer, topic: str, rulings: Rulings, follower: Follower, timeout_seconds: float
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._rulings = rulings
        self._follower = follower
        self._timeout_seconds = timeout_seconds

    async def revoke(self, address: Address, cut: Cut) -> Cut:
        """
        Have a revocation hold on all edges.

        Returns:
            What holds: at least as much as was asked for.

        Raises:
            Overloaded: If there are as many revocations as can be kept.
            KafkaUnavailable: If Kafka has not acknowledged it in time; it may hold all the same, so ask again.
        """
        known = self._rulings.cut_of(address)
        if known is None and not self._rulings.has_room:
            raise Overloaded("there are as many revocations as this server can keep; revoke by other targets, or later")
        for _ in range(ATTEMPTS):
            cut = cut if known is None else joined(cut, known)
            await self._until_read(await self._write(address, cut))
            known = self._rulings.cut_of(address)
            if known is None or known.issued_before <= cut.issued_before:
                break
        return cut

    async def stop(self) -> None:
        """Let go of Kafka; never raises."""
        await self._producer.stop()

    async def _write(self, address: Address, cut: Cut) -> Placed:
        key, value = revocation_record(address, cut)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await (await self._producer.hand_over(self._topic, [OutgoingRecord(key, value, [], "")]))
        except TimeoutError:
            raise KafkaUnavailable("Kafka has not acknowledged the revocation in time; ask for it again") from None

    async def _until_read(self, placed: Placed) -> None:
        """Who asks finds it done; if this edge reads late, Kafka has it all the same."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READ_SECONDS
        while not self._follower.has_read(*placed) and loop.time() < deadline:  # noqa: ASYNC110  # as long as a moment
            await asyncio.sleep(LOOK_SECONDS)
