"""
Ably's own tokens: JWTs that are signed with a key's secret.

    header   alg HS256, kid app.key
    claims   iat, exp, x-ably-capability (JSON text), x-ably-clientId (absent: anonymous; * may claim any),
             x-ably-revocation-key

Source: PROTOCOL.md section 7; RSA4f, RSA8g, TD1 to TD7.
"""

from __future__ import annotations

from typing import Any

import jwt

from auth.capability import Capability, granted
from auth.compact import Compact, parse_compact
from auth.errors import Reason, TokenMalformed, TokenRefused
from auth.keys import Key
from auth.lifetime import check_lifetime
from auth.principal import Principal, check_client_id

ALGORITHM = "HS256"
LEEWAY_SECONDS = 30.0  # for the clocks of those who sign; an end is an end
_hs256 = jwt.get_algorithm_by_name(ALGORITHM)


def mint(
    key: Key, *, now: float, ttl_seconds: float, client_id: str | None = None, capability: Capability | None = None
) -> str:
    """
    Sign a token that every edge verifies without asking anybody.

    Args:
        key: Whose secret signs.
        now: Seconds since the epoch.
        ttl_seconds: How long it is good, to the millisecond.
        client_id: Whose token it is; ``*`` may claim any.
        capability: What it allows, within the key's; absent: all of that.
    """
    claims: dict[str, Any] = {
        "iat": _date(now),
        "exp": _date(now + ttl_seconds),
        "x-ably-capability": (capability or key.capability).to_text(),
    }
    if client_id is not None:
        claims["x-ably-clientId"] = client_id
    return jwt.encode(claims, key.secret, algorithm=ALGORITHM, headers={"kid": key.name})


def verify(token: str, key: Key, now: float) -> Principal:
    """Check a token that *key* should have signed; see `verify_compact`."""
    return verify_compact(parse_compact(token), key, now)


def verify_compact(token: Compact, key: Key, now: float) -> Principal:
    """
    Check a token that names *key* as its signer.

    Raises:
        TokenRefused: If it is not valid, expired, or of the future.
        CapabilityMalformed: If its capability cannot be read.
        CapabilityDenied: If its capability and the key's have nothing in common.
        BadClientId: If its clientId is none.
    """
    if token.header.algorithm != ALGORITHM:
        raise TokenRefused("algorithm")
    by = zip(key.secrets, key.marks, strict=True)
    mark = next((mark for secret, mark in by if _hs256.verify(token.signed, secret, token.signature)), None)
    if mark is None:
        raise TokenRefused("signature")
    claims = token.claims
    if "iat" not in claims:
        raise TokenMalformed("times")
    lifetime = check_lifetime(claims, now, leeway_seconds=LEEWAY_SECONDS, expiry_leeway_seconds=0.0)
    client_id = _text(claims, "x-ably-clientId", "client_id")
    is_wildcard = client_id == "*"
    return Principal(
        app_id=key.app_id,
        key_name=key.name,
        client_id=None if client_id is None or is_wildcard else check_client_id(client_id),
        is_wildcard=is_wildcard,
        capability=granted(_text(claims, "x-ably-capability", "capability"), key.capability),
        expires_at=lifetime.expires_at,
        method="ably_jwt",
        issued_at=lifetime.issued_at,
        key_mark=mark,
        revocation_key=_text(claims, "x-ably-revocation-key", "claims"),
    )


def _text(claims: dict[str, Any], name: str, reason: Reason) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise TokenMalformed(reason)
    return value


def _date(seconds: float) -> int | float:
    """A NumericDate to the millisecond; most readers expect a whole one where it can be."""
    milliseconds = round(seconds * 1000)
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000
