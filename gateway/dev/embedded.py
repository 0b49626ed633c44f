"""
Kafka and Redis inside this process: real listeners on loopback, so that the edge is told another address and nothing else.

    Kafka    the mock cluster that librdkafka carries for its own tests: produce, fetch, offsets; no transactions,
             no topic ids, no time index, and nothing on disk
    Redis    fakeredis behind a socket: the commands, scripts and expiry of Redis 7; nothing on disk either
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import KafkaException, Producer

from gateway.errors import KafkaUnavailable, StoreUnavailable

START_TIMEOUT_SECONDS = 5.0


@contextmanager
def embedded_kafka(topics: Sequence[str]) -> Iterator[str]:
    """
    Run a broker as long as the context lasts.

    Args:
        topics: Which to create, each with librdkafka's four partitions.

    Yields:
        Its address, ``127.0.0.1:port``.

    Raises:
        KafkaUnavailable: If it does not come up.
    """
    owner = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    try:
        brokers = owner.list_topics(timeout=START_TIMEOUT_SECONDS).brokers
        for topic in topics:
            owner.list_topics(topic, timeout=START_TIMEOUT_SECONDS)  # asking for a topic creates it
    except KafkaException as error:
        raise KafkaUnavailable(f"the embedded Kafka did not start: {error}") from None
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())
    del owner  # the cluster goes with the client that carries it


@contextmanager
def embedded_redis() -> Iterator[str]:
    """
    Run a Redis as long as the context lasts.

    Yields:
        Its URL.

    Raises:
        StoreUnavailable: If fakeredis is not installed.
    """
    try:
        from fakeredis import TcpFakeServer  # noqa: PLC0415  # an extra that only the demo needs
    except ImportError:
        raise StoreUnavailable("lastmile dev needs an in-process Redis: pip install 'lastmile[embedded]'") from None
    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    thread = threading.Thread(target=server.serve_forever, name="embedded-redis", daemon=True)
    thread.start()
    try:
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
