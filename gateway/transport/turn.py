"""
Two queues of sockets, one for this turn of the loop and one for the next ones.

    Turn    sockets that were written to: each flushes once, in one system call, when the turn ends; with what is old
            already, and comes bit by bit, a moment later
    Pump    sockets that drained while they lagged: each gets a share, then the next one has its turn
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

LATER_SECONDS = 0.05
PUMP_SECONDS = 0.004  # of one turn of the loop; live messages wait no longer than that


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


Served = TypeVar("Served", bound=Flushable)


class Pump(Generic[Served]):
    """
    Serves lagging sockets in shares, within a bounded part of each turn.

    Args:
        serve: Gives a socket its next share; True when more is to come.
    """

    __slots__ = ("_loop", "_queue", "_queued", "_serve")

    def __init__(self, loop: asyncio.AbstractEventLoop, serve: Callable[[Served], bool]) -> None:
        self._loop = loop
        self._serve = serve
        self._queue: deque[Served] = deque()
        self._queued: set[Served] = set()

    def add(self, socket: Served) -> None:
        """Serve *socket*, soon."""
        if socket in self._queued:
            return
        if not self._queue:
            self._loop.call_soon(self._run)
        self._queue.append(socket)
        self._queued.add(socket)

    def _run(self) -> None:
        until = self._loop.time() + PUMP_SECONDS
        queue = self._queue
        while queue:
            socket = queue.popleft()
            has_more = self._serve(socket)
            socket.flush()
            if has_more:
                queue.append(socket)
            else:
                self._queued.discard(socket)
            if self._loop.time() >= until:
                break
        if queue:
            self._loop.call_soon(self._run)
