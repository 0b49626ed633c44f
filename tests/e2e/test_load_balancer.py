"""Two edges behind HAProxy with deploy/haproxy.cfg, and unmodified SDKs that know only HAProxy, under flow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import reader_of
from tests.testbed.edge import EdgeProcess
from tests.testbed.flow import Flow
from tests.testbed.haproxy import SERVERS, HAProxy
from tests.testbed.records import Records
from tests.testbed.sdk import KINDS, Kind, Sdk

each_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
ACCOUNTS = ("1001", "1002", "1003")
CHANNELS = [f"account:{account}" for account in ACCOUNTS]
TOTAL = 3_000
PER_SECOND = 300
DEADLINE_SECONDS = 60.0


@dataclass
class Site:
    """What an operator runs: two edges, and HAProxy before them."""

    edges: dict[str, EdgeProcess]
    haproxy: HAProxy

    async def holder(self) -> str:
        """The edge that HAProxy has sent the client to."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                held = [name for name, count in self.haproxy.sessions().items() if count]
                if len(held) == 1:
                    return held[0]
                await asyncio.sleep(0.02)  # the client is on its way

    async def bring_back(self, name: str) -> None:
        """Start an edge again, and wait until HAProxy sends clients to it."""
        self.edges[name].launch()
        await asyncio.to_thread(self.edges[name].wait_until_ready)
        await asyncio.to_thread(self.haproxy.wait_until_up, *SERVERS)


@pytest.fixture
def site(tmp_path: Path, kafka: str, redis_url: str, topic: str, request: pytest.FixtureRequest) -> Iterator[Site]:
    """All of it, ready; settings of the edges may be given as the fixture's parameter."""
    edges = {
        name: EdgeProcess(
            tmp_path / name,
            kafka=kafka,
            redis_url=redis_url,
            namespaces={"account": {"topic": topic}},
            sections=getattr(request, "param", {}),
        )
        for name in SERVERS
    }
    try:
        for edge in edges.values():
            edge.launch()
        for edge in edges.values():
            edge.wait_until_ready()
        with HAProxy(tmp_path, [(edge.port, edge.ops_port) for edge in edges.values()]) as haproxy:
            haproxy.wait_until_up(*SERVERS)
            yield Site(edges, haproxy)
    finally:
        for edge in edges.values():
            edge.close()


@asynccontextmanager
async def listening(site: Site, kind: Kind) -> AsyncIterator[Sdk]:
    """A client that is attached to all accounts."""
    async with Sdk(kind, site.haproxy.port, health_url=site.haproxy.health_url) as client:
        await client.connect(token=reader_of(*CHANNELS))
        for channel in CHANNELS:
            await client.attach(channel)
        yield client


@pytest.fixture
def flow(records: Records, topic: str) -> Flow:
    """Records for all accounts in turn."""
    return Flow(records, topic, ACCOUNTS, total=TOTAL, per_second=PER_SECOND)


