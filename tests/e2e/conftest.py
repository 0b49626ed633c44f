"""One edge for all tests that do it no harm, and clients for it."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.testbed.edge import EdgeProcess, token
from tests.testbed.records import Records
from tests.testbed.sdk import Kind, Sdk

pytest.register_assert_rewrite("tests.e2e.replaying")  # its assertions explain themselves, as those of tests do
StartSdk = Callable[..., Awaitable[Sdk]]
_accounts = itertools.count(1)


@pytest.fixture(scope="session")
def shared_topic(records: Records) -> str:
    """The topic of `shared_edge`."""
    return records.make_topic()


@pytest.fixture(scope="session")
def shared_edge(
    tmp_path_factory: pytest.TempPathFactory, kafka: str, redis_url: str, shared_topic: str
) -> Iterator[EdgeProcess]:
    """An edge with one namespace, `account`, that nobody stops."""
    edge = EdgeProcess(
        tmp_path_factory.mktemp("edge"),
        kafka=kafka,
        redis_url=redis_url,
        namespaces={"account": {"topic": shared_topic}},
        sections={},
    )
    with edge:
        yield edge


@pytest.fixture
def account() -> str:
    """The key of records that no other test writes; its channel is ``account:KEY``."""
    return f"{next(_accounts):04}"


@pytest.fixture
async def sdk() -> AsyncIterator[StartSdk]:
    """
    Start a client: ``await sdk(kind, edge, token=token)`` is connected when it returns.

    Args of the factory: *kind*; *edge*; ``port`` of a proxy before it; ``mint`` for a client that asks for tokens;
    ``wait=False`` not to wait for the connection; and what `Sdk.connect` takes.
    """
    async with AsyncExitStack() as running:

        async def start(
            kind: Kind,
            edge: EdgeProcess,
            *,
            port: int | None = None,
            mint: Callable[[], str] | None = None,
            **options: Any,
        ) -> Sdk:
            health_url = f"http://127.0.0.1:{edge.ops_port}/health/live"
            client = await running.enter_async_context(Sdk(kind, port or edge.port, health_url=health_url, mint=mint))
            await client.connect(**options)
            return client

        yield start


def reader_of(*channels: str, ttl_seconds: float = 3600) -> str:
    """A token that may listen to these channels."""
    return token(
        now=time.time(),
        ttl_seconds=ttl_seconds,
        client_id="phone",
        capability={channel: ["subscribe", "history"] for channel in channels},
    )


def writer_of(*channels: str, client_id: str = "phone") -> str:
    """A token that may say and hear everything on these channels."""
    return token(
        now=time.time(), client_id=client_id, capability={channel: ["publish", "subscribe"] for channel in channels}
    )
