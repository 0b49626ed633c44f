"""No algorithm, the wrong one, and signatures that a careless library takes."""

from __future__ import annotations

import json

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.auth.hostile.making import HS256, PUBLISHED_CLAIMS, Table, by_key, by_publisher, with_signature
from tests.auth.minting import (
    EC_384_KEY,
    EC_KEY,
    ED_KEY,
    KEY,
    RSA_KEY,
    SECRET,
    ably_claims,
    issuer_claims,
    issuer_token,
    jwk,
    part,
    pem,
    signed_with,
)

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
KOBLITZ_KEY = ec.generate_private_key(ec.SECP256K1())
DER = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
ES256 = {"alg": "ES256", "kid": "ec"}
ES256_SIGNED = f"{part(ES256)}.{part(PUBLISHED_CLAIMS)}".encode()
HEAD, CLAIMS, MAC = by_key().split(".")


def shared(secret: bytes, algorithm: str = "HS256") -> str:
    """The issuer's public key, which everybody has, as if it were a secret."""
    return signed_with(secret, algorithm, {"alg": algorithm}, issuer_claims())


def es256(signature: bytes) -> str:
    return with_signature(ES256, PUBLISHED_CLAIMS, signature)


def pair(r: int, s: int, size: int = 32) -> bytes:
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def signed_by(key: ec.EllipticCurvePrivateKey, size: int) -> bytes:
    return pair(*decode_dss_signature(key.sign(ES256_SIGNED, ec.ECDSA(SHA256()))), size)


REFUSED: Table = {
    (40140, "algorithm"): {
        f"alg {name!r}, no signature": with_signature(HS256 | {"alg": name}, ably_claims(), b"\0")
        for name in (
            "none",
            "None",
            "NONE",
            "nOnE",
            "none ",
            " none",
            "none\0",
            "",
            "ｎｏｎｅ",
            "ɴone",
            "hs256",
            "HS256 ",
        )
    }
    | {
        "alg none of an issuer": with_signature({"alg": "none"}, issuer_claims(), b"\0"),
        "an issuer's PEM as a secret": shared(pem(RSA_KEY)),
        "an issuer's PEM as a secret, without its last line feed": shared(pem(RSA_KEY).strip()),
        "an issuer's PEM as a secret, in one line": shared(pem(RSA_KEY).replace(b"\n", b"")),
        "an issuer's PEM as a secret of HS512": shared(pem(RSA_KEY), "HS512"),
        "an issuer's key as a secret, DER": shared(DER),
        "an issuer's JWK as a secret": by_publisher(json.dumps(jwk(RSA_KEY)).encode(), "HS256", "rsa"),
        "an issuer's modulus as a secret": by_publisher(jwk(RSA_KEY)["n"].encode(), "HS256", "rsa"),
        "an issuer's point as a secret": by_publisher(jwk(EC_KEY)["x"].encode(), "HS256", "ec"),
        "HS512 with the right secret": signed_with(SECRET, "HS512", HS256 | {"alg": "HS512"}, ably_claims()),
        "RS256 with the name of a secret": issuer_token(kid=KEY.name),
        "PS256 with a key for RS256": by_publisher(RSA_KEY, "PS256", "rsa"),
        "RS256 with a key for RS256, called PS256": by_publisher(RSA_KEY, "RS256", "rsa", alg="PS256"),
        "ES256 with the name of an RSA key": by_publisher(EC_KEY, "ES256", "rsa"),
        "EdDSA with the name of an EC key": by_publisher(ED_KEY, "EdDSA", "ec"),
        "ES384 with the name of a key of P-256": by_publisher(EC_384_KEY, "ES384", "ec"),
    },
    (40140, "signature"): {
        "ES256, r and s zero": es256(pair(0, 0)),
        "ES256, r zero": es256(pair(0, 1)),
        "ES256, s zero": es256(pair(1, 0)),
        "ES256, r and s one": es256(pair(1, 1)),
        "ES256, r and s the order": es256(pair(ORDER, ORDER)),
        "ES256, zeros as DER": es256(encode_dss_signature(0, 0)),
        "ES256, a good signature as DER": es256(EC_KEY.sign(ES256_SIGNED, ec.ECDSA(SHA256()))),
        "ES256, a good signature with zeros before it": es256(signed_by(EC_KEY, 33)),
        "ES256 on Bitcoin's curve": es256(signed_by(KOBLITZ_KEY, 32)),
        "ES256 on P-384": es256(signed_by(EC_384_KEY, 48)),
        "EdDSA of zeros": with_signature({"alg": "EdDSA", "kid": "ed"}, PUBLISHED_CLAIMS, b"\0" * 64),
        "EdDSA, half of it": with_signature({"alg": "EdDSA", "kid": "ed"}, PUBLISHED_CLAIMS, b"\0" * 32),
        "RS256 of zeros": with_signature({"alg": "RS256"}, issuer_claims(), b"\0" * 256),
        "RS256 of one": with_signature({"alg": "RS256"}, issuer_claims(), b"\0" * 255 + b"\1"),
        "RS256 of one byte": with_signature({"alg": "RS256"}, issuer_claims(), b"\1"),
        "RS256 of 5,000 bytes": with_signature({"alg": "RS256"}, issuer_claims(), b"\1" * 5000),
        "HS256 of one byte": with_signature(HS256, ably_claims(), b"\0"),
        "the first half of the mac": f"{HEAD}.{CLAIMS}.{MAC[:20]}",
        "the mac twice": f"{HEAD}.{CLAIMS}.{MAC[:40]}{MAC[:40]}",
        "the mac of other claims": f"{HEAD}.{part(ably_claims(exp=2**40))}.{MAC}",
        "the mac of another header": f"{part(HS256 | {'typ': 'JWT'})}.{CLAIMS}.{MAC}",
    },
    (40144, "token_form"): {
        "alg none, nothing after the dot": by_key(alg="none").rpartition(".")[0] + ".",
        "alg none, no last dot": by_key(alg="none").rpartition(".")[0],
        "no alg": with_signature({"kid": KEY.name}, ably_claims(), b"\0"),
        "alg null": with_signature(HS256 | {"alg": None}, ably_claims(), b"\0"),
        "a list of algs": with_signature(HS256 | {"alg": ["none", "HS256"]}, ably_claims(), b"\0"),
    },
}
