"""What letting somebody in costs by the algorithm that signed, and what it costs to refuse: CPU of the edge, by handshake."""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.sync.client import connect

from auth.ably_token import mint
from bench.figures import Figure, ratios
from bench.ground import KEY, TOKEN_SECONDS, Ground, Lastmile
from bench.scale import Scale
from bench.usage import cpu_seconds
from tests.testbed.edge import SECRET

HANDSHAKES = 2000
CONNECTED, ERROR = 4, 9
SETTLE_SECONDS = 0.3  # connection state goes to Redis in this time, and belongs to the cost
AUDIENCE = "realtime"
GOOD = "HS256"


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """One edge; each kind of token in turn, one connection after the other."""
    with TemporaryDirectory() as directory:
        keys = _keys()
        issuers = [_issuer(algorithm, key, Path(directory)) for algorithm, key in keys.items()]
        edge = ground.lastmile(apps=[{"id": "bank", "keys": [{"id": "server", "secret": SECRET}], "issuers": issuers}])
        good = {GOOD: mint(KEY, now=time.time(), ttl_seconds=TOKEN_SECONDS, client_id="phone")}
        good |= {algorithm: _token(algorithm, key) for algorithm, key in keys.items()}
        bad = _refused(good[GOOD], good["RS256"])
        for token in good.values():
            _cpu_us(edge, token, CONNECTED, 50)
        spent: dict[str, list[float]] = {name: [] for name in (*good, *bad)}
        for _ in scale.runs("authentication"):
            for name, token in good.items():
                spent[name].append(_cpu_us(edge, token, CONNECTED, scale.count(HANDSHAKES)))
            for name, token in bad.items():
                spent[name].append(_cpu_us(edge, token, ERROR, scale.count(HANDSHAKES)))
    return [
        *(Figure(0, f"handshakes a second and core, {name}", "", [1e6 / us for us in spent[name]]) for name in good),
        *(
            Figure(0, f"CPU of a refusal ({name}), of a good handshake by {GOOD}", "", ratios(spent[name], spent[GOOD]))
            for name in bad
        ),
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


def _cpu_us(edge: Lastmile, token: str, answer: int, count: int) -> float:
    before = cpu_seconds(edge.process.pid)
    for _ in range(count):
        with connect(f"ws://127.0.0.1:{edge.port}/?v=3&accessToken={token}", compression=None) as socket:
            told = json.loads(socket.recv())
            if told["action"] != answer:
                raise RuntimeError(f"another answer was expected: {told}")
    time.sleep(SETTLE_SECONDS)
    return (cpu_seconds(edge.process.pid) - before) / count * 1e6
