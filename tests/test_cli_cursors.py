"""`lastmile cursors` and `lastmile erase`, on a real Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.settings import CursorSettings, RedisSettings
from gateway.store.connections import ConnectionRecord, ConnectionStore
from gateway.store.cursors import CursorPlace, CursorStore
from gateway.store.redis import Client, connect, disconnect

SERIAL = "k7f2m0qa-00003-0000000000000017"
Run = Callable[..., Result]


def on_redis(url: str, work: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
    """Do something there, in a loop of its own."""

    async def run() -> Any:
        redis = connect(RedisSettings(url=url))
        try:
            return await work(redis)
        finally:
            await disconnect(redis)

    return asyncio.run(run())


@pytest.fixture
def app_id(redis_url: str) -> str:
    """An app in which alice has two devices and bob one; each has a connection."""
    app = f"app-{uuid4().hex[:12]}"

    async def prepare(redis: Client) -> None:
        store, connections = CursorStore(redis, 5.0, CursorSettings()), ConnectionStore(redis, 5.0)
        for client, cursor in (("alice", "phone"), ("alice", "tablet"), ("bob", "phone")):
            await store.save_many([(CursorPlace(app, client, cursor, "account:1"), SERIAL)], "owner")
        for client in ("alice", "bob"):
            await connections.save_many([(f"{app}-{client}", ConnectionRecord(client, client, app))], 600)

    on_redis(redis_url, prepare)
    return app


@pytest.fixture
def lastmile(tmp_path: Path, redis_url: str, app_id: str) -> Run:
    """Run a command with the settings of two apps."""
    config = tmp_path / "lastmile.toml"
    secret = "a-secret-of-at-least-thirty-two-bytes"
    apps = "".join(
        f'[[apps]]\nid = "{app}"\n[[apps.keys]]\nid = "server"\nsecret = "{secret}"\n' for app in (app_id, "other")
    )
    config.write_text(
        f'[kafka]\nbootstrap_servers = "127.0.0.1:1"\n[redis]\nurl = "{redis_url}"\n{apps}'
        '[namespaces.account]\ntopic = "any"\n'
    )

    def run(command: str, *arguments: str, app: str = app_id) -> Result:
        return CliRunner().invoke(main, [command, "--config", str(config), "--app", app, *arguments])

    return run


def lines(result: Result) -> list[dict[str, Any]]:
    """JSON lines."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_everybody_s_cursors_are_listed(lastmile: Run, app_id: str) -> None:
    """One JSON object a line; of this app only."""
    shown = lines(lastmile("cursors", "--json"))

    assert sorted((line["clientId"], line["cursor"]) for line in shown) == [
        ("alice", "phone"),
        ("alice", "tablet"),
        ("bob", "phone"),
    ]
    assert {(line["app"], line["channel"], line["serial"]) for line in shown} == {(app_id, "account:1", SERIAL)}
    assert lines(lastmile("cursors", "--json", app="other")) == []


def test_a_device_is_listed_for_people(lastmile: Run) -> None:
    """Columns with tabs between, the time in UTC."""
    (line,) = lastmile("cursors", "--client-id", "alice", "--cursor", "tablet").output.splitlines()

    assert line.split("\t")[:4] == ["alice", "tablet", "account:1", SERIAL]
    assert line.endswith("+00:00")


def test_a_device_s_cursor_is_removed(lastmile: Run) -> None:
    """And the other one is there."""
    result = lastmile("cursors", "--client-id", "alice", "--cursor", "tablet", "--remove")

    assert result.output == "1 positions removed\n"
    assert [line["cursor"] for line in lines(lastmile("cursors", "--client-id", "alice", "--json"))] == ["phone"]


def test_a_person_s_state_is_erased(lastmile: Run, redis_url: str, app_id: str) -> None:
    """Cursors and connections, and nobody else's."""
    result = lastmile("erase", "--client-id", "alice")

    assert result.output == "2 positions and 1 connections removed\n"
    assert {line["clientId"] for line in lines(lastmile("cursors", "--json"))} == {"bob"}
    for client, is_there in (("alice", False), ("bob", True)):
        found = on_redis(redis_url, lambda redis, name=client: ConnectionStore(redis, 5.0).find(f"{app_id}-{name}"))
        assert (found is not None) == is_there


@pytest.mark.parametrize(
    ("arguments", "app", "says"),
    [
        (["cursors", "--remove"], None, "--remove needs --client-id"),
        (["cursors", "--client-id", "alice", "--cursor", "a b", "--remove"], None, "1 to 64 letters"),
        (["cursors"], "nobody's", "--app is one of"),
        (["erase"], None, "--client-id"),
        (["erase", "--client-id", "alice"], "nobody's", "--app is one of"),
    ],
)
def test_what_is_not_meant_removes_nothing(lastmile: Run, arguments: list[str], app: str | None, says: str) -> None:
    """It is said how it is meant."""
    result = lastmile(*arguments, **({} if app is None else {"app": app}))

    assert result.exit_code == 2
    assert says in result.output
    assert len(lines(lastmile("cursors", "--json"))) == 3
