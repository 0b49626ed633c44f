"""The process around an edge: its loop, and the reason for which it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvloop

from gateway.server.edge import Edge
from gateway.settings import Settings


def run(settings: Settings, *, reuse_port: bool = False, reread: Callable[[], Settings] | None = None) -> None:
    """
    Serve until told to stop.

    Args:
        reread: Gives the settings as they are written now, for SIGHUP.

    Raises:
        GatewayError: With one sentence, if a part failed for good or a port cannot be had.
    """

    async def serve() -> None:
        await Edge(settings, reuse_port=reuse_port, reread=reread).serve()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
