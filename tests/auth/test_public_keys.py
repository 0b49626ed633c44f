"""Public keys, each with the one algorithm that it is used with."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from auth.compact import parse_compact
from auth.public_keys import ALGORITHMS, MAX_KEYS, check_algorithms, read_jwks, read_pem
from tests.auth.minting import (
    EC_384_KEY,
    EC_KEY,
    ED_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    SECRET,
    SHORT_RSA_KEY,
    issuer_token,
    jwk,
    part,
    pem,
)

ALL = sorted(ALGORITHMS)
EC_521_KEY = ec.generate_private_key(ec.SECP521R1())
KOBLITZ_KEY = ec.generate_private_key(ec.SECP256K1())
ED448_KEY = ed448.Ed448PrivateKey.generate()
BY_ALGORITHM = {
    "RS256": RSA_KEY,
    "RS384": RSA_KEY,
    "RS512": RSA_KEY,
    "PS256": RSA_KEY,
    "PS384": RSA_KEY,
    "PS512": RSA_KEY,
    "ES256": EC_KEY,
    "ES384": EC_384_KEY,
    "ES512": EC_521_KEY,
    "EdDSA": ED_KEY,
}


def key_set(*members: Any) -> bytes:
    return json.dumps({"keys": members}).encode()


def private_pem(key: Any) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_every_algorithm_that_is_offered_is_tried_here() -> None:
    assert BY_ALGORITHM.keys() == ALGORITHMS


@pytest.mark.parametrize("algorithm", ALL)
def test_a_pem_verifies_what_its_private_half_signed(algorithm: str) -> None:
    key = read_pem(pem(BY_ALGORITHM[algorithm]), [algorithm])

    assert key.algorithm == algorithm
    assert key.has_signed(parse_compact(issuer_token(BY_ALGORITHM[algorithm], algorithm)))


@pytest.mark.parametrize("algorithm", ALL)
def test_a_jwk_verifies_what_its_private_half_signed(algorithm: str) -> None:
    (key,) = read_jwks(key_set(jwk(BY_ALGORITHM[algorithm], kid="k", alg=algorithm, use="sig")), ALL)

    assert (key.key_id, key.algorithm) == ("k", algorithm)
    assert key.has_signed(parse_compact(issuer_token(BY_ALGORITHM[algorithm], algorithm)))


@pytest.mark.parametrize("algorithm", ALL)
def test_a_key_verifies_nothing_of_another_algorithm(algorithm: str) -> None:
    key = read_pem(pem(BY_ALGORITHM[algorithm]), [algorithm])

    for other in ALGORITHMS - {algorithm}:
        assert not key.has_signed(parse_compact(issuer_token(BY_ALGORITHM[other], other)))


def test_a_key_verifies_nothing_of_another_key() -> None:
    assert not read_pem(pem(RSA_KEY), ALL).has_signed(parse_compact(issuer_token(OTHER_RSA_KEY)))


def test_a_key_that_does_not_say_is_used_with_the_first_that_fits() -> None:
    assert read_pem(pem(RSA_KEY), ["ES256", "PS256", "RS256"]).algorithm == "PS256"


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (pem(RSA_KEY), ["ES256"]),
        (pem(EC_KEY), ["ES384"]),
        (pem(EC_384_KEY), ["ES256"]),
        (pem(SHORT_RSA_KEY), ["RS256"]),
        (pem(KOBLITZ_KEY), ["ES256"]),
        (pem(ED448_KEY), ["EdDSA"]),
        (private_pem(RSA_KEY), ["RS256"]),
        (SECRET, ["RS256"]),
        (b"", ["RS256"]),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", ["RS256"]),
    ],
    ids=["kind", "curve", "curve-of-other", "short", "koblitz", "ed448", "private", "secret", "empty", "broken"],
)
def test_a_pem_that_cannot_be_used_is_refused(key: bytes, algorithms: list[str]) -> None:
    with pytest.raises(ValueError, match="public key"):
        read_pem(key, algorithms)


@pytest.mark.parametrize("algorithms", [[], ["none"], ["HS256"], ["RS256", "HS512"], ["rs256"], ["ES256K"]])
def test_algorithms_of_shared_secrets_and_of_none_are_refused(algorithms: list[str]) -> None:
    with pytest.raises(ValueError, match="algorithms"):
        check_algorithms(algorithms)


@pytest.mark.parametrize(
    "member",
    [
        jwk(RSA_KEY, use="enc"),
        jwk(RSA_KEY, key_ops=["encrypt"]),
        jwk(RSA_KEY, key_ops="verify"),
        jwk(RSA_KEY, alg="HS256"),
        jwk(RSA_KEY, alg="none"),
        jwk(RSA_KEY, alg="ES256"),
        jwk(RSA_KEY, alg=7),
        jwk(RSA_KEY, kid=7),
        jwk(RSA_KEY, n="AQAB"),
        jwk(RSA_KEY, n=7),
        jwk(RSA_KEY, e=""),
        jwk(RSA_KEY, n="!"),
        jwk(SHORT_RSA_KEY),
        jwk(EC_KEY, alg="ES384"),
        jwk(EC_KEY, crv="P-384"),
        jwk(EC_KEY, crv="secp256k1"),
        jwk(EC_KEY, x=jwk(EC_384_KEY)["x"]),
        jwk(EC_KEY, y=part(b"\0" * 32)),
        jwk(EC_KEY, x=part(b"\0" * 32), y=part(b"\0" * 32)),
        jwk(ED_KEY, crv="Ed448"),
        jwk(ED_KEY, x=part(b"\0" * 31)),
        {"kty": "oct", "k": part(SECRET)},
        {"kty": "RSA"},
        {"kty": ["RSA"]},
        {},
        [],
        None,
        "key",
        jwt.get_algorithm_by_name("RS256").to_jwk(RSA_KEY, as_dict=True),
    ],
)
def test_a_key_that_is_broken_or_for_something_else_is_passed_over(member: Any) -> None:
    """The others of the set go on being good."""
    keys = read_jwks(key_set(member, jwk(ED_KEY, kid="good")), ALL)

    assert [key.key_id for key in keys] == ["good"]


def test_a_key_of_an_algorithm_that_is_not_allowed_is_passed_over() -> None:
    assert read_jwks(key_set(jwk(RSA_KEY), jwk(EC_KEY, alg="ES256")), ["EdDSA"]) == ()


def test_of_very_many_keys_the_first_are_read() -> None:
    keys = read_jwks(key_set(*[jwk(ED_KEY, kid=str(n)) for n in range(MAX_KEYS + 1)]), ALL)

    assert len(keys) == MAX_KEYS


@pytest.mark.parametrize(
    "text", [b"", b"x", b"[]", b"null", b"{}", b'{"keys":{}}', b'{"keys":[],"keys":[]}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_set_of_keys_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="key set"):
        read_jwks(text, ALL)
