"""
How fast a client may send: counted where bytes come in, held back in its own socket.

Source: PROTOCOL.md section 10.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gateway.core.flow import Flow
from gateway.errors import Flooding, FrameFlood

if TYPE_CHECKING:
    from gateway.transport.device import Device
    from gateway.transport.house import House

MAX_UNMETERED_BYTES = 8192  # parsed at once: a segment full of tiny frames must not hold the others up
NEVER_READ = math.inf


def meter(house: House, device: Device, frames: int, size_bytes: int) -> None:
    """
    Count what was read; hold the client back, or send it away, if that is too much.

    Who is sent away is not read any more: what it still sends stays in the kernel until its socket ends.
    """
    terms = house.flow_terms
    now = house.loop.time()
    flow = device.flow
    if flow is None:
        flow = device.flow = Flow(terms, now)
    try:
        wait_seconds = flow.take(terms, frames, size_bytes, now)
    except Flooding as error:
        house.counts.refused(error.code)
        house.counts.limit("inbound_messages" if isinstance(error, FrameFlood) else "inbound_bytes")
        device.held_until = NEVER_READ
        device.pause_reading()
        device.leave(error)
        return
    if wait_seconds:
        _hold(house, device, now + wait_seconds)


def _hold(house: House, device: Device, until: float) -> None:
    is_held = device.held_until
    device.held_until = until
    if is_held:
        return
    house.counts.holds += 1
    device.pause_reading()

    def let_go(now: float) -> None:
        if now < device.held_until:
            if device.held_until != NEVER_READ:
                house.wheel.at(device.held_until, let_go)
            return
        device.held_until = 0.0
        device.resume_reading()

    house.wheel.at(until, let_go)
