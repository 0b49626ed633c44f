"""How hostile tokens are made."""

from __future__ import annotations

from typing import Any

from tests.auth.minting import (
    EC_KEY,
    ED_KEY,
    KEY,
    RSA_KEY,
    SECRET,
    SHORT_RSA_KEY,
    ably_claims,
    crafted,
    issuer_claims,
    jwk,
    part,
    signed_with,
)

Table = dict[tuple[int, str], dict[str, str]]

PUBLISHER = "https://keys.bank.example/"
PUBLISHED = (
    jwk(RSA_KEY, kid="rsa", alg="RS256"),
    jwk(EC_KEY, kid="ec"),
    jwk(ED_KEY, kid="ed"),
    jwk(SHORT_RSA_KEY, kid="short"),
    {"kty": "oct", "kid": "oct", "alg": "HS256", "k": part(SECRET)},
)
PUBLISHED_CLAIMS = issuer_claims(iss=PUBLISHER)
HS256 = {"alg": "HS256", "kid": KEY.name}


def by_key(secret: bytes = SECRET, *, claims: Any = None, **header: Any) -> str:
    """One that names the tests' key."""
    return crafted(HS256 | header, ably_claims() if claims is None else claims, secret)


def by_publisher(key: Any, algorithm: str, kid: str | None, **header: Any) -> str:
    """One of the identity provider that publishes its keys."""
    named = {"alg": algorithm} | ({} if kid is None else {"kid": kid}) | header
    return signed_with(key, algorithm, named, PUBLISHED_CLAIMS)


def with_signature(header: Any, claims: Any, signature: bytes) -> str:
    """One whose signature is whatever it is."""
    return f"{part(header)}.{part(claims)}.{part(signature)}"
