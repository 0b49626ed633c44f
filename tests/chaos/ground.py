"""What a run stands on: three brokers, Redis, edges, topics."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.chaos.fleet import Fleet
from tests.chaos.plan import CLIENT_ID, NAMESPACES, PARTITIONS, Plan, topic_of
from tests.testbed.edge import EdgeProcess, token
from tests.testbed.kafka import KafkaCluster
from tests.testbed.records import Records
from tests.testbed.redis import RedisServer

# The smallest of everything that remembers, so that all tiers are needed all the time.
SECTIONS = {
    "window": {"max_seconds": 1},
    "server": {"send_buffer_bytes": 4096, "write_high_water_bytes": 4096, "drain_seconds": 1},
    "redis": {"timeout_seconds": 1},
    "history": {"lease_seconds": 2},
    "cursors": {"per_client": 100},  # all are the same customer's
}


class Ground:
    """
    All of it, running.

    Args:
        directory: For data, settings and logs.
        plan: How many edges.
    """

    def __init__(self, directory: Path, plan: Plan) -> None:
        self._directory = directory
        self._plan = plan
        self._stack = ExitStack()
        self.token = token(now=time.time(), ttl_seconds=24 * 3600, client_id=CLIENT_ID)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.redis = stack.enter_context(RedisServer(self._directory / "redis"))
            self.cluster = stack.enter_context(KafkaCluster(self._directory / "cluster"))
            self.records = stack.enter_context(Records(self.cluster.address))
            for namespace in NAMESPACES:
                self.records.make_topic(PARTITIONS, name=topic_of(namespace))
            edges = [self._edge(number) for number in range(self._plan.edges)]
            for edge in edges:
                stack.callback(edge.close)
                edge.launch()
            for edge in edges:
                edge.wait_until_ready()
            self.fleet = Fleet(edges)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _edge(self, number: int) -> EdgeProcess:
        return EdgeProcess(
            self._directory / f"edge-{number}",
            kafka=self.cluster.address,
            redis_url=self.redis.url,
            namespaces={namespace: {"topic": topic_of(namespace), **of} for namespace, of in NAMESPACES.items()},
            sections=SECTIONS,
        )
