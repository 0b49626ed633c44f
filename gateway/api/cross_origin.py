"""
CORS: what browsers must hear before a page of another origin may ask and read.

Who may connect by WebSocket may ask here: `server.allowed_origins`, `*` being any. No cookie and nothing else that a
browser adds by itself is ever looked at, so a page can do here only what the token that it holds allows. Credentials
are allowed all the same, because ably-js asks for that mode whenever it sends a token; therefore the origin is named
and not ``*``, and headers are listed and not ``*``.

Source: PROTOCOL.md section 8; the Fetch standard, section 3.2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastapi import Request, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.faults import EXPOSED_HEADERS, RATE_HEADERS, fault_answer
from gateway.errors import OriginForbidden
from gateway.transport.handshake import is_origin_allowed

PREFLIGHT_SECONDS = 600
_HEADER_NAMES = re.compile(r"[A-Za-z0-9_, -]{1,1000}", re.ASCII)


class CrossOrigin:
    """
    Adds to each answer whether the asking page may read it, and answers preflights.

    Args:
        app: What is asked.
        allowed: Origins, as in the settings.
        exposed: Headers that pages may read.
    """

    def __init__(self, app: ASGIApp, allowed: Sequence[str], exposed: Sequence[str]) -> None:
        self._app = app
        self._allowed = allowed
        self._exposed = ", ".join((*EXPOSED_HEADERS, "Retry-After", *RATE_HEADERS, *exposed))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        origin = headers.get("origin")
        if origin is None:
            await self._app(scope, receive, send)
            return
        may_read = is_origin_allowed(headers.raw, self._allowed)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            answer = _preflight(headers) if may_read else _refusal(Request(scope))
            await answer(scope, receive, self._telling(send, origin, may_read=may_read))
        else:
            await self._app(scope, receive, self._telling(send, origin, may_read=may_read))

    def _telling(self, send: Send, origin: str, *, may_read: bool) -> Send:
        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if may_read and "access-control-allow-origin" not in headers:
                    headers["Access-Control-Allow-Origin"] = origin
                    headers["Access-Control-Allow-Credentials"] = "true"
                    headers["Access-Control-Expose-Headers"] = self._exposed
            await send(message)

        return tell


def _preflight(headers: Headers) -> Response:
    """All methods of ours, and whatever headers an SDK or an app's own code sends: none of them means more elsewhere."""
    wanted = headers.get("access-control-request-headers", "")
    names = wanted if _HEADER_NAMES.fullmatch(wanted) else "Authorization, Content-Type"
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": names,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        },
    )


def _refusal(request: Request) -> Response:
    error = OriginForbidden("pages of this origin may not ask; add it to server.allowed_origins")
    return fault_answer(request, error.code, error.status, error.message, {})
