"""
Public keys, each with the one algorithm that it is used with.

Which one that is, is settled when the key is read: by its own ``alg`` if it has one, else by its kind and what the
settings allow. A token's header only ever chooses among keys.

Source: RFC 7517 section 4, RFC 7518 sections 3 and 6, RFC 8037; RFC 8725 section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from auth.compact import Compact, NotJson, parse_json

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
MIN_RSA_BITS = 2048
MAX_KEYS = 100
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_UNFIT = (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError, OverflowError)


class PublicKey(NamedTuple):
    """A key, what it is called, and how it is used."""

    key_id: str | None
    algorithm: str
    key: Any

    def has_signed(self, token: Compact) -> bool:
        """Whether the token's signature is this key's."""
        try:
            return jwt.get_algorithm_by_name(self.algorithm).verify(token.signed, self.key, token.signature)
        except _UNFIT:
            return False


def check_algorithms(algorithms: Sequence[str]) -> tuple[str, ...]:
    """
    Pass on algorithms that public keys can be used with.

    Raises:
        ValueError: If there is none, or one that takes a shared secret or nothing at all.
    """
    unknown = [name for name in algorithms if name not in ALGORITHMS]
    if unknown or not algorithms:
        raise ValueError(f"algorithms {unknown} cannot be used; they must be among {', '.join(sorted(ALGORITHMS))}")
    return tuple(algorithms)


def read_pem(pem: bytes, algorithms: Sequence[str]) -> PublicKey:
    """
    Read the one public key of an issuer.

    Raises:
        ValueError: If it is no public key, or fits none of the algorithms.
    """
    try:
        key = load_pem_public_key(pem)
    except _UNFIT as error:
        raise ValueError(f"the public key cannot be read as PEM: {error}") from None
    algorithm = _algorithm_for(key, None, algorithms)
    if algorithm is None:
        raise ValueError(f"the public key fits none of {', '.join(algorithms)}, or is too short")
    return PublicKey(None, algorithm, key)


def read_jwks(text: bytes, algorithms: Sequence[str]) -> tuple[PublicKey, ...]:
    """
    Read a set of keys as an issuer publishes it; keys for other purposes are passed over, and so are broken ones.

    Raises:
        ValueError: If it is no set of keys.
    """
    try:
        members = parse_json(text.decode())
    except (NotJson, UnicodeDecodeError):
        raise ValueError("the key set is not JSON") from None
    listed = members.get("keys") if isinstance(members, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the key set has no list of keys")  # noqa: TRY004  # the text is wrong, not a type
    read = (_read_jwk(member, algorithms) for member in listed[:MAX_KEYS])
    return tuple(key for key in read if key is not None)


def _read_jwk(member: object, algorithms: Sequence[str]) -> PublicKey | None:
    if not isinstance(member, Mapping) or not _is_for_verifying(member):
        return None
    try:
        # Without its `alg`, which would choose the reader; `_algorithm_for` judges it.
        key = jwt.PyJWK({name: value for name, value in member.items() if name != "alg"}).key
    except _UNFIT:
        return None
    algorithm = _algorithm_for(key, member.get("alg"), algorithms)
    key_id = member.get("kid")
    if algorithm is None or not isinstance(key_id, (str, type(None))):
        return None
    return PublicKey(key_id, algorithm, key)


def _is_for_verifying(member: Mapping[str, Any]) -> bool:
    """A key whose private half is published has signed whatever anybody wanted."""
    operations = member.get("key_ops")
    is_meant = member.get("use") in (None, "sig") and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )
    return is_meant and "d" not in member and member.get("kty") in ("RSA", "EC", "OKP")


def _algorithm_for(key: object, named: object, allowed: Sequence[str]) -> str | None:
    fitting = _fitting(key)
    if named is not None:
        return str(named) if named in fitting and named in allowed else None
    return next((name for name in allowed if name in fitting), None)


def _fitting(key: object) -> Sequence[str]:
    if isinstance(key, RSAPublicKey):
        return _RSA if key.key_size >= MIN_RSA_BITS else ()
    if isinstance(key, EllipticCurvePublicKey):
        return [_CURVES[key.curve.name]] if key.curve.name in _CURVES else []
    return ["EdDSA"] if isinstance(key, Ed25519PublicKey) else []
