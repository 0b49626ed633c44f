"""A bug that one client meets is that client's alone."""

from __future__ import annotations

import json

import pytest
from fakeredis import FakeAsyncRedis
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from gateway.store.connections import ConnectionRecord, ConnectionStore
from tests.transport.ground import standing

CONNECTED = 4


class Buggy(ConnectionStore):
    """A store with a bug in it."""

    async def find(self, connection_key: str) -> ConnectionRecord | None:
        raise ZeroDivisionError


async def test_a_bug_while_a_client_is_let_in_costs_that_client_alone(caplog: pytest.LogCaptureFixture) -> None:
    """It is dropped with 1011, the log has the traceback, and whoever else is there stays."""
    async with standing() as ground:
        address = f"{ground.url}?accessToken={ground.token()}"
        async with connect(address) as other:
            assert json.loads(await other.recv())["action"] == CONNECTED
            ground.house.connections = Buggy(FakeAsyncRedis(), 2.0)

            async with connect(f"{address}&resume=twelve-chars!and-16-letters-x") as unlucky:
                with pytest.raises(ConnectionClosedError) as closed:
                    await unlucky.recv()
            await other.send('{"action":0,"id":"still here"}')

            assert closed.value.rcvd.code == 1011
            assert json.loads(await other.recv())["id"] == "still here"
            assert "ZeroDivisionError" in caplog.text
