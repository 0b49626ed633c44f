"""
JSON or MessagePack: which one a request is answered in, and what its body says.

``format`` in the query decides, then Accept; without either it is JSON. The type of an answer has no parameters, since
SDKs compare it to the letter.

Source: PROTOCOL.md section 8; RSC8, RSC19.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from gateway.core.wire import FORMATS, JSON, MSGPACK, Format
from gateway.errors import BadRequest, TooLarge

TYPES = {"application/json": JSON, "application/x-msgpack": MSGPACK}
_NAMES = {JSON.name: "application/json", MSGPACK.name: "application/x-msgpack"}
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}  # all of it is somebody's own
_DECODERS: dict[str, Any] = {
    JSON.name: msgspec.json.Decoder(dict[str, Any]).decode,
    MSGPACK.name: msgspec.msgpack.Decoder(dict[str, Any]).decode,
}


def format_of(request: Request) -> Format:
    """The format of the answer; what is not understood asks for JSON."""
    named = request.query_params.get("format")
    if named is not None:
        return FORMATS.get(named, JSON)
    return _preferred(request.headers.get("accept", ""))


def answer(request: Request, body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """*body* in the format that the request asks for."""
    wire = format_of(request)
    return Response(
        wire.encode(body), status_code=status, headers={**_HEADERS, **(headers or {})}, media_type=_NAMES[wire.name]
    )


async def read_object(request: Request, max_bytes: int) -> dict[str, Any]:
    """
    The body of a request, which is one object.

    It comes within the time that a request has to be whole (`server.handshake_timeout_seconds`).

    Args:
        max_bytes: The most that is read.

    Raises:
        TooLarge: If there is more.
        BadRequest: If it is no object, of neither format, or does not come.
    """
    wire, body = await read_body(request, max_bytes)
    try:
        read: dict[str, Any] = _DECODERS[wire.name](body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest(f"the body is not one object in {wire.name}") from None
    return read


async def read_body(request: Request, max_bytes: int) -> tuple[Format, bytes]:
    """
    The body of a request and its format, unread.

    Args:
        max_bytes: The most that is taken.

    Raises:
        TooLarge: If there is more.
        BadRequest: If it is of neither format, or does not come.
    """
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    wire = TYPES.get(content_type)
    if wire is None:
        raise BadRequest(f"Content-Type is one of {', '.join(TYPES)}")
    return wire, await _read(request, max_bytes)


async def _read(request: Request, max_bytes: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > max_bytes:
        raise TooLarge(f"a body may have at most {max_bytes} bytes")
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > max_bytes:
                raise TooLarge(f"a body may have at most {max_bytes} bytes")
    except ClientDisconnect:
        raise BadRequest("the client left before its request was whole") from None
    return bytes(body)


def _preferred(accept: str) -> Format:
    """The known type of the highest weight, the first one of several; ``*/*`` leaves it to us (RFC 9110 section 12.5.1)."""
    best, best_weight = JSON, 0.0
    for item in accept.split(","):
        name, *params = (part.strip().lower() for part in item.split(";"))
        wire, weight = TYPES.get(name), _weight(params)
        if wire is not None and weight > best_weight:
            best, best_weight = wire, weight
    return best


def _weight(params: list[str]) -> float:
    for param in params:
        if param.startswith("q="):
            try:
                return float(param[2:])
            except ValueError:
                return 0.0
    return 1.0
