"""
Whether Kafka keeps all records of a topic until they are too old, or may thin it out.

A compacted topic loses records from its middle, without a trace: what is read there later proves nothing. Kafka is asked
now and then, since the setting can be changed while a topic is in use. Kafka that is away is no answer; what it said last
goes on to hold then.
"""

from __future__ import annotations

import logging
import time
from typing import Literal

from gateway.errors import KafkaForbids, KafkaUnavailable
from gateway.stream.topics import Topics

_log = logging.getLogger("gateway.cleanup")
LOOK_SECONDS = 60.0
RETRY_SECONDS = 1.0

Cleanup = Literal["keeps", "compacts", "untold"]


class CleanupWatch:
    """
    Knows how topics are cleaned up.

    Args:
        topics: Asks Kafka.
    """

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._known: dict[str, Cleanup] = {}
        self._look_at: dict[str, float] = {}

    async def cleanup_of(self, topic: str) -> Cleanup:
        """
        Whether what is missing in the middle of *topic* was never there; `untold` if the broker keeps that to itself.

        Raises:
            KafkaUnavailable: If Kafka has never said so, and does not answer.
        """
        now = time.monotonic()
        if now >= self._look_at.get(topic, 0.0):
            await self._look(topic, now)
        known = self._known.get(topic)
        if known is None:
            raise KafkaUnavailable(f"Kafka has not told yet how {topic} is cleaned up")
        return known

    def compacts(self, topic: str) -> bool:
        """Whether Kafka said that it thins *topic* out, when it was asked last."""
        return self._known.get(topic) == "compacts"

    async def _look(self, topic: str, now: float) -> None:
        before = self._known.get(topic)
        self._look_at[topic] = now + RETRY_SECONDS
        try:
            config = (await self._topics.configs([topic])).get(topic, {})
        except KafkaForbids as error:
            self._known[topic] = "untold"
            if before != "untold":
                _log.error(
                    "Kafka may not tell how a topic is cleaned up, so its past proves nothing; allow DescribeConfigs",
                    extra={"topic": topic, "error": error.message},
                )
        except KafkaUnavailable as error:
            _log.warning(
                "Kafka does not tell how a topic is cleaned up", extra={"topic": topic, "error": error.message}
            )
            return
        else:
            self._known[topic] = "compacts" if "compact" in config.get("cleanup.policy", "") else "keeps"
            if self._known[topic] == "compacts" and before != "compacts":
                _log.error("a topic is compacted, so its past proves nothing", extra={"topic": topic})
        self._look_at[topic] = now + LOOK_SECONDS
