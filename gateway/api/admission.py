"""
Who asks: from the headers and the query of a request to a principal.

    Authorization: Basic base64(app.key:secret)      or ?key=             over TLS or on this machine only
    Authorization: Bearer base64(token) or token     or ?accessToken=     ably-js: ?access_token=
    X-Ably-ClientId: base64(clientId)                whom a key, or a token that may claim any, acts for

A browser's page may ask if its origin may connect: the same rule as for WebSockets.

Source: PROTOCOL.md sections 7 and 8; RSA3, RSA7e2, RSA11, RSC7.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Sequence

from fastapi import Request

from auth.errors import BadClientId, BadCredentials
from auth.principal import Principal
from auth.verifier import Credentials, KeysNeeded, Verifier
from gateway.errors import BadParameter, HandshakeTimeout, OriginForbidden
from gateway.transport.gate import is_loopback
from gateway.transport.handshake import is_origin_allowed


def check_origin(request: Request, allowed: Sequence[str]) -> None:
    """
    Refuse pages that may not connect either.

    Raises:
        OriginForbidden: If the page's origin is neither this server's nor on the list.
    """
    if not is_origin_allowed(request.headers.raw, allowed):
        raise OriginForbidden("pages of this origin may not ask; add it to server.allowed_origins")


def check_version(request: Request) -> None:
    """
    Refuse what is no version. What is answered is the same in all of them.

    Raises:
        BadParameter: If ``X-Ably-Version`` is no number.
    """
    version = request.headers.get("x-ably-version", "0")
    if not version.replace(".", "", 1).isdecimal():
        raise BadParameter("X-Ably-Version is the version of the protocol, a number")


async def admit(request: Request, verifier: Verifier, timeout_seconds: float) -> Principal:
    """
    Verify who asks, fetching an issuer's keys first where they are not known.

    Args:
        timeout_seconds: For that.

    Raises:
        AuthError: If the credentials are not good, or a key comes over a line that others can read.
        HandshakeTimeout: If the issuer did not answer in time.
    """
    credentials = credentials_of(request)
    try:
        return verifier.verify(credentials, time.time())
    except KeysNeeded as needed:
        try:
            async with asyncio.timeout(timeout_seconds):
                await needed.issuer.refresh(time.time())
        except TimeoutError:
            raise HandshakeTimeout("authentication took too long; ask again") from None
    return verifier.verify(credentials, time.time(), may_wait=False)


def credentials_of(request: Request) -> Credentials:
    """
    What a request shows; its header counts before its query.

    Raises:
        BadCredentials: If the header cannot be read.
        BadClientId: If ``X-Ably-ClientId`` is not base64 of text.
    """
    query = request.query_params
    key: str | None = query.get("key")
    token: str | None = query.get("accessToken") or query.get("access_token")
    authorization = request.headers.get("authorization")
    if authorization is not None:
        key, token = _authorization(authorization)
    return Credentials(key, token, _client_id(request.headers.get("x-ably-clientid")), is_secure=is_secure(request))


def is_secure(request: Request) -> bool:
    """Whether nobody else can read along: TLS, or a client on this machine."""
    return request.scope["scheme"] == "https" or (request.client is not None and is_loopback(request.client.host))


def _authorization(header: str) -> tuple[str | None, str | None]:
    """Key or token."""
    scheme, _, shown = header.strip().partition(" ")
    shown = shown.strip()
    if scheme.lower() == "basic":
        key = _from_base64(shown)
        if key is None:
            raise BadCredentials("none_given")
        return key, None
    if scheme.lower() == "bearer":
        # A token's parts are joined by dots, which base64 does not have.
        return None, shown if "." in shown else _from_base64(shown) or shown
    raise BadCredentials("none_given")


def _client_id(header: str | None) -> str | None:
    if header is None:
        return None
    client_id = _from_base64(header.strip())
    if client_id is None:
        raise BadClientId("client_id_form")
    return client_id


def _from_base64(text: str) -> str | None:
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), validate=True).decode()
    except (UnicodeError, binascii.Error):
        return None
