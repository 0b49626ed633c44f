"""Not one hostile token is accepted, and each is refused for its own reason with a code that an SDK understands."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from auth.errors import AuthError
from auth.issuers import Issuer
from auth.verifier import Verifier
from tests.auth.hostile import Attempt, attempts
from tests.auth.hostile.making import PUBLISHED, PUBLISHER, by_publisher
from tests.auth.key_server import key_server
from tests.auth.minting import EC_KEY, ED_KEY, NOW, RSA_KEY, ably_token, an_issuer, by_token, issuer_token, verifier

ATTEMPTS = list(attempts())
RENEWED = range(40140, 40150)  # codes on which an SDK asks for another token and comes back
FINAL = {40000, 40012, 40160}


async def published() -> Issuer:
    """The identity provider that publishes its keys, once they are known."""
    async with key_server() as server:
        server.publish(*PUBLISHED)
        issuer = an_issuer(issuer=PUBLISHER, jwks_url=server.url())
        await issuer.refresh(NOW)
    return issuer


@pytest.fixture(scope="module")
def door() -> Verifier:
    """All three ways in."""
    with asyncio.Runner() as runner:
        return verifier(an_issuer(), runner.run(published()))


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: ascii(attempt.what))
def test_a_hostile_token_is_refused(door: Verifier, attempt: Attempt) -> None:
    with pytest.raises(AuthError) as refused:
        door.verify(by_token(attempt.token), NOW, may_wait=False)

    assert (refused.value.code, refused.value.reason) == (attempt.code, attempt.reason)
    assert attempt.code in RENEWED or attempt.code in FINAL
    assert attempt.token not in str(refused.value) or len(attempt.token) < 3


@pytest.mark.parametrize(
    "token",
    [
        ably_token(),
        issuer_token(),
        by_publisher(RSA_KEY, "RS256", "rsa"),
        by_publisher(EC_KEY, "ES256", "ec"),
        by_publisher(ED_KEY, "EdDSA", "ed"),
        by_publisher(RSA_KEY, "RS256", "rsa", typ="at+jwt"),
        by_publisher(RSA_KEY, "RS256", "rsa", typ="JWT", x5t="ignored", jku="https://evil.example/"),
    ],
)
def test_good_tokens_come_in_by_the_same_doors(door: Verifier, token: str) -> None:
    """Or the table would prove nothing."""
    assert door.verify(by_token(token), NOW, may_wait=False).app_id == "bank"


def test_the_table_is_as_long_as_was_promised_and_says_nothing_twice() -> None:
    assert len(ATTEMPTS) >= 60
    assert len({attempt.token for attempt in ATTEMPTS}) == len(ATTEMPTS)
    assert max(Counter((attempt.what, attempt.reason) for attempt in ATTEMPTS).values()) == 1


def test_what_a_client_hears_does_not_say_which_check_failed(door: Verifier) -> None:
    """One message for each code: nobody learns from it how far a forged token came."""
    heard: dict[int, set[str]] = {}
    for attempt in ATTEMPTS:
        with pytest.raises(AuthError) as refused:
            door.verify(by_token(attempt.token), NOW, may_wait=False)
        heard.setdefault(refused.value.code, set()).add(refused.value.message)

    assert all(len(messages) == 1 for messages in heard.values())
