"""
Token requests: a server signs a wish for a token, and a device, which has no key, exchanges it for one.

The signature says who allows it, the timestamp and the nonce that it is used once and now.

Source: PROTOCOL.md section 7; RSA9, TE1 to TE6, TK2.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from auth.capability import Capability, granted
from auth.errors import BadCredentials, BadParameter, BadRequest, NonceReused, TimestampOff
from auth.keys import Key
from auth.principal import check_client_id

DEFAULT_TTL_SECONDS = 3600.0
MAX_TTL_SECONDS = 86400.0
WINDOW_SECONDS = 900.0  # how far a timestamp may be from now, on either side
MIN_NONCE_LENGTH = 16
MAX_FIELD_LENGTH = 16384
_MAX_MILLISECONDS = 10**15
_SIGNED = ("keyName", "ttl", "capability", "clientId", "timestamp", "nonce")  # in this order
_FIELDS = (*_SIGNED, "mac")


class Nonces(Protocol):
    """Remembers what was used, for all edges."""

    async def claim(self, name: str, now: float, ttl_seconds: float) -> bool:
        """
        Use *name* up.

        Returns:
            Whether nobody had used it within its time.
        """


class Grant(NamedTuple):
    """A token that may be minted."""

    ttl_seconds: float
    capability: Capability
    client_id: str | None


class TokenRequest:
    """
    A wish for a token as it was sent.

    Args:
        body: keyName, ttl (ms), capability (JSON text), clientId, timestamp (ms), nonce, mac; others are ignored.

    Raises:
        BadRequest: If a field is neither text nor a whole number, or is far too long.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._fields = {name: _text(body.get(name)) for name in _FIELDS}

    @property
    def is_signed(self) -> bool:
        """Whether it claims to be allowed by its signature; otherwise its sender must show the key."""
        return bool(self._fields["mac"])

    def sign(self, secret: bytes) -> str:
        """The mac of its fields, each followed by a line feed (RSA9g)."""
        signed = "".join(f"{self._fields[name]}\n" for name in _SIGNED)
        digest = hmac.new(secret, signed.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()

    def grant(self, key: Key) -> Grant:
        """
        What *key* gives of it, to somebody who may ask.

        Raises:
            BadCredentials: If it names another key.
            BadParameter: If its ttl cannot be.
            CapabilityMalformed: If its capability cannot be read.
            CapabilityDenied: If the key gives nothing of what is asked.
            BadClientId: If nobody can be called so.
        """
        fields = self._fields
        if fields["keyName"] not in ("", key.name):
            raise BadCredentials("unknown_key")
        ttl_seconds = _ttl_seconds(fields["ttl"])
        client_id = fields["clientId"] or None
        if client_id not in (None, "*"):
            check_client_id(fields["clientId"])
        return Grant(ttl_seconds, granted(fields["capability"] or None, key.capability), client_id)

    async def check_signature(self, key: Key, nonces: Nonces, now: float) -> None:
        """
        See whether *key* signed it, now, and for this one use.

        Raises:
            BadRequest: If something that a signed one must have is missing.
            BadCredentials: If the mac is not that of the key.
            TimestampOff: If it was signed long ago, or in the future.
            NonceReused: If it was exchanged before.
        """
        fields = self._fields
        if not fields["keyName"] or not fields["timestamp"] or len(fields["nonce"]) < MIN_NONCE_LENGTH:
            raise BadRequest("request")
        given = fields["mac"].encode("utf-8", "surrogatepass")
        macs = [self.sign(secret).encode() for secret in key.secrets]
        if not any([hmac.compare_digest(mac, given) for mac in macs]):  # noqa: C419  # all of them, always
            raise BadCredentials("mac")
        signed_at = _milliseconds(fields["timestamp"]) / 1000
        if abs(signed_at - now) > WINDOW_SECONDS:
            raise TimestampOff("timestamp")
        if not await nonces.claim(f"{key.name}:{fields['nonce']}", now, signed_at + WINDOW_SECONDS - now):
            raise NonceReused("nonce")


def _text(value: object) -> str:
    """A field as it is signed: absent ones are empty, numbers are as SDKs write them."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_MILLISECONDS:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_MILLISECONDS:
        return str(value)
    if not isinstance(value, str) or len(value) > MAX_FIELD_LENGTH:
        raise BadRequest("request")
    return value


def _ttl_seconds(text: str) -> float:
    if not text:
        return DEFAULT_TTL_SECONDS
    try:
        ttl_seconds = _milliseconds(text) / 1000
    except BadRequest:
        raise BadParameter("ttl") from None
    if not 0 < ttl_seconds <= MAX_TTL_SECONDS:
        raise BadParameter("ttl")
    return ttl_seconds


def _milliseconds(text: str) -> int:
    if not text.isascii() or not text.lstrip("-").isdigit() or len(text) > 16:
        raise BadRequest("request")
    try:
        return int(text)
    except ValueError:  # such as --5
        raise BadRequest("request") from None
