"""
`/keys/{keyName}/requestToken`: a token for who shows that a key's holder allows it.

    signed by the key's holder    a device may send it: the signature is good once, and now
    not signed                    the key's holder sends it, and shows the key

Source: PROTOCOL.md section 7; RSA8, RSA9, TD1 to TD7, TE1 to TE6.
"""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request, Response

from auth.ably_token import mint
from auth.errors import BadCredentials, NoSuchKey
from auth.keys import Key
from auth.token_request import Grant, TokenRequest
from gateway.api.admission import admit
from gateway.api.formats import answer, read_object
from gateway.api.paths import decoded
from gateway.api.served import Served


def keys_router(edge: Served) -> APIRouter:
    """The routes of keys."""
    router = APIRouter()

    @router.post("/keys/{name}/requestToken")
    async def request_token(name: str, request: Request) -> Response:
        key = edge.keyring.find(decoded(name))
        if key is None:
            raise NoSuchKey("unknown_key")
        asked = TokenRequest(await read_object(request, edge.settings.server.request_body_max_bytes))
        if asked.is_signed:
            await asked.check_signature(key, edge.nonces, time.time())
        else:
            await _check_holder(edge, request, key)
        grant = asked.grant(key)
        if edge.note is not None:
            edge.note("token", app=key.app_id, key=key.name, client=grant.client_id, ttl_seconds=grant.ttl_seconds)
        return answer(request, token_details(key, grant, time.time()), status=201)

    return router


async def _check_holder(edge: Served, request: Request, key: Key) -> None:
    """
    See whether who asks holds the key; a token does not beget tokens.

    Raises:
        AuthError: If not.
    """
    principal = await admit(request, edge.verifier, edge.settings.server.authentication_timeout_seconds)
    if principal.method != "basic" or principal.key_name != key.name:
        raise BadCredentials("unknown_key")


def token_details(key: Key, grant: Grant, now: float) -> dict[str, Any]:
    """The token of a grant, and what its bearer should know of it (TD1 to TD7); times in milliseconds."""
    issued_ms = int(now * 1000)
    issued_at = issued_ms / 1000
    details: dict[str, Any] = {
        "token": mint(
            key, now=issued_at, ttl_seconds=grant.ttl_seconds, client_id=grant.client_id, capability=grant.capability
        ),
        "keyName": key.name,
        "issued": issued_ms,
        "expires": issued_ms + round(grant.ttl_seconds * 1000),
        "capability": grant.capability.to_text(),
    }
    if grant.client_id is not None:
        details["clientId"] = grant.client_id
    return details
