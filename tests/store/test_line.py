"""What the line to Redis makes of a socket that broke."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from gateway.errors import StoreUnavailable
from gateway.settings import RedisSettings
from gateway.store.redis import Line, connect


def test_a_connection_that_closes_while_it_is_written_to_is_redis_being_away() -> None:
    """The bug: uvloop raises RuntimeError for it, and the edge ended when Redis was killed in that moment (chaos seed 203)."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_write_to_closed())


async def _write_to_closed() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    line = Line(connect(RedisSettings(url="redis://127.0.0.1:1/0")), 5.0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await reader.read()
    writer.transport.abort()

    async def command() -> None:
        await asyncio.sleep(0)
        writer.writelines([b"PING\r\n"])

    with pytest.raises(StoreUnavailable):
        await line.ask(command())
    await line.close()
    server.close()
    await server.wait_closed()
