"""
What all tests may ask for.

Kafka and Redis are started when the first test needs them, and serve the whole session, of each of pytest-xdist's workers
for itself; a test that kills one has one of its own (`broker`, `cluster`, `redis_server`). LASTMILE_TEST_KAFKA and
LASTMILE_TEST_REDIS name servers to use instead: workers have topics of their own, and databases by their numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import pytest

from tests.testbed.edge import EdgeProcess
from tests.testbed.kafka import KafkaBroker, KafkaCluster, warm_up
from tests.testbed.records import Records
from tests.testbed.redis import RedisCluster, RedisPair, RedisServer

# A slow machine is no fault of the code; what hangs is ended by pytest's timeout.
hypothesis.settings.register_profile("lastmile", deadline=None)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)  # --hypothesis-profile=thorough
hypothesis.settings.load_profile("lastmile")

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw") or None  # its number
UNHURRIED = {"broker.session.timeout.ms": "60000"}  # of a broker that nobody kills: a stall of the machine is no death
MakeTopic = Callable[..., str]
Produce = Callable[..., None]
StartEdge = Callable[..., EdgeProcess]


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Kafka that nobody kills."""
    given = os.environ.get("LASTMILE_TEST_KAFKA")
    if given:
        yield given
        return
    with KafkaBroker(tmp_path_factory.mktemp("kafka"), settings=UNHURRIED) as broker:
        warm_up(broker.address)
        yield broker.address


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real Redis that nobody kills."""
    given = os.environ.get("LASTMILE_TEST_REDIS")
    if given:
        yield given if WORKER is None else urlsplit(given)._replace(path=f"/{WORKER}").geturl()
        return
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Three nodes that nobody kills."""
    with RedisCluster(tmp_path_factory.mktemp("redis-cluster")) as cluster:
        yield cluster.url


@pytest.fixture(scope="session")
def records(kafka: str) -> Iterator[Records]:
    """Topics and records of `kafka`."""
    with Records(kafka) as records:
        yield records


@pytest.fixture
def make_topic(records: Records) -> MakeTopic:
    """Create a topic: ``make_topic(partitions=4, cleanup_policy="compact")`` returns its name."""
    return records.make_topic


@pytest.fixture
def topic(make_topic: MakeTopic) -> str:
    """A new topic of four partitions."""
    return make_topic()


@pytest.fixture
def produce(records: Records) -> Produce:
    """Write records and wait for Kafka: ``produce(topic, [("1001", '{"a": 1}', {"name": "payment"})])``."""
    return records.produce


@pytest.fixture
def edge(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[StartEdge]:
    """
    Start an edge and wait until it is ready: ``edge({"account": {"topic": topic}}, window={"max_seconds": 30})``.

    Besides settings it takes ``kafka=`` and ``redis_url=`` for servers of the test's own.
    """
    with ExitStack() as running:

        def start(
            namespaces: Mapping[str, Mapping[str, Any]],
            *,
            kafka: str | None = None,
            redis_url: str | None = None,
            **sections: Any,
        ) -> EdgeProcess:
            number = len(list(tmp_path.glob("edge-*"))) + 1
            process = EdgeProcess(
                tmp_path / f"edge-{number}",
                kafka=kafka or request.getfixturevalue("kafka"),
                redis_url=redis_url or request.getfixturevalue("redis_url"),
                namespaces=namespaces,
                sections=sections,
            )
            running.callback(process.close)
            return process.start()

        yield start


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A Kafka of the test's own, running, to be killed."""
    with KafkaBroker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    """Three brokers of the test's own, running."""
    with KafkaCluster(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, running, to be killed, flushed and frozen."""
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def redis_pair(tmp_path: Path) -> Iterator[RedisPair]:
    """A primary, a replica and sentinels of the test's own, running."""
    with RedisPair(tmp_path / "redis-pair") as pair:
        yield pair
