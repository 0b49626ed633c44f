"""
Whether Kafka keeps all records of a topic until they are too old, or may thin it out.

A compacted topic loses records from its middle, without a trace: what is read there later proves nothing. Kafka is asked
now and then, since the setting can be changed while a topic is in use. Until it has said so once, it does not keep them.
"""

from __future__ import annotations

import logging
import time
from typing import Literal

from gateway.errors import KafkaUnavailable
from gateway.stream.topics import Topics

_log = logging.getLogger("gateway.cleanup")
LOOK_SECONDS = 60.0
RETRY_SECONDS = 5.0

Cleanup = Literal["unknown", "keeps", "compacts"]


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

    async def keeps_all(self, topic: str) -> bool:
        """Whether what is missing in the middle of *topic* was never there."""
        now = time.monotonic()
        if now >= self._look_at.get(topic, 0.0):
            await self._look(topic, now)
        return self._known[topic] == "keeps"

    def compacts(self, topic: str) -> bool:
        """Whether Kafka said that it thins *topic* out, when it was asked last."""
        return self._known.get(topic) == "compacts"

    async def _look(self, topic: str, now: float) -> None:
        before = self._known.setdefault(topic, "unknown")
        self._look_at[topic] = now + RETRY_SECONDS
        try:
            config = (await self._topics.configs([topic])).get(topic, {})
        except KafkaUnavailable as error:
            if before == "unknown":
                _log.warning(
                    "Kafka does not tell how a topic is cleaned up, so its past proves nothing",
                    extra={"topic": topic, "error": error.message},
                )
            return
        self._look_at[topic] = now + LOOK_SECONDS
        self._known[topic] = "compacts" if "compact" in config.get("cleanup.policy", "") else "keeps"
        if self._known[topic] == "compacts" and before != "compacts":
            _log.error("a topic is compacted, so its past proves nothing", extra={"topic": topic})
