"""The edges: which of them take clients, and what all their lives have counted."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random
from urllib.parse import urlencode

import msgspec

from tests.chaos.frames import Action
from tests.chaos.websocket import WebSocket
from tests.checker.positions import read_position
from tests.testbed.edge import EdgeProcess

COUNTED = re.compile(r"lastmile_\w+_total(\{.*\})?")
DEADLINE_SECONDS = 60.0


class Fleet:
    """
    Edges, as a load balancer sees them.

    Args:
        edges: Running ones.
    """

    def __init__(self, edges: Sequence[EdgeProcess]) -> None:
        self.edges = edges
        self.up = set(edges)
        self._past: Counter[str] = Counter()
        self._now: defaultdict[EdgeProcess, dict[str, float]] = defaultdict(dict)

    def pick(self, seed: Random) -> int:
        """The port of an edge that takes clients; one that does not if there is none."""
        found = seed.choice(self.edges)
        return next((edge.port for edge in (found, *self.edges) if edge in self.up), found.port)

    async def look(self) -> None:
        """Read what they have counted; their counts die with them."""
        for edge in list(self.up):
            try:
                found = await asyncio.to_thread(edge.metrics)
            except OSError:
                continue  # it is being killed, or has too much to do
            self._now[edge] = {name: value for name, value in found.items() if COUNTED.fullmatch(name)}

    def close_books(self, edge: EdgeProcess) -> None:
        """This life of an edge is over."""
        self._past.update(self._now.pop(edge, {}))

    def counts(self) -> Counter[str]:
        """Over all lives, as far as they were looked at."""
        total = Counter(self._past)
        for found in self._now.values():
            total.update(found)
        return total


async def generation_at(port: int, channel: str, token: str) -> str:
    """
    Which life of a channel's topic an edge shows.

    Raises:
        OSError, TimeoutError: If it does not answer.
    """
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def take(payload: bytes) -> None:
        frame = msgspec.json.decode(payload)
        if frame["action"] == Action.ATTACHED and not found.done():
            found.set_result(read_position(frame["channelSerial"]).generation)

    opened = WebSocket(f"/?{urlencode({'accessToken': token})}", take)
    try:
        await opened.connect(port, deadline_seconds=DEADLINE_SECONDS)
        opened.send(msgspec.json.encode({"action": Action.ATTACH, "channel": channel}), is_binary=False)
        async with asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.wait([found, opened.ended], return_when=asyncio.FIRST_COMPLETED)
        if not found.done():
            raise ConnectionError("the edge closed before it answered")
        return found.result()
    finally:
        opened.abort()
