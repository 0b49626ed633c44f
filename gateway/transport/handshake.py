"""
What an upgrade request says: RFC 6455's part, and Ably's query.

Source: RFC 6455 section 4.2; PROTOCOL.md section 1; RTN2.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote_plus, urlsplit

from websockets.utils import accept_key

from gateway.core.wire import FORMATS, Format
from gateway.errors import BadParameter

Headers = Sequence[tuple[bytes, bytes]]
NEWEST_VERSION = 6
OLDEST_VERSION = 2


class UpgradeRefused(Exception):
    """
    The request is no WebSocket handshake; there is no socket yet in which to say so.

    Args:
        status: Of the HTTP answer.
        reason: Its body.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ConnectRequest(NamedTuple):
    """
    The query of a connection (RTN2). *key*, *token* and *resume* are secrets: never to be logged.

    Args:
        resume: The key of the connection to go on with.
        is_recovery: Whether that was another instance's of the SDK (RTN16).
    """

    wire: Format
    version: int
    key: str | None
    token: str | None
    client_id: str | None
    resume: str | None
    is_recovery: bool
    wants_heartbeats: bool
    wants_echo: bool


def upgrade_response(method: bytes, headers: Headers) -> bytes:
    """
    Accept a handshake.

    Returns:
        The whole 101 answer. No extension and no subprotocol is ever agreed to.

    Raises:
        UpgradeRefused: With the status that RFC 6455 or RFC 9110 names.
    """
    if method != b"GET":
        raise UpgradeRefused(405, "a WebSocket handshake is a GET")
    versions = _values(headers, b"sec-websocket-version")
    if versions != [b"13"]:
        raise UpgradeRefused(426, "Sec-WebSocket-Version must be 13")
    keys = _values(headers, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        raise UpgradeRefused(400, "Sec-WebSocket-Key must be 16 bytes in base64, once")
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_key(keys[0].decode()).encode()
    )


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value.strip() for key, value in headers if key == name]


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 16
    except binascii.Error:
        return False


def is_origin_allowed(headers: Headers, allowed: Sequence[str]) -> bool:
    """
    Whether the page that opens the socket may do so.

    Programs send no Origin and are let through: only browsers can be made to act for somebody else. A page of this
    server's own host is always let through.

    Args:
        allowed: Origins such as ``https://app.bank.example``; ``*`` is any.
    """
    origins = _values(headers, b"origin")
    if not origins or "*" in allowed:
        return True
    if len(origins) > 1:
        return False
    origin = origins[0].decode("latin-1")
    hosts = _values(headers, b"host")
    return origin in allowed or (len(hosts) == 1 and urlsplit(origin).netloc == hosts[0].decode("latin-1"))


def parse_connect_request(query: str) -> ConnectRequest:
    """
    Read the query of a connection; what is unknown is ignored.

    Raises:
        BadParameter: If ``v`` or ``format`` has a value that cannot be served.
    """
    params = _params(query)
    wire = FORMATS.get(params.get("format", "json"))
    if wire is None:
        raise BadParameter("format is json or msgpack")
    return ConnectRequest(
        wire=wire,
        version=_version(params.get("v")),
        key=params.get("key"),
        token=params.get("accessToken") or params.get("access_token"),
        client_id=params.get("clientId") or None,
        resume=params.get("resume") or params.get("recover") or None,
        is_recovery=not params.get("resume"),
        wants_heartbeats=params.get("heartbeats") != "false",
        wants_echo=params.get("echo") != "false",
    )


def _params(query: str) -> dict[str, str]:
    params: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        params[name] = unquote_plus(value) if "%" in value or "+" in value else value
    return params


def _version(text: str | None) -> int:
    if text is None:
        return NEWEST_VERSION
    try:
        version = int(float(text))
    except (ValueError, OverflowError):
        raise BadParameter("v is the version of the protocol, a number") from None
    if version < OLDEST_VERSION:
        raise BadParameter(f"version {version} of the protocol is not spoken; use {OLDEST_VERSION} to {NEWEST_VERSION}")
    return min(version, NEWEST_VERSION)
