"""Credentials in, a principal or an error out: whose key decides, and as which client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from auth.ably_token import mint
from auth.errors import AuthError, BadClientId, BadCredentials, ClientIdMismatch, TlsNeeded, TokenUnknown
from auth.keys import KeyRing
from auth.verifier import Credentials, KeysNeeded, Verifier
from tests.auth.key_server import KeyServer, key_server
from tests.auth.minting import (
    AUDIENCE,
    EC_KEY,
    ISSUER,
    KEY,
    NOW,
    SECRET,
    ably_claims,
    ably_token,
    an_issuer,
    by_key,
    by_token,
    crafted,
    issuer_claims,
    issuer_token,
    jwk,
    pem,
    verifier,
)

KEY_TEXT = f"{KEY.name}:{SECRET.decode()}"


def refusal(credentials: Credentials, of: Verifier | None = None) -> AuthError:
    with pytest.raises(AuthError) as refused:
        (of or verifier(an_issuer())).verify(credentials, NOW)
    return refused.value


# ---------------------------------------------------------------------- keys


def test_a_key_is_accepted_with_all_its_rights() -> None:
    principal = verifier().verify(by_key(KEY_TEXT), NOW)

    assert (principal.app_id, principal.key_name, principal.method) == ("bank", "bank.server1", "basic")
    assert principal.capability == KEY.capability
    assert principal.client_id is None
    assert principal.expires_at is None


def test_a_key_over_a_line_that_others_read_is_refused_before_it_is_looked_at() -> None:
    """RSA1: basic authentication needs TLS."""
    for text in (KEY_TEXT, "bank.other:x"):
        with pytest.raises(TlsNeeded) as refused:
            verifier().verify(by_key(text, is_secure=False), NOW)
        assert refused.value.code == 40103


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "bank.server1",
        "bank.server1:",
        "bank.server1:wrong",
        f"bank.server1:{SECRET.decode()}x",
        f"bank.server1: {SECRET.decode()}",
        f"bank.server2:{SECRET.decode()}",
        f"server1:{SECRET.decode()}",
        f"BANK.server1:{SECRET.decode()}",
        f":{SECRET.decode()}",
        "bank.server1:\udcff",
        "\x00:\x00",
    ],
)
def test_a_wrong_key_is_refused_with_one_answer(text: str) -> None:
    """Whether the name or the secret is wrong is not for the wire."""
    with pytest.raises(BadCredentials) as refused:
        verifier().verify(by_key(text), NOW)

    assert (refused.value.code, refused.value.status, refused.value.message) == (
        40101,
        401,
        "the credentials are not valid",
    )


def test_who_shows_nothing_is_refused() -> None:
    error = refusal(Credentials(None, None, None, is_secure=True))

    assert (error.code, error.reason) == (40101, "none_given")


def test_of_a_key_and_a_token_the_token_counts() -> None:
    shown = Credentials(KEY_TEXT, ably_token(**{"x-ably-clientId": "ada"}), None, is_secure=True)

    assert verifier().verify(shown, NOW).client_id == "ada"


def test_what_is_shown_is_not_printed() -> None:
    shown = repr(Credentials(KEY_TEXT, ably_token(), "ada", is_secure=True))

    assert SECRET.decode() not in shown
    assert "eyJ" not in shown


# ---------------------------------------------------------------------- tokens


def test_a_token_that_names_a_key_is_checked_with_its_secret() -> None:
    assert verifier(an_issuer()).verify(by_token(ably_token()), NOW).method == "ably_jwt"


def test_a_token_of_an_issuer_is_checked_with_its_keys() -> None:
    assert verifier(an_issuer()).verify(by_token(issuer_token()), NOW).method == "issuer"


def test_a_key_s_name_beats_an_issuer_s() -> None:
    """Else an issuer could be named to escape the key's limits; the signature decides either way."""
    token = crafted({"alg": "HS256", "kid": KEY.name}, issuer_claims())

    assert verifier(an_issuer()).verify(by_token(token), NOW).method == "ably_jwt"
    assert refusal(by_token(issuer_token(kid=KEY.name))).reason == "algorithm"


@pytest.mark.parametrize(
    "token",
    [
        ably_token(headers={"kid": "bank.other"}),
        crafted({"alg": "HS256"}, ably_claims()),
        ably_token(headers={"kid": "bank.server1 "}),
        issuer_token(iss="https://evil.example/"),
        issuer_token(iss=None),
        issuer_token(iss=ISSUER.removesuffix("/")),
        issuer_token(iss=[ISSUER]),
        issuer_token(iss={"x": ISSUER}),
    ],
)
def test_a_token_of_nobody_known_is_refused(token: str) -> None:
    with pytest.raises(TokenUnknown) as refused:
        verifier(an_issuer()).verify(by_token(token), NOW)
    assert (refused.value.code, refused.value.reason) == (40143, "issuer")


