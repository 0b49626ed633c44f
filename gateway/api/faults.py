"""
Errors as SDKs read them: in the body, and again in two headers for those who do not look there.

    {"error": {"code": 40160, "statusCode": 401, "message": "…", "href": "https://help.ably.io/error/40160"}}

The codes are Ably's, so `href` leads to what Ably's public documentation says of them.

Source: PROTOCOL.md sections 8 and 9; TI1 to TI5, RSC15l.
"""

from __future__ import annotations

from http import HTTPStatus
from math import ceil

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from auth.errors import AuthError
from gateway.api.formats import answer
from gateway.core.terms import Note
from gateway.errors import GatewayError, RateExceeded
from gateway.metrics.counts import Counts

HELP_URL = "https://help.ably.io/error/"
RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
EXPOSED_HEADERS = ("X-Ably-ErrorCode", "X-Ably-ErrorMessage")
MAX_HEADER_LENGTH = 500
INTERNAL = 50000
_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})


def answer_faults(app: FastAPI, counts: Counts, note: Note | None) -> None:
    """Have *app* answer every error in this form, and count it."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, (GatewayError, AuthError))
        _count(counts, error)
        if note is not None and error.status in _DENIED:
            note("request-deny", code=error.code, **_asked(request))
        return fault_answer(request, error.code, error.status, error.message, _headers_of(error))

    async def unrouted(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = error.status_code * 100
        counts.refused(code)
        return fault_answer(
            request, code, error.status_code, _SENTENCES.get(code, error.detail), dict(error.headers or {})
        )

    async def unforeseen(request: Request, _error: Exception) -> Response:
        return fault_answer(request, INTERNAL, 500, "something went wrong here; the operators' log says what", {})

    for kind in (GatewayError, AuthError):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(HTTPException, unrouted)
    app.add_exception_handler(Exception, unforeseen)


def _count(counts: Counts, error: GatewayError | AuthError) -> None:
    counts.refused(error.code)
    if isinstance(error, AuthError):
        counts.failed(error.reason)


def _asked(request: Request) -> dict[str, str | None]:
    """Who asked for what; the query is left out, for it may hold a token."""
    address = None if request.client is None else request.client.host
    return {"address": address, "method": request.method, "path": request.url.path[:512]}


def _headers_of(error: GatewayError | AuthError) -> dict[str, str]:
    if error.status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}  # RFC 9110 section 15.5.2; never Basic: browsers would ask people
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return {"Connection": "close"}  # what is still to come of the body is not waited for
    return _rate_headers(error) if isinstance(error, RateExceeded) else {}


def _rate_headers(error: RateExceeded) -> dict[str, str]:
    """When to come again, in whole seconds (RFC 9110 section 10.2.3), and what may be had how often."""
    seconds = str(max(1, ceil(error.retry_seconds)))
    told = ("Retry-After", seconds), *zip(RATE_HEADERS, (f"{error.per_second:g}", "0", seconds), strict=True)
    return dict(told)


_SENTENCES = {40400: "there is nothing at this path", 40500: "this path does not take this method"}


def fault_answer(request: Request, code: int, status: int, message: str, headers: dict[str, str]) -> Response:
    """One error."""
    body = {"error": {"code": code, "statusCode": status, "message": message, "href": f"{HELP_URL}{code}"}}
    said = dict(zip(EXPOSED_HEADERS, (str(code), _header_text(message)), strict=True))
    return answer(request, body, status=status, headers=headers | said)


def _header_text(message: str) -> str:
    """Headers are ASCII on one line; a message may quote what a client sent."""
    printable = message.encode("ascii", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else " " for letter in printable)[:MAX_HEADER_LENGTH]
