"""The network between a client and an edge: a TCP proxy on loopback that cuts, stalls, swallows, slows down and moves when told to."""

from __future__ import annotations

import asyncio
import socket
import struct
from types import TracebackType
from typing import Self

PIECE_BYTES = 16384
SLOW_PIECE_BYTES = 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER 0: closing sends RST and forgets what was not sent


class CutProxy:
    """
    Passes bytes between its own port and a target.

    Args:
        target: Port of loopback that new connections go to; may be changed at any time.
        bytes_per_second: What clients get, through buffers that hold next to nothing.
    """

    def __init__(self, target: int, *, bytes_per_second: int | None = None) -> None:
        self.target = target
        self._bytes_per_second = bytes_per_second
        self._is_swallowing = False
        self.port = 0
        self.cuts = 0
        self.accepted = 0
        self._budget_bytes: int | None = None
        self._is_reset = True
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._cut = asyncio.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self, *, reset: bool = True) -> None:
        """
        End all connections now.

        Args:
            reset: By RST, so that bytes on the way are lost; else in order, by FIN.
        """
        self.cuts += 1
        self._budget_bytes = None
        self._cut.set()
        for writer in list(self._writers):
            _end(writer, reset=reset)

    def cut_after(self, size_bytes: int, *, reset: bool = True) -> None:
        """Cut once so many more bytes have gone to clients: also in the middle of a frame or of a handshake."""
        self._budget_bytes, self._is_reset = size_bytes, reset
        self._cut.clear()

    async def until_cut(self) -> None:
        """Wait for what `cut_after` has announced."""
        await self._cut.wait()

    @property
    def is_armed(self) -> bool:
        """Whether a `cut_after` is still to come."""
        return self._budget_bytes is not None

    def stall(self) -> None:
        """Take connections and bytes, pass on nothing: a network that lost its way."""
        self._flowing.clear()

    def resume(self) -> None:
        """End `stall`."""
        self._flowing.set()

    def swallow(self) -> None:
        """Take what goes to clients, for good: whoever sends it hears that it has come."""
        self._is_swallowing = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            back, upstream = await self._connect()
            self._writers.add(upstream)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, upstream, is_to_client=False))
                both.create_task(self._pass(back, writer, is_to_client=True))
        except* OSError:
            pass  # one side is gone, so the other goes too
        except* asyncio.CancelledError:
            pass  # the proxy ends
        finally:
            self._links.discard(link)
            for end in (writer, upstream):
                if end is not None:
                    self._writers.discard(end)
                    _end(end, reset=False)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._bytes_per_second is None:
            return await asyncio.open_connection("127.0.0.1", self.target)
        to_edge = socket.socket()
        to_edge.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_PIECE_BYTES)
        to_edge.setblocking(False)
        await asyncio.get_running_loop().sock_connect(to_edge, ("127.0.0.1", self.target))
        return await asyncio.open_connection(sock=to_edge, limit=SLOW_PIECE_BYTES)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_to_client: bool) -> None:
        size = PIECE_BYTES if self._bytes_per_second is None else SLOW_PIECE_BYTES
        while piece := await reader.read(size):
            await self._flowing.wait()
            if is_to_client and self._is_swallowing:
                continue
            if is_to_client and self._bytes_per_second is not None:
                await asyncio.sleep(len(piece) / self._bytes_per_second)  # the pace of the network
            if is_to_client and self._budget_bytes is not None:
                if len(piece) >= self._budget_bytes:
                    writer.write(piece[: self._budget_bytes])
                    self.cut(reset=self._is_reset)
                    return
                self._budget_bytes -= len(piece)
            writer.write(piece)
            await writer.drain()
        raise ConnectionError("one side has closed")


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset and not writer.is_closing():
        found: socket.socket = writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
    writer.close()