def test_an_issuer_may_serve_several_apps_by_audience() -> None:
    bank = an_issuer(audience="bank")
    shop = an_issuer(audience="shop", app_id="shop", public_key=pem(EC_KEY))
    both = verifier(bank, shop)

    assert both.verify(by_token(issuer_token(aud="bank")), NOW).app_id == "bank"
    assert both.verify(by_token(issuer_token(EC_KEY, "ES256", aud=["x", "shop"])), NOW).app_id == "shop"
    assert refusal(by_token(issuer_token(aud="shop")), both).reason == "algorithm", (
        "the bank's key does not open the shop"
    )
    assert refusal(by_token(issuer_token(aud=AUDIENCE)), both).reason == "audience"


def test_two_issuers_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        verifier(an_issuer(), an_issuer(app_id="other"))


def test_a_longer_token_than_is_read_is_malformed() -> None:
    token = ably_token()

    Verifier(KeyRing([KEY]), (), max_token_length=len(token)).verify(by_token(token), NOW)
    error = refusal(by_token(token), Verifier(KeyRing([KEY]), (), max_token_length=len(token) - 1))
    assert (error.code, error.reason) == (40144, "size")


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with key_server() as server:
        server.publish(jwk(EC_KEY, kid="ec"))
        yield server


async def test_where_keys_must_be_fetched_first_the_caller_is_told(server: KeyServer) -> None:
    issuer = an_issuer(jwks_url=server.url())
    of = verifier(issuer)
    shown = by_token(issuer_token(EC_KEY, "ES256", "ec"))

    with pytest.raises(KeysNeeded) as needed:
        of.verify(shown, NOW)
    assert needed.value.issuer is issuer
    await issuer.refresh(NOW)

    assert of.verify(shown, NOW, may_wait=False).client_id == "alice"


async def test_after_the_fetch_the_answer_is_final(server: KeyServer) -> None:
    issuer = an_issuer(jwks_url=server.url())
    shown = by_token(issuer_token(EC_KEY, "ES256", "other"))
    await issuer.refresh(NOW)

    with pytest.raises(TokenUnknown):
        verifier(issuer).verify(shown, NOW + 1000, may_wait=False)


# ---------------------------------------------------------------------- clientId


@pytest.mark.parametrize(
    ("owned", "asked", "client_id", "is_wildcard"),
    [
        ("ada", None, "ada", False),
        ("ada", "ada", "ada", False),
        ("*", None, None, True),
        ("*", "*", None, True),
        ("*", "ada", "ada", False),
        (None, None, None, False),
    ],
)
def test_a_token_s_client_id_is_taken_or_lets_one_be_claimed(
    owned: str | None, asked: str | None, client_id: str | None, is_wildcard: bool
) -> None:
    """RSA7, RSA15: a wildcard token may claim any; an anonymous one stays anonymous."""
    token = mint(KEY, now=NOW, ttl_seconds=60, client_id=owned)

    principal = verifier().verify(by_token(token, asked), NOW)

    assert (principal.client_id, principal.is_wildcard) == (client_id, is_wildcard)


@pytest.mark.parametrize(
    ("owned", "asked"),
    [("ada", "bob"), ("ada", "*"), ("ada", "Ada"), ("ada", "ada\u0301"), (None, "ada"), (None, "*")],
)
def test_another_client_id_than_the_token_s_is_refused(owned: str | None, asked: str) -> None:
    token = mint(KEY, now=NOW, ttl_seconds=60, client_id=owned)

    with pytest.raises((ClientIdMismatch, BadClientId)) as refused:
        verifier().verify(by_token(token, asked), NOW)
    assert refused.value.code == (40012 if asked == "*" else 40102)


def test_an_issuer_s_client_is_who_its_token_says() -> None:
    assert verifier(an_issuer()).verify(by_token(issuer_token(), "alice"), NOW).client_id == "alice"
    assert refusal(by_token(issuer_token(), "bob")).code == 40102


def test_a_key_may_speak_for_any_client() -> None:
    """RSA7b4, RSA12: who has the key is trusted."""
    assert verifier().verify(by_key(KEY_TEXT, "ada"), NOW).client_id == "ada"


@pytest.mark.parametrize("asked", ["*", "", "a\nb", "x" * 513])
def test_nobody_can_be_called_so(asked: str) -> None:
    with pytest.raises(BadClientId):
        verifier().verify(by_key(KEY_TEXT, asked), NOW)
