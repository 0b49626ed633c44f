"""The end of an edge: clients are told to move, while it still serves them."""

from __future__ import annotations

import asyncio
import logging

from gateway.errors import Draining
from gateway.server.condition import Condition
from gateway.server.parts import Parts
from gateway.transport.house import House

_log = logging.getLogger("gateway.server")
DRAIN_GROUPS = 20
NOT_READY_SECONDS = 1.0  # given to the load balancer to notice, before clients are told
LAST_WORDS_SECONDS = 3.0  # for closing handshakes, after the last client was told


async def drain(parts: Parts, house: House, condition: Condition) -> None:
    """Tell the clients to move, in groups, so that they do not reach the other edges all at once."""
    condition.is_draining = True
    parts.historian.leave()
    drain_seconds = parts.settings.server.drain_seconds
    _log.info("draining", extra={"connections": len(house.devices)})
    await asyncio.sleep(min(NOT_READY_SECONDS, drain_seconds))
    house.is_draining = True
    devices = list(house.devices)
    size = max(1, -(-len(devices) // DRAIN_GROUPS))
    for at in range(0, len(devices), size):
        for device in devices[at : at + size]:
            device.leave(Draining("this server is going down; connect again"))
        await asyncio.sleep(min(0.05 * size, drain_seconds / DRAIN_GROUPS))
    deadline = house.loop.time() + LAST_WORDS_SECONDS
    while house.devices and house.loop.time() < deadline:  # noqa: ASYNC110  # once in a process
        await asyncio.sleep(0.05)
    await house.ledger.flush()
    await parts.cursor_ledger.flush()
    _log.info("drained", extra={"connections": len(house.devices)})
