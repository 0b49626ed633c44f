"""Errors: one form for all of them, whoever notices."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from tests.api.ground import MSGPACK, Ground, basic, bearer, code_of, token


async def test_an_error_is_said_in_the_body_and_in_two_headers(ground: Ground) -> None:
    response = await ground.get("/channels/unknown:1/messages")

    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {
        "error": {
            "code": 40400,
            "statusCode": 404,
            "message": "no namespace of this server has channels of this name",
            "href": "https://help.ably.io/error/40400",
        }
    }
    assert response.headers["X-Ably-ErrorMessage"] == "no namespace of this server has channels of this name"
    assert code_of(response) == 40400


async def test_an_error_comes_in_the_format_that_was_asked_for(ground: Ground) -> None:
    response = await ground.get("/nowhere", headers={"Accept": MSGPACK})

    assert response.headers["Content-Type"] == MSGPACK
    assert msgspec.msgpack.decode(response.content)["error"]["code"] == 40400


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/", 40400),
        ("GET", "/time/", 40400),
        ("GET", "/docs", 40400),
        ("GET", "/openapi.json", 40400),
        ("POST", "/time", 40500),
        ("GET", "/keys/bank.server/requestToken", 40500),
        ("DELETE", "/channels/account:1/messages", 40500),
    ],
)
async def test_what_is_not_there_is_said_so(ground: Ground, method: str, path: str, code: int) -> None:
    """RFC 9110: 405 names the methods that there are."""
    response = await ground.ask(method, path)

    assert code_of(response) == code
    assert ("Allow" in response.headers) == (code == 40500)


async def test_a_header_stays_one_line_of_ascii_whatever_is_quoted(ground: Ground) -> None:
    """The message quotes the channel's name; no client writes headers of ours."""
    response = await ground.get("/channels/%3A%C3%BC%0D%0AX-Injected%3A%201/messages")

    assert code_of(response) == 40010
    assert "X-Injected" not in response.headers
    assert response.headers["X-Ably-ErrorMessage"].isascii()
    assert "ü" in response.json()["error"]["message"]


async def test_a_body_over_the_bound_is_refused_before_it_is_read() -> None:
    """By what is declared, or, without that, as soon as it is too much; the connection is not kept for the rest."""
    ground = Ground(request_body_max_bytes=1024)
    path = "/keys/bank.server/requestToken"

    async def endless():
        while True:
            yield b"x" * 1000

    declared = await ground.ask("POST", path, content=b"x" * 1025, headers=basic())
    undeclared = await ground.ask("POST", path, content=endless(), headers=basic())

    for response in (declared, undeclared):
        assert code_of(response) == 40009
        assert response.status_code == 413
        assert response.headers["Connection"] == "close"


async def test_a_body_up_to_the_bound_is_read() -> None:
    ground = Ground(request_body_max_bytes=1024)
    body = b'{"clientId":"a"}'.ljust(1024)

    response = await ground.ask("POST", "/keys/bank.server/requestToken", content=body, headers=basic())

    assert response.status_code == 201


async def test_a_bug_of_ours_is_said_without_its_traceback(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was is for the log alone."""
    monkeypatch.setattr(ground.router, "source_of", lambda _: 1 / 0)
    transport = httpx.ASGITransport(ground.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
        response = await client.get("/channels/account:1/messages", headers=bearer(token()))

    assert code_of(response) == 50000
    assert response.status_code == 500
    assert "division" not in response.text


async def test_what_is_someones_own_is_not_kept_on_the_way(ground: Ground) -> None:
    for path in ("/channels/account:1/messages", "/time", "/nowhere"):
        response = await ground.get(path, headers=bearer(token()))
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
