"""Whatever comes from outside, the answer is a principal or a refusal: never another exception."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from auth.capability import OPERATIONS, Capability, granted
from auth.compact import Compact, parse_compact
from auth.errors import AuthError
from auth.principal import Principal
from auth.public_keys import read_jwks
from auth.token_request import TokenRequest
from auth.verifier import Credentials
from tests.auth.minting import (
    KEY,
    NOW,
    RSA_KEY,
    SECRET,
    ably_claims,
    ably_token,
    an_issuer,
    crafted,
    issuer_claims,
    jwk,
    signed_with,
    verifier,
)

DOOR = verifier(an_issuer(required_claims={"scope": ["realtime"]}, max_age_seconds=600.0), an_issuer(audience="other"))
TEXTS = st.text(max_size=12)
LEAVES = st.one_of(
    st.none() | st.booleans() | st.integers() | st.floats(),
    TEXTS,
    st.sampled_from(["*", "account:42", "alice", KEY.name, "RS256", "HS256", "none", '{"*":["*"]}', 10**400, 2**53]),
)
VALUES = (
    LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(TEXTS, LEAVES | st.lists(LEAVES, max_size=2), max_size=2)
)
HEADERS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "x-ably-token", "zip"]), VALUES, max_size=3
)
CLAIM_NAMES = ["iss", "aud", "sub", "exp", "nbf", "iat", "azp", "scope", "accounts"]
CLAIM_NAMES += ["x-ably-capability", "x-ably-clientId", "x-ably-token"]
CHANGES = st.dictionaries(st.sampled_from(CLAIM_NAMES), VALUES, max_size=3)
FIELDS = st.sampled_from(["keyName", "ttl", "capability", "clientId", "timestamp", "nonce", "mac"])


def shown(token: str, client_id: str | None = None) -> Principal | None:
    """Who is let in with it."""
    with contextlib.suppress(AuthError):
        return DOOR.verify(Credentials(None, token, client_id, is_secure=False), NOW, may_wait=False)
    return None


@given(TEXTS | st.from_regex(r"[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){0,5}", fullmatch=True))
def test_any_text_as_a_token(text: str) -> None:
    assert shown(text) is None


@given(st.data())
def test_any_change_of_a_good_token(data: st.DataObject) -> None:
    good = ably_token()
    at = data.draw(st.integers(0, len(good)))
    changed = good[:at] + data.draw(TEXTS) + good[data.draw(st.integers(at, len(good))) :]

    assert (shown(changed) is not None) is (changed == good)


@given(HEADERS, CHANGES, st.none() | TEXTS)
def test_any_ably_token_that_is_signed(header: dict[str, Any], claims: dict[str, Any], client_id: str | None) -> None:
    token = crafted({"alg": "HS256", "kid": KEY.name} | header, ably_claims() | claims, SECRET)

    principal = shown(token, client_id)

    if principal is not None:
        assert principal.capability.intersect(KEY.capability) == principal.capability
        assert principal.expires_at is not None
        assert principal.expires_at > NOW


@given(HEADERS, CHANGES, st.none() | TEXTS)
def test_any_token_that_an_issuer_signs(header: dict[str, Any], claims: dict[str, Any], client_id: str | None) -> None:
    token = signed_with(RSA_KEY, "RS256", {"alg": "RS256"} | header, issuer_claims(scope="realtime") | claims)

    principal = shown(token, client_id)

    if principal is not None:
        assert principal.capability
        assert not principal.capability.allows("subscribe", "account:")
        assert not principal.capability.allows("publish", "account:42")
        assert principal.client_id not in (None, "*", "")


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_as_parts(header: bytes, claims: bytes, secret: bytes) -> None:
    with contextlib.suppress(AuthError):
        assert isinstance(parse_compact(crafted(header, claims, secret)), Compact)


@given(TEXTS, st.none() | TEXTS)
def test_any_text_as_a_key(text: str, client_id: str | None) -> None:
    with contextlib.suppress(AuthError):
        DOOR.verify(Credentials(text, None, client_id, is_secure=True), NOW)
        raise AssertionError(text)


@given(st.dictionaries(TEXTS, VALUES | st.lists(st.sampled_from(sorted(OPERATIONS)), max_size=3), max_size=4) | VALUES)
def test_any_capability(source: Any) -> None:
    for text in (json.dumps(source), str(source)):
        with contextlib.suppress(AuthError):
            capability = granted(text, KEY.capability)
            assert capability.intersect(KEY.capability) == capability
    with contextlib.suppress(AuthError):
        Capability.parse({"a": source})


class NoNonce:
    """Every nonce was used."""

    async def claim(self, name: str, now: float, ttl_seconds: float) -> bool:
        return False


@given(st.dictionaries(FIELDS | TEXTS, VALUES, max_size=7))
async def test_any_token_request(body: dict[str, Any]) -> None:
    with contextlib.suppress(AuthError):
        request = TokenRequest(body)
        with contextlib.suppress(AuthError):
            grant = request.grant(KEY)
            assert grant.capability.intersect(KEY.capability) == grant.capability
            assert grant.ttl_seconds > 0
        await request.check_signature(KEY, NoNonce(), NOW)
        raise AssertionError(body)


@given(
    VALUES
    | st.dictionaries(st.just("keys"), st.lists(VALUES | st.builds(lambda v: jwk(RSA_KEY) | v, HEADERS)), min_size=1)
)
def test_any_key_set(source: Any) -> None:
    with contextlib.suppress(ValueError):
        read_jwks(json.dumps(source).encode(), ["RS256", "ES256", "EdDSA"])


@given(
    st.dictionaries(
        st.sampled_from(sorted(jwk(RSA_KEY))) | st.sampled_from(["crv", "x", "y", "k", "d"]), VALUES, max_size=3
    )
)
def test_any_change_of_a_published_key(changes: dict[str, Any]) -> None:
    with contextlib.suppress(ValueError):
        assert len(read_jwks(json.dumps({"keys": [jwk(RSA_KEY) | changes]}).encode(), ["RS256"])) <= 1
