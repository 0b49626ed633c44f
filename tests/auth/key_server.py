"""An issuer's key server on loopback: real HTTP, whose answers a test decides, good ones and others."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from auth.key_sources import PublishedKeys
from tests.auth.minting import ISSUER

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class KeyServer:
    """
    What it answers and what it was asked.

    Attributes:
        answers: Path → what is sent; other paths get 404.
        asked: The paths of the requests, in order.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.is_secure = False
        self.port = 0

    def url(self, path: str = "/jwks.json") -> str:
        return f"http{'s' if self.is_secure else ''}://127.0.0.1:{self.port}{path}"

    def publish(self, *keys: dict[str, Any], path: str = "/jwks.json") -> None:
        """Answer with these keys from now on."""
        self.answers[path] = body(json.dumps({"keys": keys}).encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            self.asked.append(path)
            await self.answers.get(path, status("404 Not Found"))(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def raw(content: bytes) -> Answer:
    """Bytes, whatever they are."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    return answer


def body(content: bytes) -> Answer:
    """A good answer with this content."""
    return raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))


def status(line: str, *headers: str) -> Answer:
    """An answer that is only a status."""
    return raw(("\r\n".join([f"HTTP/1.1 {line}", "Content-Length: 0", *headers]) + "\r\n\r\n").encode())


def endless(head: bytes = b"HTTP/1.1 200 OK\r\n\r\n", piece: bytes = b"x" * 65536) -> Answer:
    """A head, and then something for as long as somebody reads."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()

    return answer


def silent(until: asyncio.Event, then: Answer) -> Answer:
    """Nothing at all before *until*."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        await until.wait()
        await then(writer)

    return answer


@asynccontextmanager
async def key_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[KeyServer]:
    """A server while the block lasts; what is still being answered then is cut off."""
    served = KeyServer()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(served.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    served.port, served.is_secure = server.sockets[0].getsockname()[1], tls is not None
    try:
        yield served
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def keys_of(server: KeyServer, *, timeout_seconds: float = 30.0) -> PublishedKeys:
    """The keys that it publishes, not fetched yet."""
    return PublishedKeys(server.url(), ("RS256", "ES256", "EdDSA"), ISSUER, timeout_seconds=timeout_seconds)


def found(keys: PublishedKeys, key_id: str | None, now: float) -> list[str | None]:
    """The names of the keys that are there without waiting."""
    return [key.key_id for key in keys.find(key_id, now, may_wait=False) or ()]
