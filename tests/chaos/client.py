"""A phone: one client of several channels that comes back by itself, with what an SDK keeps."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol
from urllib.parse import urlencode

from tests.chaos.frames import RESUMED, Action, Frame, decode, encode
from tests.chaos.talking import Talk
from tests.chaos.websocket import WebSocket
from tests.checker.journal import Contract, Event, Journal, What
from tests.checker.messages import Wire

HANDSHAKE_SECONDS = 10.0
SILENCE_SECONDS = 25.0  # maxIdleInterval and 10 s: RTN23a
ATTACH_SECONDS = 15.0
RETRY_SECONDS = 0.5


class Doors(Protocol):
    """Where a client may connect."""

    def pick(self, seed: Random) -> int:
        """A port."""


class _Line:
    """One channel, as the client knows it."""

    __slots__ = ("asked_at", "is_attached", "is_leaving", "serial")

    def __init__(self) -> None:
        self.serial: str | None = None
        self.is_attached = False
        self.is_leaving = False
        self.asked_at: float | None = None  # since when an answer is awaited


class Client:
    """
    One client.

    Args:
        name: Of its journal.
        wire: What it speaks.
        channels: What it follows.
        doors: Where it connects.
        token: What it shows.
        talk: What it publishes, if anything.
        seed: Its own source of chance.
        clock: Seconds of the run.
        params: Of its ATTACH.
        cursor: The name of its place, kept for it: it knows nothing any more when it comes back.
    """

    def __init__(
        self,
        name: str,
        wire: Wire,
        channels: Sequence[str],
        *,
        doors: Doors,
        token: str,
        talk: Talk,
        seed: Random,
        clock: Callable[[], float],
        params: dict[str, str] | None = None,
        cursor: str | None = None,
    ) -> None:
        self.journal = Journal(name, wire, Contract.EXACTLY_ONCE if cursor is None else Contract.AT_LEAST_ONCE)
        self.seed = seed
        self.lines = {channel: _Line() for channel in channels}
        self.received = 0
        self.codes: Counter[int | None] = Counter()
        self.failures: list[str] = []
        self.talk = talk
        self._doors = doors
        self._token = token
        self._clock = clock
        self._params = params if cursor is None else {"cursor": cursor}
        self._has_cursor = cursor is not None
        self._key: str | None = None
        self._socket: WebSocket | None = None
        self._may_be_here = asyncio.Event()
        self._may_be_here.set()
        self._take_each: dict[int, Callable[[Frame], None]] = {
            Action.CONNECTED: self._connected,
            Action.DISCONNECTED: self._disconnected,
            Action.ATTACHED: self._attached,
            Action.DETACHED: self._detached,
            Action.ERROR: self._failed,
            Action.ACK: talk.answer,
            Action.NACK: talk.answer,
        }

    # ------------------------------------------------------------------ what becomes of it

    async def run(self) -> None:
        """Be connected, again and again, until cancelled."""
        try:
            while True:
                await self._may_be_here.wait()
                try:
                    await self._live()
                except (OSError, TimeoutError) as failure:
                    self._note(What.NOTE, text=f"no connection: {type(failure).__name__} {failure}")
                await asyncio.sleep(self.seed.uniform(0.01, 0.3))
        finally:
            self.cut()

    @property
    def is_connected(self) -> bool:
        """Whether it has a transport."""
        return self._socket is not None

    def cut(self) -> None:
        """Its network is gone; it comes back at once."""
        if self._socket is not None:
            self._socket.abort()

    def go_away(self) -> None:
        """It goes, and does not come back before `come_back`."""
        self._may_be_here.clear()
        self.cut()

    def come_back(self) -> None:
        """End `go_away` and `stop_reading`."""
        self._may_be_here.set()
        if self._socket is not None:
            self._socket.resume()

    def stop_reading(self) -> None:
        """It is attached, and takes nothing."""
        if self._socket is not None:
            self._socket.pause()

    def attach_again(self, channel: str) -> None:
        """ATTACH while it is attached, and does not wait to be detached (RTL4h)."""
        line = self.lines[channel]
        if self._socket is not None and line.is_attached and not line.is_leaving:
            self._attach(channel)

    def leave(self, channel: str) -> None:
        """Detach, as the app's own wish: it forgets where it was, and attaches anew when that is answered."""
        line = self.lines[channel]
        if self._socket is not None and line.is_attached and not line.is_leaving:
            line.is_leaving = True
            self._forget(channel)
            self._say({"action": Action.DETACH, "channel": channel})

    def start_over(self) -> None:
        """The app was killed: all is forgotten."""
        self.cut()
        if not self._has_cursor:  # which is always so
            self._key = None
            for channel in self.lines:
                self._forget(channel)
            self.talk.forget()

    # ------------------------------------------------------------------ a transport

    async def _live(self) -> None:
        query = {"v": "6", "format": self.journal.wire, "accessToken": self._token}
        if self._key is not None:
            query["resume"] = self._key
        port = self._doors.pick(self.seed)
        opened = self._socket = WebSocket(f"/?{urlencode(query)}", self._take)
        try:
            await opened.connect(port, deadline_seconds=HANDSHAKE_SECONDS)
            while not opened.ended.done():
                await asyncio.wait([opened.ended], timeout=1.0)
                self._look(opened)
        finally:
            opened.abort()
            self._socket = None
            self.talk.dropped()
            self._note(What.DROPPED, text=f"port {port}")
            for line in self.lines.values():
                line.is_attached = line.is_leaving = False
                line.asked_at = None
                if self._has_cursor:
                    line.serial = None
            if self._has_cursor:
                self._key = None

    def _look(self, opened: WebSocket) -> None:
        """Whether something is overdue."""
        now = asyncio.get_running_loop().time()
        if opened.is_paused or opened.is_over:
            return
        if now - opened.heard_at > SILENCE_SECONDS:
            self._note(What.NOTE, text="nothing was heard, it drops the transport")
            opened.abort()
        for channel, line in self.lines.items():
            if line.asked_at is not None and now - line.asked_at > ATTACH_SECONDS:
                self._note(What.NOTE, channel=channel, text="not answered, it asks again")
                self._attach(channel)

    def _take(self, payload: bytes) -> None:
        frame = decode[self.journal.wire](payload)
        if frame.action == Action.MESSAGE:
            self._message(frame, payload)
        elif frame.action in self._take_each:
            self._take_each[frame.action](frame)

    def _disconnected(self, frame: Frame) -> None:
        self._note(What.NOTE, code=frame.code, text="disconnected")
        if self._socket is not None:
            self._socket.abort()

    def _failed(self, frame: Frame) -> None:
        self.failures.append(f"{self.journal.client}: ERROR {frame.channel} {frame.error}")

    def _connected(self, frame: Frame) -> None:
        has_resumed = self._key is not None and frame.error is None
        self._note(What.CONNECTED, code=frame.code, text="resumed" if has_resumed else "anew")
        self._key = frame.connection_details.connection_key if frame.connection_details else None
        for channel in self.lines:
            self._attach(channel)
        self.talk.connected(frame.connection_id or "", self._say)

    def _message(self, frame: Frame, payload: bytes) -> None:
        line = self.lines.get(frame.channel or "")
        if line is None:
            self.failures.append(f"{self.journal.client}: a message of {frame.channel}, which it does not follow")
            return
        self.received += 1
        self._note(What.MESSAGE, channel=frame.channel, serial=frame.channel_serial, frame=payload)
        if not line.is_leaving:
            line.serial = frame.channel_serial

    def _attached(self, frame: Frame) -> None:
        assert frame.channel is not None
        line = self.lines[frame.channel]
        if line.is_leaving:  # what it asked before it asked to leave
            return
        is_resumed = bool(frame.flags & RESUMED)
        serial, code = frame.channel_serial, frame.code
        self._note(What.ATTACHED, channel=frame.channel, serial=serial, is_resumed=is_resumed, code=code)
        line.is_attached, line.asked_at, line.serial = True, None, serial

    def _detached(self, frame: Frame) -> None:
        assert frame.channel is not None
        line = self.lines[frame.channel]
        self.codes[frame.code] += 1
        self._note(What.DETACHED, channel=frame.channel, code=frame.code)
        if line.is_leaving or line.is_attached:  # RTL13a
            line.is_leaving = line.is_attached = False
            self._attach(frame.channel)
        else:  # RTL13b
            opened = self._socket
            line.asked_at = None
            wait = self.seed.uniform(RETRY_SECONDS / 2, RETRY_SECONDS)
            asyncio.get_running_loop().call_later(wait, self._retry, frame.channel, opened)

    def _retry(self, channel: str, opened: WebSocket | None) -> None:
        line = self.lines[channel]
        if self._socket is opened and not line.is_attached and line.asked_at is None:
            self._attach(channel)

    def _attach(self, channel: str) -> None:
        line = self.lines[channel]
        line.asked_at = asyncio.get_running_loop().time()
        self._note(What.ATTACH, channel=channel, serial=line.serial)
        asked: dict[str, Any] = {"action": Action.ATTACH, "channel": channel}
        if line.serial is not None:
            asked["channelSerial"] = line.serial
        if self._params:
            asked["params"] = self._params
        self._say(asked)

    def _forget(self, channel: str) -> None:
        self.lines[channel].serial = None
        self._note(What.DETACH, channel=channel)

    def _say(self, message: dict[str, Any]) -> None:
        assert self._socket is not None
        wire = self.journal.wire
        self._socket.send(encode[wire](message), is_binary=wire == "msgpack")

    def _note(self, what: What, **members: Any) -> None:
        self.journal.events.append(Event(self._clock(), what, **members))
