"""
Two queues of sockets, one for this turn of the loop and one for the next ones.

    Turn    sockets that were written to: each flushes once, in one system call, when the turn ends; with what is old
            already, and comes bit by bit, a moment later
    Pump    sockets that can wait while others have live messages: those that drained while they lagged, each gets a share,
            then the next one has its turn; those that have come and want in
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

_log = logging.getLogger("gateway.connections")
LATER_SECONDS = 0.05


class Flushable(Protocol):
    """A socket with frames that have not left yet."""

    def flush(self) -> None:
        """Write them in one call."""


class Turn:
    """Joins what one socket gets within one turn of the loop, or within a moment, into one write."""

    __slots__ = ("_loop", "_put_off", "_written")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._written: list[Flushable] = []
        self._put_off: list[Flushable] = []

    def add(self, socket: Flushable) -> None:
        """Flush *socket* when this turn ends."""
        if not self._written:
            self._loop.call_soon(self._end)
        self._written.append(socket)

    def add_later(self, socket: Flushable) -> None:
        """Flush *socket* in a moment."""
        if not self._put_off:
            self._loop.call_later(LATER_SECONDS, self._end_moment)
        self._put_off.append(socket)

    def _end(self) -> None:
        written, self._written = self._written, []
        for socket in written:
            socket.flush()

    def _end_moment(self) -> None:
        put_off, self._put_off = self._put_off, []
        for socket in put_off:
            socket.flush()


class Droppable(Protocol):
    """Who is served bit by bit."""

    def abort(self) -> None:
        """End the connection now."""


Served = TypeVar("Served", bound=Droppable)


class Pump(Generic[Served]):
    """
    Serves many, in the order they came and in shares, within a bounded part of each turn.

    Args:
        serve: Gives one its next share; True when more is to come. A bug in it costs the one its socket.
        seconds: Of one turn of the loop; live messages wait no longer than that.
    """

    __slots__ = ("_loop", "_queue", "_queued", "_seconds", "_serve")

    def __init__(self, loop: asyncio.AbstractEventLoop, serve: Callable[[Served], bool], seconds: float) -> None:
        self._loop = loop
        self._serve = serve
        self._seconds = seconds
        self._queue: deque[Served] = deque()
        self._queued: set[Served] = set()

    def add(self, served: Served) -> None:
        """Serve it, soon."""
        if served in self._queued:
            return
        if not self._queue:
            self._loop.call_soon(self._run)
        self._queue.append(served)
        self._queued.add(served)

    def _run(self) -> None:
        until = self._loop.time() + self._seconds
        queue = self._queue
        while queue:
            served = queue.popleft()
            try:
                has_more = self._serve(served)
            except Exception:  # noqa: BLE001  # whatever it is, it is logged, and the others are served
                _log.exception("a client was dropped, something failed that must not")
                has_more = False
                served.abort()
            if has_more:
                queue.append(served)
            else:
                self._queued.discard(served)
            if self._loop.time() >= until:
                break
        if queue:
            self._loop.call_soon(self._run)
