"""
What an identity provider says of itself: where its keys are.

Source: OpenID Connect Discovery 1.0, sections 3, 4.1 and 4.3; RFC 8414.
"""

from __future__ import annotations

from auth.addresses import check_url
from auth.compact import NotJson, parse_json

WELL_KNOWN = "/.well-known/openid-configuration"


def configuration_url(issuer: str) -> str:
    """
    Where an issuer describes itself, by its name alone.

    Args:
        issuer: For example ``https://login.bank.example/realms/retail``; a final slash is not doubled.

    Raises:
        ValueError: If that is no address that can be trusted with keys.
    """
    return check_url(issuer.removesuffix("/") + WELL_KNOWN)


def read_configuration(text: bytes, issuer: str, *, is_local: bool) -> str:
    """
    Find where the keys of *issuer* are.

    Args:
        text: The description that was fetched.
        issuer: Whose it must be, to the letter: else one issuer of a provider could speak for another.
        is_local: Whether it came from this machine over a plain line; then the keys may too.

    Returns:
        The address of its key set.

    Raises:
        ValueError: If it is no description, of somebody else, or names an address that cannot be trusted.
    """
    try:
        members = parse_json(text.decode())
    except (NotJson, UnicodeDecodeError):
        raise ValueError("the OpenID configuration is not JSON") from None
    if not isinstance(members, dict) or members.get("issuer") != issuer:
        raise ValueError("the OpenID configuration is not this issuer's")
    jwks_uri = members.get("jwks_uri")
    if not isinstance(jwks_uri, str) or not (is_local or jwks_uri.startswith("https://")):
        raise ValueError("the OpenID configuration names no https:// address of keys (jwks_uri)")
    return check_url(jwks_uri)
