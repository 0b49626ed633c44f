"""
Whether a device is there, and what was written to it has arrived: a PING with a number, and what is made of its PONG.

    idle ──a write──▶ waiting ──confirm_after without another one, or confirm_every──▶ PING ──PONG──▶ idle, or waiting
                                                                                        │
        no PONG within confirm_timeout, and a second for each 8 KB since the last one ──┘
            all acknowledged, so something between has taken it; or no ACK brings anything new: the transport is ended
            else the way is slow, or nobody reads: looked at again until the stall timeout

Something leaves for the client every beat, and who is silent for too many beats is gone. One PING is under way at a
time. The heartbeat's is one of them, but for a PONG that proves nothing new the silence timeout has more patience: a
phone that sleeps misses nothing.

Source: PROTOCOL.md section 3; RTN23; RFC 6455 sections 5.5.2 and 5.5.3.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gateway.core.confirming import confirm, mark
from gateway.core.frames import ping_frame, protocol_frame
from gateway.core.wire import JSON, MSGPACK, Action, ProtocolMessage
from gateway.transport.way import Way

if TYPE_CHECKING:
    from gateway.transport.device import Device
    from gateway.transport.house import House

LEAST_BYTES_PER_SECOND = 8192  # a way that is slower counts as lost, if nothing of it can be seen (64 kbit/s)
LATE_SECONDS = 0.3  # by so much the loop was held up, and answers may lie unread
_HEARTBEAT = {wire: protocol_frame(wire, ProtocolMessage(action=Action.HEARTBEAT)) for wire in (JSON, MSGPACK)}


class Proof:
    """
    What is known of one device's reading.

    Args:
        house: The edge's.
        device: Whose.

    Attributes:
        is_idle: Whether nothing that was written waits to be proven; its next write calls `begin`.
        is_slow: Whether a PING is answered late because the way is slow.
    """

    __slots__ = (
        "_awaited",
        "_device",
        "_due_at",
        "_house",
        "_number",
        "_pinged_at",
        "_pinged_bytes",
        "_proven_bytes",
        "_seen_bytes",
        "_since",
        "_way",
        "is_idle",
        "is_slow",
    )

    def __init__(self, house: House, device: Device) -> None:
        self._house = house
        self._device = device
        self._number = 0
        self._awaited = b""
        self._pinged_at = self._since = 0.0
        self._pinged_bytes = self._proven_bytes = self._seen_bytes = 0
        self._due_at = math.inf
        self.is_idle = True
        self._way: Way | None = None
        self.is_slow = False

    def begin(self) -> None:
        """Something was written."""
        now = self._house.loop.time()
        self.is_idle = False
        self._wait(now, since=now)

    def ping(self) -> None:
        """Send the PING that proves what was written so far."""
        device = self._device
        if not device.is_serving:
            return
        now = self._house.loop.time()
        if device.is_full:
            self._look_at(now + self._house.confirm_after_seconds)
        else:
            self._send(b"", now)
            self._look_at(self._deadline)

    def beat(self, now: float) -> None:
        """Tell the client that the edge is there, and see whether the client is; the wheel calls it at each beat."""
        device, house = self._device, self._house
        if not device.is_open:
            return
        device.silent_beats += 1
        if device.silent_beats > (house.stalled_beats if device.is_full or self.is_slow else house.silent_beats):
            house.counts.timed_out += 1
            device.abort()
            return
        if device.session is not None and not device.is_full:
            self._send_heartbeat()
        device.watch_expiry()
        house.wheel.at(now + house.beat_seconds, self.beat)

    def answer(self, payload: bytes) -> None:
        """Take a PONG; one that nobody waits for means nothing (RFC 6455 section 5.5.3)."""
        device = self._device
        if not self._awaited or payload != self._awaited or device.session is None:
            return
        self._awaited = b""
        self.is_slow, self._way = False, None
        self._proven_bytes = self._pinged_bytes
        confirm(device.session, self._house.now())
        if self.is_idle or device.written_bytes == self._proven_bytes:
            self._rest()
        else:
            self._wait(self._house.loop.time(), since=self._pinged_at)

    @property
    def _deadline(self) -> float:
        """When a PONG is overdue; what was written since the last one needs its time."""
        under_way_bytes = self._pinged_bytes - self._proven_bytes
        started_at = max(self._pinged_at, self._since)
        return started_at + self._house.confirm_timeout_seconds + under_way_bytes / LEAST_BYTES_PER_SECOND

    def _send(self, before: bytes, now: float) -> None:
        """Write *before* and a PING, at once, so that what it proves is known."""
        device = self._device
        mark(self._house.hub, device)
        self._number += 1
        self._awaited = b"%d" % self._number
        self._pinged_at = now
        device.write(before + ping_frame(self._awaited))
        device.flush()
        self._pinged_bytes = device.written_bytes

    def _send_heartbeat(self) -> None:
        """Write something for the client; a PING that is under way is repeated, which proves what it proved."""
        device = self._device
        device.flush()  # so that the PING proves it, and is waited for
        heartbeat = _HEARTBEAT[device.wire] if device.wants_heartbeats else b""
        was_idle, self.is_idle = self.is_idle, False
        if self._awaited:
            device.write(heartbeat + ping_frame(self._awaited))
            device.flush()
        else:
            self._send(heartbeat, self._house.loop.time())
        self.is_idle = was_idle

    def _rest(self) -> None:
        self.is_idle = True
        self._due_at = math.inf

    def _wait(self, now: float, *, since: float) -> None:
        self._since = since
        self._seen_bytes = self._device.written_bytes
        self._look_at(now + self._house.confirm_after_seconds)

    def _look_at(self, when: float) -> None:
        self._due_at = when
        self._house.wheel.at(when, self._due)

    def _due(self, now: float) -> None:
        """It is time to look; the wheel also calls for what was put off since."""
        device, house = self._device, self._house
        if now < self._due_at or not device.is_serving:
            return
        if self._awaited:
            self._look(now)
        elif device.written_bytes == self._proven_bytes:
            self._rest()
        elif device.written_bytes != self._seen_bytes and now - self._since < house.confirm_every_seconds:
            self._wait(now, since=self._since)
        else:
            self._due_at = math.inf
            house.prover.add(device)

    def _look(self, now: float) -> None:
        """A PONG may be overdue."""
        house, device = self._house, self._device
        if device.is_full:
            self._look_at(now + house.confirm_timeout_seconds)  # the stall timeout's affair
            return
        if now < self._deadline or now - self._due_at > LATE_SECONDS:
            self._look_at(max(self._deadline, now + LATE_SECONDS))
            return
        if self._way is None:
            house.counts.unanswered_pings += 1
        waited_seconds = now - self._pinged_at
        before, self._way = self._way, device.way
        self.is_slow = self._way is None or self._way.is_passable(before, waited_seconds)
        if self.is_slow and waited_seconds < house.stall_timeout_seconds:
            self._look_at(now + house.confirm_timeout_seconds)
        else:
            house.counts.lost_ways += 1
            device.abort()
