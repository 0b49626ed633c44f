"""What is asked of Kafka while a broker may be away: again and again, until it does it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from confluent_kafka import ElectionType, KafkaError, KafkaException

from tests.testbed.kafka import KafkaCluster
from tests.testbed.records import Records

DEADLINE_SECONDS = 300.0  # of what takes seconds on a machine that is not overloaded
LOOK_SECONDS = 0.1
Answer = TypeVar("Answer")
Partition = tuple[str, int]


class Brokers:
    """
    The cluster, as its operators see it.

    Args:
        cluster: Three brokers.
        records: Its administrator.
    """

    def __init__(self, cluster: KafkaCluster, records: Records) -> None:
        self._cluster = cluster
        self._records = records

    async def restart(self, number: int, *, is_killed: bool) -> int:
        """
        Kill a broker, or stop it in order so that it hands over what it leads; back and in sync, it is given that again.

        Returns:
            How often the leader of a partition changed.
        """
        broker = self._cluster.brokers[number]
        before = await asked(self._leaders)
        if is_killed:
            broker.kill()
        else:
            with suppress(subprocess.TimeoutExpired):  # it was killed then
                await asyncio.to_thread(broker.stop)
        broker.launch()
        await asked(broker.wait_until_answering)
        await asked(self._wait_for_replicas)
        meanwhile = await asked(self._leaders)
        await asked(self._elect)
        return _moves(before, meanwhile) + _moves(meanwhile, await asked(self._leaders))

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """As retention does."""
        await asked(lambda: self._records.delete_before(topic, partition, offset))

    async def recreate(self, topic: str, partitions: int) -> None:
        """Delete a topic and create it again; no topic of three replicas is made while a broker is away."""
        await asked(lambda: self._delete(topic))
        await asked(lambda: self._records.make_topic(partitions, name=topic))

    def _delete(self, topic: str) -> None:
        try:
            self._records.delete_topic(topic)
        except KafkaException as refusal:
            if refusal.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:  # it was deleted when this was asked before
                raise

    def _elect(self) -> None:
        self._records.admin.elect_leaders(ElectionType.PREFERRED).result(DEADLINE_SECONDS)

    def _leaders(self) -> Mapping[Partition, int]:
        found = self._records.admin.list_topics(timeout=DEADLINE_SECONDS).topics
        return {(topic, number): at.leader for topic, of in found.items() for number, at in of.partitions.items()}

    def _wait_for_replicas(self) -> None:
        found = self._records.admin.list_topics(timeout=DEADLINE_SECONDS).topics.values()
        if any(len(at.isrs) < len(at.replicas) for of in found for at in of.partitions.values()):
            raise TimeoutError("a replica is not in sync yet")


def _moves(before: Mapping[Partition, int], after: Mapping[Partition, int]) -> int:
    return sum(at in after and after[at] != leader for at, leader in before.items())


async def asked(ask: Callable[[], Answer]) -> Answer:
    """Ask until there is an answer."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                return await asyncio.to_thread(ask)
            except (KafkaException, TimeoutError):
                await asyncio.sleep(LOOK_SECONDS)
