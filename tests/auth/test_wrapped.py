"""Ably tokens within a token of somebody else."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from auth.ably_token import mint
from auth.errors import AuthError
from tests.auth.minting import KEY, NOW, RSA_KEY, ably_token, an_issuer, by_token, issuer_token, part, verifier

TOKEN = mint(KEY, now=NOW, ttl_seconds=3600, client_id="ada")
STRANGER = b"a-secret-that-lastmile-has-never-heard-of"


def wrapped(token: Any = TOKEN, *, where: str = "header", **claims: Any) -> str:
    """A company's own token, signed with a key that is unknown here."""
    claims = {"sub": "somebody", "exp": int(NOW) + 600} | claims
    headers = {"x-ably-token": token} if where == "header" else None
    if where == "claims":
        claims["x-ably-token"] = token
    return jwt.encode(claims, STRANGER, algorithm="HS256", headers=headers)


def encrypted(token: Any = TOKEN, **members: Any) -> str:
    """A JWE, of which only the header can be read here."""
    header = {"alg": "dir", "enc": "A256GCM", "x-ably-token": token} | members
    return f"{part(header)}..{part(b'iv')}.{part(b'cipher text')}.{part(b'tag')}"


def refusal(token: str, now: float = NOW) -> AuthError:
    with pytest.raises(AuthError) as refused:
        verifier(an_issuer()).verify(by_token(token), now)
    return refused.value


@pytest.mark.parametrize("token", [wrapped(), wrapped(where="claims")], ids=["header", "claims"])
def test_a_wrapped_token_counts_until_its_wrapper_ends(token: str) -> None:
    """So that both are renewed in time."""
    principal = verifier().verify(by_token(token), NOW)

    assert (principal.client_id, principal.key_name, principal.method) == ("ada", "bank.server1", "ably_jwt")
    assert principal.expires_at == NOW + 600
    assert refusal(token, NOW + 600).code == 40142


def test_an_encrypted_wrapper_is_known_by_its_header() -> None:
    assert verifier().verify(by_token(encrypted()), NOW).expires_at == NOW + 3600


def test_the_header_s_token_beats_the_claims_one() -> None:
    token = jwt.encode(
        {"exp": int(NOW) + 60, "x-ably-token": mint(KEY, now=NOW, ttl_seconds=60, client_id="bob")},
        STRANGER,
        algorithm="HS256",
        headers={"x-ably-token": TOKEN},
    )

    assert verifier().verify(by_token(token), NOW).client_id == "ada"


def test_a_wrapper_that_ends_after_its_token_is_refused() -> None:
    """Else its bearer would believe it good after it is not."""
    assert refusal(wrapped(exp=int(NOW) + 3601)).reason == "embedded"
    assert verifier().verify(by_token(wrapped(exp=int(NOW) + 3600)), NOW)


def test_what_a_wrapper_says_allows_nothing() -> None:
    """Its signature is not checked, so none of its claims is believed."""
    token = wrapped(**{"x-ably-capability": '{"*":["*"]}', "x-ably-clientId": "*", "iss": "x"})

    principal = verifier().verify(by_token(token), NOW)

    assert principal.client_id == "ada"
    assert principal.capability == KEY.capability


@pytest.mark.parametrize(
    ("token", "code", "reason"),
    [
        (wrapped(ably_token(b"another-secret-of-thirty-two-bytes-x")), 40140, "signature"),
        (wrapped(ably_token(exp=int(NOW) - 1)), 40142, "expired"),
        (wrapped(ably_token(headers={"kid": "bank.other"})), 40143, "embedded"),
        (wrapped(issuer_token(RSA_KEY)), 40143, "embedded"),
        (wrapped(wrapped()), 40144, "embedded"),
        (wrapped(encrypted()), 40144, "embedded"),
        (wrapped(where="claims", token=["x"]), 40144, "embedded"),
        (wrapped(where="claims", token={"x": 1}), 40144, "embedded"),
        (wrapped(where="claims", token=""), 40144, "token_form"),
        (wrapped(token=7), 40144, "token_form"),
        (wrapped("no token"), 40144, "token_form"),
        (wrapped("xVLyHw.an-opaque-token-of-ably"), 40144, "token_form"),
        (wrapped(exp="soon"), 40144, "times"),
        (wrapped(exp=int(NOW)), 40142, "expired"),
        (wrapped(nbf=int(NOW) + 60), 40140, "future"),
        (encrypted(None), 40144, "token_form"),
        (encrypted(7), 40144, "token_form"),
        (encrypted("no token"), 40144, "token_form"),
        (encrypted(ably_token(exp=int(NOW) - 1)), 40142, "expired"),
        (encrypted(crit=["x"]), 40140, "critical_header"),
    ],
)
def test_a_wrapper_without_a_good_token_is_refused(token: str, code: int, reason: str) -> None:
    error = refusal(token)

    assert (error.code, error.reason) == (code, reason)


def test_a_wrapper_must_say_when_it_ends() -> None:
    assert refusal(jwt.encode({}, STRANGER, headers={"x-ably-token": TOKEN})).reason == "times"
