"""REST from pages of other origins in real Chromium, by ably-js as browsers load it: what CORS lets through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.api.ground import Ground, token
from tests.browser.conftest import ABLY
from tests.transport.ground import standing

PAGE = b"<!doctype html>"
WALK = """async ({ port, token, isBinary }) => {
  const rest = new Ably.Rest({ endpoint: '127.0.0.1', port, tls: false, token, useBinaryProtocol: isBinary, logLevel: 0 });
  try {
    const pages = [];
    let page = await rest.channels.get('account:ü/1').history({ limit: 2 });
    for (; page; page = await page.next()) pages.push(page.items.map(({ data }) => data));
    return { pages };
  } catch ({ code }) {
    return { code: code ?? null };
  }
}"""


@pytest.fixture
async def origin() -> AsyncIterator[str]:
    """An origin on this machine that is not the edge's: another port. (Chromium keeps pages from elsewhere off loopback.)"""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        writer.write(head % len(PAGE) + PAGE)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def walk(
    chromium: Browser, origin: str, ground: Ground, *, token: str, is_binary: bool = False
) -> dict[str, Any]:
    """What ably-js gets, page after page, on a page of *origin*."""
    ground.say("account:ü/1", *"abcde")
    page = await chromium.new_page()
    await page.goto(origin)
    await page.add_script_tag(path=ABLY)
    async with standing(ground.app) as edge:
        got: dict[str, Any] = await page.evaluate(WALK, {"port": edge.port, "token": token, "isBinary": is_binary})
    await page.close()
    return got


@pytest.mark.parametrize("is_binary", [False, True], ids=["json", "msgpack"])
async def test_a_page_on_the_list_reads_page_after_page(chromium: Browser, origin: str, is_binary: bool) -> None:
    """Preflight, credentials mode, and links in a header that it may see."""
    got = await walk(chromium, origin, Ground(allowed_origins=[origin]), token=token(), is_binary=is_binary)

    assert got == {"pages": [["e", "d"], ["c", "b"], ["a"]]}


async def test_a_page_on_the_list_reads_errors(chromium: Browser, origin: str) -> None:
    """An SDK that cannot read 40160 would take it for a broken network."""
    got = await walk(chromium, origin, Ground(allowed_origins=[origin]), token=token({"account:2": ["history"]}))

    assert got == {"code": 40160}


async def test_other_pages_read_nothing(chromium: Browser, origin: str) -> None:
    """Not even that there was an answer."""
    got = await walk(chromium, origin, Ground(), token=token())

    assert got == {"code": None}
