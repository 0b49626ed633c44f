"""What tests of revocation say to edges over REST, and by which tokens."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from typing import Any

import jwt

from tests.testbed.edge import KEY, SECRET, EdgeProcess


def token_of(client_id: str, *channels: str, revocation_key: str | None = None, secret: str = SECRET) -> str:
    """A token that may do everything on these channels, issued now, to the millisecond."""
    now = round(time.time(), 3)
    claims: dict[str, Any] = {
        "iat": now,
        "exp": now + 3600,
        "x-ably-clientId": client_id,
        "x-ably-capability": json.dumps({channel: ["*"] for channel in channels}),
    }
    if revocation_key is not None:
        claims["x-ably-revocation-key"] = revocation_key
    return jwt.encode(claims, secret, headers={"kid": "bank.server"})


def ask(edge: EdgeProcess, path: str, body: object = None, *, token: str | None = None) -> tuple[int, dict[str, Any]]:
    """One request, by the key or by a token. Returns: status and body."""
    shown = f"Bearer {token}" if token else "Basic " + base64.b64encode(KEY.encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        edge.url + path, data, {"Authorization": shown, "Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def code_of(edge: EdgeProcess, token: str, channel: str = "account:1") -> int | None:
    """How a token is refused a channel's past; None if it is not."""
    status, body = ask(edge, f"/channels/{channel}/messages", token=token)
    return None if status == 200 else body["error"]["code"]


def revoke(edge: EdgeProcess, *targets: str, **how: Any) -> dict[str, Any]:
    """Revoke tokens of the key, and see that Kafka has it."""
    status, body = ask(edge, "/keys/bank.server/revokeTokens", {"targets": targets, **how})
    assert (status, body["failureCount"]) == (201, 0), body
    return body