async def until_sent(flow: Flow, share: float) -> None:
    """Wait until so much of the flow was written."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while flow.sent < flow.total * share:
            await asyncio.sleep(0.02)


def drops(client: Sdk) -> list[dict[str, Any]]:
    """When its connection was lost."""
    return [change for change in client.connection if change["state"] == "disconnected"]


def assert_resumed(client: Sdk, times: int) -> None:
    """The same connection all the while, and each channel back as often, with proof that nothing is missing."""
    connected = [change for change in client.connection if change["state"] == "connected"]
    assert len(connected) == times + 1, client.connection
    assert {change["id"] for change in connected} == {connected[0]["id"]}
    for channel in CHANNELS:
        attached = [change for change in client.channels[channel] if change["state"] == "attached"]
        assert [change["resumed"] for change in attached[1:]] == [True] * (len(attached) - 1), (channel, attached)


@each_kind
async def test_clients_survive_the_kill_of_their_edge(kind: Kind, site: Site, flow: Flow) -> None:
    """kill -9 of each edge in turn: another one goes on with every record, once and in order."""
    async with listening(site, kind) as client, asyncio.TaskGroup() as tasks:
        flowing = tasks.create_task(flow.run())
        for share in (0.25, 0.6):
            await until_sent(flow, share)
            name = await site.holder()
            site.edges[name].kill()
            await site.bring_back(name)
        await flowing

        await flow.prove(client, deadline_seconds=DEADLINE_SECONDS)
        assert_resumed(client, 2)


@each_kind
async def test_nothing_is_lost_over_a_rolling_restart(kind: Kind, site: Site, flow: Flow) -> None:
    """SIGTERM to each edge in turn: its clients are told to move, it ends with 0, and nobody misses anything."""
    codes = []
    async with listening(site, kind) as client, asyncio.TaskGroup() as tasks:
        flowing = tasks.create_task(flow.run())
        for share in (0.25, 0.6):
            await until_sent(flow, share)
            name = await site.holder()
            codes.append(await asyncio.to_thread(site.edges[name].terminate))
            await site.bring_back(name)
        await flowing

        await flow.prove(client, deadline_seconds=DEADLINE_SECONDS)
        assert codes == [0, 0]
        assert [drop["reason"]["code"] for drop in drops(client)] == [80003, 80003]
        assert_resumed(client, 2)


@each_kind
@pytest.mark.parametrize("site", [{"window": {"max_seconds": 1}}], indirect=True, ids=["short window"])
async def test_a_quiet_channel_is_resumed_by_an_edge_that_has_just_started(
    kind: Kind, site: Site, records: Records, topic: str
) -> None:
    """Its last message is older than the window of that edge, which could not prove that nothing came since."""
    busy = Flow(records, topic, ACCOUNTS[:1], total=TOTAL // 2, per_second=PER_SECOND)
    async with listening(site, kind) as client, asyncio.TaskGroup() as tasks:
        flowing = tasks.create_task(busy.run())
        name = await site.holder()
        (other,) = set(SERVERS) - {name}
        await until_sent(busy, 0.4)
        await asyncio.to_thread(site.edges[other].terminate)
        await site.bring_back(other)

        assert await asyncio.to_thread(site.edges[name].terminate) == 0
        await flowing
        await client.until_received(CHANNELS[0], TOTAL // 2)

        assert_resumed(client, 1)


async def test_haproxy_sends_nobody_to_an_edge_that_drains(site: Site) -> None:
    """The ops port tells it, while the public port still serves who is there."""
    async with listening(site, KINDS[-1]) as first:
        name = await site.holder()
        process = site.edges[name].process
        code = asyncio.create_task(asyncio.to_thread(site.edges[name].terminate))
        await asyncio.to_thread(site.haproxy.wait_until_down, name)
        assert process.exit_code is None

        await first.until(lambda: drops(first) != [], "told to move")
        await first.until(lambda: first.state == "connected", "moved")

        assert await site.holder() != name
        assert await code == 0
        assert "Layer7 wrong status, code: 503" in site.haproxy.log_text()


async def test_no_token_is_in_the_log_of_haproxy(site: Site) -> None:
    """Clients write them into the query, which the log format leaves out."""
    token = reader_of(*CHANNELS)
    async with Sdk(KINDS[-1], site.haproxy.port, health_url=site.haproxy.health_url) as client:
        await client.connect(token=token)
        await client.close()

        def is_logged() -> bool:
            return f" edges/{name} " in site.haproxy.log_text()

        name = SERVERS[0] if f" edges/{SERVERS[0]} " in site.haproxy.log_text() else SERVERS[1]
        await asyncio.to_thread(site.edges[name].process.wait_until, is_logged, "the connection is logged")

    assert token.rpartition(".")[2] not in site.haproxy.log_text()
    assert "accessToken" not in site.haproxy.log_text()
