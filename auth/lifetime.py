"""
From when until when a token is good.

Source: RFC 7519 sections 2 (NumericDate) and 4.1.4 to 4.1.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from auth.errors import TokenExpired, TokenMalformed, TokenRefused

_END_OF_TIME = 2.0**53  # seconds; what lies beyond is no date


class Lifetime(NamedTuple):
    """When a token was issued, if it says so, and when it ends; seconds since the epoch."""

    issued_at: float | None
    expires_at: float


def check_lifetime(
    claims: Mapping[str, Any],
    now: float,
    *,
    leeway_seconds: float,
    expiry_leeway_seconds: float,
    max_age_seconds: float | None = None,
) -> Lifetime:
    """
    See whether *now* is within a token's time.

    Args:
        claims: With ``exp``, and maybe ``nbf`` and ``iat``.
        leeway_seconds: How far its issuer's clock may be ahead.
        expiry_leeway_seconds: How far it may be behind; what is accepted after ``exp`` counts as the token's time.
        max_age_seconds: How long after ``iat`` a token is good at most, whatever its ``exp`` says.

    Raises:
        TokenMalformed: If ``exp`` is missing, or ``iat`` where its age matters, or one of them is no date.
        TokenExpired: If it is over.
        TokenRefused: If it has not begun.
    """
    expires_at = _date(claims.get("exp"))
    issued_at = _optional_date(claims, "iat")
    not_before = _optional_date(claims, "nbf")
    if max_age_seconds is not None:
        expires_at = min(expires_at, _date(issued_at) + max_age_seconds)
    expires_at += expiry_leeway_seconds
    if now >= expires_at:
        raise TokenExpired("expired")
    if max(issued_at or 0.0, not_before or 0.0) > now + leeway_seconds:
        raise TokenRefused("future")
    return Lifetime(issued_at, expires_at)


def _optional_date(claims: Mapping[str, Any], name: str) -> float | None:
    return _date(claims[name]) if name in claims else None


def _date(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _END_OF_TIME:
        raise TokenMalformed("times")
    return float(value)
