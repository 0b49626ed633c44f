"""
What topics are like: their id, partitions and configuration.

Asked with librdkafka, whose metadata knows topic ids (KIP-516); in a thread, since its Python calls block.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from gateway.errors import KafkaForbids, KafkaUnavailable
from gateway.settings import KafkaSettings
from gateway.stream.connection import librdkafka_arguments

_T = TypeVar("_T")
# As long as the broker is as it is, asking again changes nothing.
_FORBIDDEN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.UNSUPPORTED_VERSION,
    KafkaError._UNSUPPORTED_FEATURE,  # noqa: SLF001  # public, by its documentation
}
EMBEDDED_CLUSTER = "mockCluster"  # how librdkafka's in-process listener calls itself; it cannot describe topics


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """
    What is known of a topic that exists.

    Args:
        topic_id: Kafka's, new with each life of the topic; None where the broker gives none.
        partitions: How many.
        replicas: Of the least replicated partition.
        config: Effective settings, where they were asked for.
    """

    topic_id: str | None
    partitions: int
    replicas: int
    config: Mapping[str, str] = field(default_factory=dict)


class TopicLife(NamedTuple):
    """
    One life of a topic, as those who read it know it.

    Args:
        generation: Its name, with that of its partitioning.
        partitions: How many.
        topic_id: Kafka's; None where the broker gives none.
    """

    generation: str
    partitions: int
    topic_id: str | None

    @property
    def has_time_index(self) -> bool:
        """Whether Kafka finds offsets by time; the embedded listener has neither these nor ids."""
        return self.topic_id is not None


def generation_of(topic: str, identity: str, partitions: int) -> str:
    """
    Name one life of a topic and of its partitioning, the same on every edge.

    Args:
        identity: The topic's id, or what stands for it where there is none.
    """
    digest = hashlib.sha256(f"{topic}\n{identity}\n{partitions}".encode()).digest()
    return base64.b32encode(digest).decode().lower()[:8]


class Topics:
    """
    Looks at topics.

    Args:
        settings: How Kafka is reached.

    Raises:
        KafkaUnavailable: If nothing can be reached like this, such as with a file that holds no certificate.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._timeout_seconds = settings.request_timeout_seconds
        try:
            self._admin = AdminClient(librdkafka_arguments(settings))
        except KafkaException as error:
            raise KafkaUnavailable(f"the kafka settings cannot be used: {error.args[0].str()}") from None
        self._thread = ThreadPoolExecutor(1, "topics")

    async def look(self, names: Iterable[str]) -> dict[str, TopicFacts]:
        """
        The topics of these names that exist.

        Raises:
            KafkaUnavailable: If no broker answers in time.
        """
        wanted = list(names)
        return await self._in_thread(lambda: self._look(wanted))

    async def configs(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """
        Effective settings of topics that exist.

        Raises:
            KafkaForbids: If this user may not know, or the broker cannot tell.
            KafkaUnavailable: If no broker answers in time.
        """
        wanted = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        return await self._in_thread(lambda: self._configs(wanted))

    async def brokers(self) -> int:
        """
        How many brokers there are.

        Raises:
            KafkaUnavailable: If none answers in time.
        """
        return await self._in_thread(lambda: len(self._admin.list_topics(timeout=self._timeout_seconds).brokers))

    def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)
        except TimeoutError as error:
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from None
        except KafkaException as error:
            if error.args[0].code() in _FORBIDDEN:
                raise KafkaForbids(f"Kafka does not allow it: {error.args[0].str()}") from None
            raise KafkaUnavailable(f"Kafka does not answer: {error}") from None

    def _look(self, names: list[str]) -> dict[str, TopicFacts]:
        metadata = self._admin.list_topics(timeout=self._timeout_seconds)
        known = metadata.topics
        there = [name for name in names if name in known and known[name].error is None and known[name].partitions]
        is_embedded = (metadata.cluster_id or "").startswith(EMBEDDED_CLUSTER)
        ids = {} if is_embedded else self._ids(there)
        return {
            name: TopicFacts(
                topic_id=ids.get(name),
                partitions=len(known[name].partitions),
                replicas=min(len(partition.replicas) for partition in known[name].partitions.values()),
            )
            for name in there
        }

    def _ids(self, names: list[str]) -> dict[str, str]:
        """Topic ids; brokers before 2.8 have none."""
        if not names:
            return {}
        ids: dict[str, str] = {}
        futures = self._admin.describe_topics(TopicCollection(names), request_timeout=self._timeout_seconds)
        for name, future in futures.items():
            topic_id = future.result(self._timeout_seconds).topic_id
            if topic_id is not None and (topic_id.get_most_significant_bits() or topic_id.get_least_significant_bits()):
                ids[name] = str(topic_id)
        return ids

    def _configs(self, resources: list[Any]) -> dict[str, dict[str, str]]:
        if not resources:
            return {}
        futures = self._admin.describe_configs(resources, request_timeout=self._timeout_seconds)
        found: dict[str, dict[str, str]] = {}
        for resource, future in futures.items():
            entries = future.result(self._timeout_seconds)
            found[resource.name] = {name: str(entry.value) for name, entry in entries.items()}
        return found
