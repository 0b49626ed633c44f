"""`/lastmile.js` as browsers get it."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from gateway.api.asset import Asset
from gateway.api.client import CLIENT, client_router

MAX_COMPRESSED_BYTES = 6 * 1024


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    """Who asks an app that has this route alone."""
    app = FastAPI()
    app.include_router(client_router())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as browser:
        yield browser


def test_it_is_small() -> None:
    """What it costs a phone: at most 6 KB, as it stands, comments and all."""
    assert Asset(CLIENT, {}).compressed_bytes <= MAX_COMPRESSED_BYTES


async def test_it_is_a_module_for_pages_of_any_origin(browser: httpx.AsyncClient) -> None:
    """Modules are fetched with CORS, and run only with the type of JavaScript."""
    answer = await browser.get("/lastmile.js")

    assert answer.text == CLIENT.read_text("utf-8")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_it_is_sent_compressed_to_whom_can_read_that(browser: httpx.AsyncClient) -> None:
    """And caches are told that there are two."""
    request = browser.build_request("GET", "/lastmile.js", headers={"Accept-Encoding": "gzip"})
    compressed = await browser.send(request, stream=True)
    raw = b"".join([piece async for piece in compressed.aiter_raw()])
    plain = await browser.get("/lastmile.js", headers={"Accept-Encoding": "identity"})

    assert gzip.decompress(raw) == plain.content == CLIENT.read_bytes()
    assert compressed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert compressed.headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_who_has_it_already_is_told_so(encoding: str, browser: httpx.AsyncClient) -> None:
    """RFC 9110 section 13.1.2."""
    first = await browser.get("/lastmile.js", headers={"Accept-Encoding": encoding})

    again = await browser.get(
        "/lastmile.js", headers={"Accept-Encoding": encoding, "If-None-Match": first.headers["etag"]}
    )

    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == first.headers["etag"]
