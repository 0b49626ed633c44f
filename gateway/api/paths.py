"""
Paths as they were sent: ``%2F`` in a channel's name is a part of the name, and no separator.

Source: PROTOCOL.md section 8; RFC 3986 section 2.2.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import BadChannelName


class SentPaths:
    """
    Has routes match the path before it was decoded.

    Args:
        app: What is asked.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            scope = {**scope, "path": scope["raw_path"].decode("latin-1")}
        await self._app(scope, receive, send)


def decoded(segment: str) -> str:
    """
    What one segment of a path stands for.

    Raises:
        BadChannelName: If it is not UTF-8: it would be another name if it were patched.
    """
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise BadChannelName("the name in the path is not UTF-8, percent-encoded") from None
