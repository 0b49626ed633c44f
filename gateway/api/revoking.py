"""
`/keys/{keyName}/revokeTokens`: tokens that a key has signed are taken back, by the holder of that key.

Answered when Kafka has it: a target that is answered with `appliesAt` holds on every edge, whatever becomes of this one.

Source: PROTOCOL.md section 7; RSA17, TRT2, TRS2, TRF2, BAR2; docs/revocation.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response

from auth.errors import BadCredentials, KeyNeeded, NoSuchKey, RevocationNotEnabled
from auth.keys import Key
from auth.revocation import Address, BadTarget, Cut, Target, parse_target
from gateway.api.admission import admit
from gateway.api.formats import answer, read_object
from gateway.api.paths import decoded
from gateway.api.served import Served
from gateway.errors import BadParameter, BadRequest, GatewayError
from gateway.revocation import Revocations
from gateway.revocation.record import milliseconds

MAX_TARGETS = 100
MARGIN_SECONDS = 30.0  # what `allowReauthMargin` gives clients to renew their tokens


class Asked(NamedTuple):
    """What a request wants: of each target, tokens issued before a time, from a time on; 0: at once."""

    targets: list[str]
    cut: Cut


def revoking_router(edge: Served) -> APIRouter:
    """The route of revocation."""
    router = APIRouter()

    @router.post("/keys/{name}/revokeTokens")
    async def revoke_tokens(name: str, request: Request) -> Response:
        key = edge.keyring.find(decoded(name))
        if key is None:
            raise NoSuchKey("unknown_key")
        await _check_holder(edge, request, key)
        revocations = edge.revocations
        if revocations is None:
            raise RevocationNotEnabled("not_enabled")
        body = await read_object(request, edge.settings.server.request_body_max_bytes)
        asked = read_asked(body, time.time(), revocations.max_token_age_seconds)
        results = await asyncio.gather(*(_result_of(edge, revocations, key, text, asked.cut) for text in asked.targets))
        failures = sum("error" in result for result in results)
        answered = {"successCount": len(results) - failures, "failureCount": failures, "results": results}
        return answer(request, answered, status=201)

    return router


def read_asked(body: Mapping[str, Any], now: float, max_token_age_seconds: float) -> Asked:
    """
    Read the body of a request.

    Args:
        now: Seconds since the epoch.
        max_token_age_seconds: How far back a time may be.

    Raises:
        BadRequest: If there are no targets, too many, or some that are no text.
        BadParameter: If issuedBefore or allowReauthMargin is not what it can be.
    """
    targets = body.get("targets")
    if not isinstance(targets, list) or not 0 < len(targets) <= MAX_TARGETS:
        raise BadRequest(f"targets is an array of 1 to {MAX_TARGETS} targets such as clientId:42")
    if not all(isinstance(target, str) for target in targets):
        raise BadRequest("each target is a text such as clientId:42")
    has_margin = body.get("allowReauthMargin")
    if has_margin is not None and not isinstance(has_margin, bool):
        raise BadParameter("allowReauthMargin is true or false")
    applies_at = now + MARGIN_SECONDS if has_margin else 0.0
    return Asked(targets, Cut(_issued_before(body.get("issuedBefore"), now, max_token_age_seconds), applies_at))


def _issued_before(value: object, now: float, max_token_age_seconds: float) -> float:
    if value is None:
        return milliseconds(now) / 1000
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as msgpack of JavaScript may write it
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadParameter("issuedBefore is a time in milliseconds since the epoch")
    if not (now - max_token_age_seconds) * 1000 <= value <= now * 1000:
        raise BadParameter("issuedBefore is a time of the past, and not before the oldest token that can be alive")
    return value / 1000


async def _check_holder(edge: Served, request: Request, key: Key) -> None:
    """
    See whether who asks holds the key.

    Raises:
        AuthError: If not; 40162 if it shows a token instead.
    """
    principal = await admit(request, edge.verifier, edge.settings.server.authentication_timeout_seconds)
    if principal.method != "basic":
        raise KeyNeeded("key_needed")
    if principal.key_name != key.name:
        raise BadCredentials("unknown_key")


async def _result_of(edge: Served, revocations: Revocations, key: Key, text: str, cut: Cut) -> dict[str, Any]:
    """One target's: when it holds, or why it does not."""
    try:
        address = Address(key.name, _target(text))
        cut = await revocations.revoke(address, cut)
    except GatewayError as error:
        edge.counts.refused(error.code)
        _note(edge, key, text, cut, error.code)
        said = {"code": error.code, "statusCode": error.status, "message": error.message}
        return {"target": text, "error": said}
    _note(edge, key, text, cut)
    applies_at = cut.applies_at or time.time()
    return {"target": text, "issuedBefore": milliseconds(cut.issued_before), "appliesAt": milliseconds(applies_at)}


def _note(edge: Served, key: Key, target: str, cut: Cut, code: int | None = None) -> None:
    if edge.note is not None:
        issued_before_ms = milliseconds(cut.issued_before)
        edge.note("revoke", app=key.app_id, key=key.name, target=target, issued_before_ms=issued_before_ms, code=code)


def _target(text: str) -> Target:
    try:
        return parse_target(text)
    except BadTarget as error:
        raise BadRequest(str(error)) from None
