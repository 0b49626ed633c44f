"""A bare WebSocket that follows one channel and keeps what an SDK keeps: the last serial, and what came."""

from __future__ import annotations

import asyncio
import json
import time
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import connect

from tests.testbed.edge import EdgeProcess, token

DEADLINE_SECONDS = 40.0
ATTACH, ATTACHED, DETACHED, MESSAGE = 10, 11, 13, 15
RESUMED, HAS_BACKLOG = 1 << 2, 1 << 1


class Follower:
    """
    One client of one channel.

    Args:
        edge: Where it connects.
        channel: What it follows.
        serial: The position that it has from before.
        params: Of its ATTACH.
        port: Of a proxy before the edge.
    """

    def __init__(
        self,
        edge: EdgeProcess,
        channel: str,
        serial: str | None = None,
        params: dict[str, str] | None = None,
        *,
        port: int | None = None,
    ) -> None:
        self._url = f"ws://127.0.0.1:{port or edge.port}/"
        self._params = params
        self.channel = channel
        self.serial = serial
        self.data: list[Any] = []
        self.answers: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        access = token(now=time.time(), capability={self.channel: ["subscribe"]})
        self._socket = await connect(f"{self._url}?accessToken={access}", max_size=None)
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        attach = {"action": ATTACH, "channel": self.channel, "channelSerial": self.serial, "params": self._params}
        await self._socket.send(json.dumps(attach))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._socket.close()

    @property
    def is_resumed(self) -> bool:
        """Whether all answers, and there is one, said so."""
        return bool(self.answers) and all(answer.get("flags", 0) & RESUMED for answer in self.answers)

    @property
    def code(self) -> int | None:
        """Of the last answer's error."""
        return self.answers[-1].get("error", {}).get("code") if self.answers else None

    async def until_answered(self, count: int = 1) -> dict[str, Any]:
        """Wait for ATTACHED or DETACHED. Returns: the last one."""
        await self._until(lambda: len(self.answers) >= count)
        return self.answers[-1]

    async def until_got(self, count: int) -> None:
        """Wait for so many messages."""
        await self._until(lambda: len(self.data) >= count)

    async def _until(self, is_so: Any) -> None:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not is_so():
                    if self._reading.done():
                        raise RuntimeError(
                            f"the connection ended; answers {self.answers}"
                        ) from self._reading.exception()
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"{len(self.data)} messages, answers {self.answers}") from None

    async def _read(self) -> None:
        try:
            async for line in self._socket:
                self._take(json.loads(line))
                self._news.set()
        finally:
            self._news.set()

    def _take(self, message: dict[str, Any]) -> None:
        if message["action"] in (ATTACHED, DETACHED):
            self.answers.append(message)
        if message["action"] == MESSAGE:
            self.data += [one.get("data") for one in message["messages"]]
        if message["action"] in (ATTACHED, MESSAGE):
            self.serial = message["channelSerial"]
