"""What letting somebody in costs by the algorithm that signed, and what it costs to refuse: CPU of the edge, by handshake."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from auth.ably_token import mint
from bench.crowd import Client
from bench.figures import Figure, ratios
from bench.ground import KEY, TOKEN_SECONDS, Ground, Lastmile
from bench.scale import Scale
from bench.usage import cpu_seconds
from tests.testbed.edge import SECRET

HANDSHAKES = 2000
SETTLE_SECONDS = 0.5  # connection state goes to Redis in this time, and belongs to the cost
AUDIENCE = "realtime"
GOOD = "HS256"


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """One edge; a crowd with each kind of token in turn."""
    with TemporaryDirectory() as directory:
        keys = _keys()
        issuers = [_issuer(algorithm, key, Path(directory)) for algorithm, key in keys.items()]
        apps = [{"id": "bank", "keys": [{"id": "server", "secret": SECRET}], "issuers": issuers}]
        edge = ground.lastmile(apps=apps)
        good = {GOOD: mint(KEY, now=time.time(), ttl_seconds=TOKEN_SECONDS, client_id="phone")}
        good |= {algorithm: _token(algorithm, key) for algorithm, key in keys.items()}
        bad = _refused(good[GOOD], good["RS256"])
        for token in good.values():
            _cpu_us(ground, edge, token, 200)
        spent: dict[str, list[float]] = {name: [] for name in (*good, *bad)}
        for _ in scale.runs("authentication"):
            for name, token in (good | bad).items():
                spent[name].append(_cpu_us(ground, edge, token, scale.count(HANDSHAKES)))
    return [
        *(Figure(0, f"handshakes a second and core, {name}", "", [1e6 / us for us in spent[name]]) for name in good),
        *(
            Figure(0, f"CPU of a refusal ({name}), of a good handshake by {GOOD}", "", ratios(spent[name], spent[GOOD]))
            for name in bad
        ),
        *(Figure(0, f"refusals a second and core ({name})", "", [1e6 / us for us in spent[name]]) for name in bad),
    ]


def _keys() -> dict[str, Any]:
    two_kilobits = rsa.generate_private_key(65537, 2048)
    return {
        "RS256": two_kilobits,
        "PS256": two_kilobits,
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }


def _name(algorithm: str) -> str:
    return f"https://login.bank.example/{algorithm}"


def _issuer(algorithm: str, key: Any, directory: Path) -> dict[str, Any]:
    path = directory / f"{algorithm}.pem"
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return {
        "issuer": _name(algorithm),
        "audience": AUDIENCE,
        "algorithms": [algorithm],
        "public_key_file": str(path),
        "client_id": "{sub}",
        "capability": {"account:{sub}": ["subscribe"]},
    }


def _token(algorithm: str, key: Any) -> str:
    now = int(time.time())
    claims = {"iss": _name(algorithm), "aud": AUDIENCE, "sub": "42", "iat": now, "exp": now + TOKEN_SECONDS}
    return jwt.encode(claims, key, algorithm=algorithm)


def _refused(by_secret: str, by_key: str) -> dict[str, str]:
    """Tokens that are refused at one stage or another."""
    now = time.time()
    ended = mint(KEY, now=now - TOKEN_SECONDS, ttl_seconds=60, client_id="phone")
    head, claims, _ = by_secret.split(".")
    return {
        "no token at all": "nonsense",
        "12 kB that are no token": "x" * 12_000,
        "a kid of nobody": jwt.encode({"exp": int(now) + 60}, SECRET, headers={"kid": "bank.nobody"}),
        "a wrong signature, HS256": f"{head}.{claims}.{'A' * 43}",
        "a wrong signature, RS256": f"{by_key.rpartition('.')[0]}.{'A' * 342}",
        "ended": ended,
    }


def _cpu_us(ground: Ground, edge: Lastmile, token: str, count: int) -> float:
    """Of the edge by client, from TCP to CONNECTED, or to ERROR, and its end."""
    with ground.strangers(edge, [Client(f"/?v=3&accessToken={token}", None)] * count) as crowd:
        before = cpu_seconds(edge.process.pid)
        crowd.open(count, frames=1)
        crowd.close_all()
        time.sleep(SETTLE_SECONDS)
        return (cpu_seconds(edge.process.pid) - before) / count * 1e6
