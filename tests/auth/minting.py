"""Tokens of every kind for the tests: good ones, and ones that no honest library would write."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from auth.capability import Capability
from auth.issuers import Issuer
from auth.keys import Key, KeyRing
from auth.verifier import Credentials, Verifier

NOW = 1_800_000_000.0
SECRET = b"a-secret-of-more-than-thirty-two-bytes"
KEY = Key("bank", "server1", SECRET, Capability.parse({"account:*": ["subscribe", "history"], "support:*": ["*"]}))
ISSUER = "https://login.bank.example/"
AUDIENCE = "realtime"

RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY = rsa.generate_private_key(65537, 2048)
SHORT_RSA_KEY = rsa.generate_private_key(65537, 1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
EC_384_KEY = ec.generate_private_key(ec.SECP384R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> bytes:
    """The public half, as a file holds it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(key: Any, **members: Any) -> dict[str, Any]:
    """The public half, as a key set holds it."""
    by_type = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256", ed25519.Ed25519PrivateKey: "EdDSA"}
    name = next(name for kind, name in by_type.items() if isinstance(key, kind))
    read = jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in read.items() if name not in ("alg", "key_ops", "use")} | members


def ably_claims(**changes: Any) -> dict[str, Any]:
    """Claims of a good Ably token; a change to None leaves one out."""
    claims = {"iat": int(NOW), "exp": int(NOW) + 3600, "x-ably-capability": '{"account:42":["subscribe"]}'} | changes
    return {name: value for name, value in claims.items() if value is not None}


def ably_token(key: bytes = SECRET, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token that is good unless something is changed."""
    return jwt.encode(ably_claims(**changes), key, algorithm="HS256", headers={"kid": KEY.name} | (headers or {}))


def issuer_claims(**changes: Any) -> dict[str, Any]:
    """Claims of a good token of the bank's own identity provider."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "iat": int(NOW),
        "exp": int(NOW) + 3600,
        "accounts": ["42", "43"],
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


def issuer_token(key: Any = RSA_KEY, algorithm: str = "RS256", kid: str | None = None, **changes: Any) -> str:
    """Its token."""
    header = {"alg": algorithm, "typ": "JWT"} | ({"kid": kid} if kid else {})
    return signed_with(key, algorithm, header, issuer_claims(**changes))


def part(value: Any) -> str:
    """One part of a token; text is taken as the JSON that it is."""
    raw = value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_with(key: Any, algorithm: str, header: Any, claims: Any) -> str:
    """A token with whatever in it, and a signature that is right for it; PyJWT itself refuses to sign some."""
    signed = f"{part(header)}.{part(claims)}"
    return f"{signed}.{part(jwt.get_algorithm_by_name(algorithm).sign(signed.encode(), key))}"


def crafted(header: Any, claims: Any, secret: bytes = SECRET) -> str:
    """The same, signed with the secret of the tests' key."""
    return signed_with(secret, "HS256", header, claims)


def an_issuer(**changes: Any) -> Issuer:
    """The bank's identity provider, by a key in a file unless a URL is given."""
    arguments: dict[str, Any] = {
        "app_id": "bank",
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": ["RS256", "ES256", "EdDSA"],
        "client_id": "{sub}",
        "capability": {"account:{accounts[*]}": ["subscribe"]},
    } | changes
    if not arguments.keys() & {"jwks_url", "openid_configuration_url"}:
        arguments.setdefault("public_key", pem(RSA_KEY))
    return Issuer(**arguments)


def verifier(*issuers: Issuer) -> Verifier:
    """One that knows the key of the tests."""
    return Verifier(KeyRing([KEY]), issuers)


def by_token(token: str, client_id: str | None = None) -> Credentials:
    """What a device shows that has a token."""
    return Credentials(None, token, client_id, is_secure=False)


def by_key(key: str, client_id: str | None = None, *, is_secure: bool = True) -> Credentials:
    """What a server shows that has a key."""
    return Credentials(key, None, client_id, is_secure=is_secure)
