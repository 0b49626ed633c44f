"""CORS: which pages may ask, and what their browsers are told."""

from __future__ import annotations

import pytest

from tests.api.ground import PAGE, Ground, bearer, code_of, token

MESSAGES = "/channels/account:1/messages"
STRANGER = "https://elsewhere.example"
WANTED = "authorization,x-ably-version,ably-agent,content-type"


def preflight(origin: str, headers: str = WANTED) -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": headers}


async def test_a_page_on_the_list_may_ask_and_read(ground: Ground) -> None:
    """In credentials mode too: that is how ably-js asks when it shows a token."""
    response = await ground.get(MESSAGES, headers={**bearer(token()), "Origin": PAGE})

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    exposed = set(response.headers["Access-Control-Expose-Headers"].split(", "))
    assert exposed == {
        "Link",
        "Retry-After",
        "X-Ably-ErrorCode",
        "X-Ably-ErrorMessage",
        "X-Lastmile-Whole-Since",
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "X-RateLimit-Reset",
    }
    assert response.headers["Vary"] == "Origin"


async def test_a_preflight_allows_what_sdks_send(ground: Ground) -> None:
    response = await ground.ask("OPTIONS", MESSAGES, headers=preflight(PAGE))

    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert response.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert response.headers["Access-Control-Allow-Headers"] == WANTED
    assert response.headers["Access-Control-Max-Age"] == "600"


async def test_a_preflight_echoes_names_only(ground: Ground) -> None:
    response = await ground.ask("OPTIONS", MESSAGES, headers=preflight(PAGE, "x: y"))

    assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"


async def test_errors_can_be_read_by_pages_too(ground: Ground) -> None:
    """Otherwise an expired token looks like a broken network, and is never renewed."""
    for path in (MESSAGES, "/nowhere"):
        response = await ground.get(path, headers={**bearer(token(ttl_seconds=-60)), "Origin": PAGE})
        assert response.headers["Access-Control-Allow-Origin"] == PAGE


async def test_a_page_that_is_not_on_the_list_may_neither_ask_nor_read(ground: Ground) -> None:
    """The same rule as for WebSockets (PROTOCOL.md section 1)."""
    asked = await ground.get(MESSAGES, headers={**bearer(token()), "Origin": STRANGER})
    before = await ground.ask("OPTIONS", MESSAGES, headers=preflight(STRANGER))

    for response in (asked, before):
        assert code_of(response) == 40300
        assert "Access-Control-Allow-Origin" not in response.headers
        assert response.headers["Vary"] == "Origin"


async def test_a_page_of_this_server_may_ask(ground: Ground) -> None:
    response = await ground.get(MESSAGES, headers={**bearer(token()), "Origin": "http://edge.bank.example"})

    assert response.status_code == 200


async def test_any_page_may_ask_where_the_settings_say_so() -> None:
    ground = Ground(allowed_origins=["*"])

    response = await ground.get(MESSAGES, headers={**bearer(token()), "Origin": STRANGER})

    assert response.headers["Access-Control-Allow-Origin"] == STRANGER


@pytest.mark.parametrize("headers", [{}, {"Origin": PAGE}])
async def test_options_that_are_no_preflight_are_no_method_here(ground: Ground, headers: dict[str, str]) -> None:
    assert code_of(await ground.ask("OPTIONS", MESSAGES, headers=headers)) == 40500
