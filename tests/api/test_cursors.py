"""`/cursors` and `/clients` of the ops port: what is listed and removed, and what is refused."""

from __future__ import annotations

import httpx
import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from gateway.api.ops import create_ops_app
from gateway.metrics.counts import Counts
from gateway.metrics.readings import TopicLag
from gateway.settings import CursorSettings, Settings
from gateway.store.connections import ConnectionRecord, ConnectionStore
from gateway.store.cursors import CursorPlace, CursorStore
from tests.api.ground import Ground, code_of

SERIAL = "k7f2m0qa-00003-0000000000000017"
ALICE = CursorPlace("bank", "alice", "phone-7", "account:1")


class Operated:
    """What the ops port needs of an edge, on a Redis of its own."""

    def __init__(self, redis: Redis) -> None:
        self.settings: Settings = Ground().settings
        self.counts = Counts()
        self.registry = CollectorRegistry()
        self.cursors = CursorStore(redis, 2.0, CursorSettings())
        self.connections = ConnectionStore(redis, 2.0)
        self.noted: list[tuple[str, dict[str, object]]] = []
        self.app = create_ops_app(self, self)

    def note(self, event: str, **details: object) -> None:
        self.noted.append((event, details))

    def unready_because(self) -> str | None:
        return None

    def lag(self) -> dict[str, TopicLag]:
        return {}

    async def ask(self, method: str, path: str, **params: str) -> httpx.Response:
        """One request."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8081") as asking:
            return await asking.request(method, path, params=params)


@pytest.fixture
async def edge() -> Operated:
    """With cursors of alice and bob, and a connection of each."""
    operated = Operated(FakeAsyncRedis(server=FakeServer()))
    places = [
        ALICE,
        ALICE._replace(channel="account:2"),
        ALICE._replace(cursor="tablet"),
        ALICE._replace(client_id="bob"),
    ]
    await operated.cursors.save_many([(place, SERIAL) for place in places], "owner")
    for client in ("alice", "bob", None):
        record = ConnectionRecord(f"connection-of-{client}", client, "bank")
        await operated.connections.save_many([(f"key-of-{client}", record)], 600)
    return operated


async def test_clients_are_listed(edge: Operated) -> None:
    """Page by page; this one is the last."""
    body = (await edge.ask("GET", "/cursors", app="bank", limit="10")).json()

    assert sorted(body["clients"]) == ["alice", "bob"]
    assert body["after"] is None


async def test_a_client_s_cursors_are_listed(edge: Operated) -> None:
    """With positions and times."""
    body = (await edge.ask("GET", "/cursors", app="bank", clientId="bob")).json()

    (entry,) = body["cursors"]
    assert entry.pop("updatedAt") > 1_700_000_000_000
    assert entry == {"cursor": "phone-7", "channel": "account:1", "serial": SERIAL}


@pytest.mark.parametrize(
    ("which", "count"),
    [({}, 3), ({"cursor": "phone-7"}, 2), ({"channel": "account:1"}, 2), ({"cursor": "tablet", "channel": "x"}, 0)],
)
async def test_cursors_are_removed(edge: Operated, which: dict[str, str], count: int) -> None:
    """Hers, and nobody else's."""
    answer = await edge.ask("DELETE", "/cursors", app="bank", clientId="alice", **which)

    assert answer.json() == {"cursors": count}
    assert edge.noted == [("remove", {"app": "bank", "client": "alice", **which, "cursors": count})]
    assert len(await edge.cursors.of_client("bank", "alice")) == 3 - count
    assert len(await edge.cursors.of_client("bank", "bob")) == 1


async def test_a_person_s_state_is_erased(edge: Operated) -> None:
    """Cursors and connections under this name; again, there is nothing left."""
    first = await edge.ask("DELETE", "/clients", app="bank", clientId="alice")
    again = await edge.ask("DELETE", "/clients", app="bank", clientId="alice")

    assert first.json() == {"cursors": 3, "connections": 1}
    assert again.json() == {"cursors": 0, "connections": 0}
    assert edge.noted[0] == ("erase", {"app": "bank", "client": "alice", "cursors": 3, "connections": 1})
    assert await edge.connections.find("key-of-alice") is None
    assert await edge.connections.find("key-of-bob") is not None
    assert await edge.connections.find("key-of-None") is not None
    assert len(await edge.cursors.of_client("bank", "bob")) == 1


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [
        ("GET", "/cursors", {}),
        ("GET", "/cursors", {"app": "shop"}),
        ("GET", "/cursors", {"app": "bank", "limit": "0"}),
        ("GET", "/cursors", {"app": "bank", "limit": "99999"}),
        ("GET", "/cursors", {"app": "bank", "limit": "٣"}),
        ("GET", "/cursors", {"app": "bank", "after": "x"}),
        ("GET", "/cursors", {"app": "bank", "clientId": ""}),
        ("DELETE", "/cursors", {"app": "bank"}),
        ("DELETE", "/cursors", {"app": "bank", "clientId": "alice", "cursr": "tablet"}),
        ("DELETE", "/cursors", {"app": "bank", "clientId": "alice", "cursor": "a b"}),
        ("DELETE", "/cursors", {"app": "bank", "clientId": "alice", "cursor": "x" * 65}),
        ("DELETE", "/cursors", {"app": "bank", "clientId": "alice", "cursor": ""}),
        ("DELETE", "/clients", {"app": "bank"}),
        ("DELETE", "/clients", {"app": "bank", "clientId": "alice", "cursor": "tablet"}),
    ],
)
async def test_what_is_not_meant_removes_nothing(
    edge: Operated, method: str, path: str, params: dict[str, str]
) -> None:
    """Whatever is misspelt, missing or empty: 40003, and everything is as it was."""
    refused = await edge.ask(method, path, **params)

    assert code_of(refused) == 40003
    assert len(await edge.cursors.of_client("bank", "alice")) == 3
    assert await edge.connections.find("key-of-alice") is not None


async def test_a_redis_that_is_away_is_said() -> None:
    """50003; nobody is told that a person's state is gone."""
    server = FakeServer()
    server.connected = False
    edge = Operated(FakeAsyncRedis(server=server))

    for method, path in (("GET", "/cursors"), ("DELETE", "/cursors"), ("DELETE", "/clients")):
        assert code_of(await edge.ask(method, path, app="bank", clientId="alice")) == 50003
