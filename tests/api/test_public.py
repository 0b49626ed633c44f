"""The clock, the formats, and our own client beside REST."""

from __future__ import annotations

import time

import msgspec
import pytest

from tests.api.ground import MSGPACK, Ground


async def test_the_time_is_in_milliseconds_and_needs_no_credentials(ground: Ground) -> None:
    """RSC16."""
    before = time.time() * 1000

    response = await ground.ask("GET", "/time")

    (told,) = response.json()
    assert int(before) <= told <= time.time() * 1000


@pytest.mark.parametrize(
    ("accept", "query", "is_json"),
    [
        (None, "", True),
        ("application/json", "", True),
        (MSGPACK, "", False),
        (f"{MSGPACK}, application/json", "", False),
        (f"application/json, {MSGPACK}", "", True),
        (f"application/json;q=0.5, {MSGPACK};q=0.9", "", False),
        (f"text/html, */*;q=0.1, {MSGPACK};q=0", "", True),
        (f"{MSGPACK};q=nonsense", "", True),
        ("application/json", "?format=msgpack", False),
        (MSGPACK, "?format=json", True),
        (MSGPACK, "?format=xml", True),
    ],
)
async def test_the_format_is_as_asked_for(ground: Ground, accept: str | None, query: str, is_json: bool) -> None:
    """RSC8; what is not understood asks for JSON."""
    response = await ground.ask("GET", f"/time{query}", headers={} if accept is None else {"Accept": accept})

    assert response.headers["Content-Type"] == ("application/json" if is_json else MSGPACK)
    (told,) = (msgspec.json if is_json else msgspec.msgpack).decode(response.content)
    assert isinstance(told, int)


async def test_our_own_client_is_served_to_pages_anywhere(ground: Ground) -> None:
    """There is nothing secret in it, and modules are fetched with CORS."""
    response = await ground.ask("GET", "/lastmile.js", headers={"Origin": "https://elsewhere.example"})

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers
