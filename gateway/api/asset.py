"""A file of ours as browsers get it: read once, compressed once, and sent again only when it has changed."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import PurePath

from fastapi import Request, Response

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset:
    """
    One file.

    Args:
        file: Its name's ending tells its type; only those in use here are known.
        headers: Sent with every answer.
    """

    def __init__(self, file: Traversable, headers: Mapping[str, str]) -> None:
        self._body = file.read_bytes()
        self._compressed = gzip.compress(self._body, 9, mtime=0)
        tag = hashlib.sha256(self._body).hexdigest()[:16]
        self._plain_headers = self._headers_of(file, headers, tag)
        self._gzip_headers = self._headers_of(file, headers, f"{tag}-gzip") | {"Content-Encoding": "gzip"}

    @property
    def compressed_bytes(self) -> int:
        """What it costs a client that has not got it yet."""
        return len(self._compressed)

    def answer(self, request: Request) -> Response:
        """The file, or that the client has it already (RFC 9110 section 13.1.2)."""
        is_compressed = "gzip" in request.headers.get("accept-encoding", "")
        headers = self._gzip_headers if is_compressed else self._plain_headers
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(
                status_code=304, headers={name: text for name, text in headers.items() if name != "Content-Type"}
            )
        return Response(self._compressed if is_compressed else self._body, headers=headers)

    def _headers_of(self, file: Traversable, headers: Mapping[str, str], tag: str) -> dict[str, str]:
        return {
            "Content-Type": _TYPES[PurePath(file.name).suffix],
            "ETag": f'"{tag}"',
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
            **headers,
        }
