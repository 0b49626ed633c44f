"""Somebody who was let in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auth.capability import Capability
from auth.errors import BadClientId

MAX_CLIENT_ID_BYTES = 512


@dataclass(frozen=True, slots=True)
class Principal:
    """
    Who is there, and what they may do.

    Args:
        app_id: The app that the credentials belong to.
        key_name: ``app.key``; None for an issuer's token.
        client_id: None if anonymous.
        is_wildcard: Whether any clientId may be claimed (``*``).
        capability: What may be done.
        expires_at: Seconds since the epoch; None for a key.
        method: How it was proven.
        issued_at: Seconds since the epoch; None for a key, and for an issuer that does not say.
        key_mark: Which of the key's secrets it was proven by; see auth.keys.
        revocation_key: By which its token can be revoked together with others; mostly None.
        issuer: Whose token it is; None for keys and what they sign.
        whole: What the token allows, where an entitlement leaves less of it as *capability*; see auth.revocation.
    """

    app_id: str
    key_name: str | None
    client_id: str | None
    is_wildcard: bool
    capability: Capability
    expires_at: float | None
    method: Literal["basic", "ably_jwt", "issuer"]
    issued_at: float | None = None
    key_mark: bytes | None = None
    revocation_key: str | None = None
    issuer: str | None = None
    whole: Capability | None = None

    @property
    def granted(self) -> Capability:
        """What the credentials allow by themselves."""
        return self.capability if self.whole is None else self.whole


def check_client_id(client_id: str) -> str:
    """
    Pass on what a client can be called.

    Raises:
        BadClientId: If it is empty, too long, has characters that cannot be shown, or is the wildcard.

    Source: RSA7c.
    """
    is_fit = client_id.isprintable() and 0 < len(client_id.encode("utf-8", "replace")) <= MAX_CLIENT_ID_BYTES
    if not is_fit or client_id == "*":
        raise BadClientId("client_id_form")
    return client_id
