"""A company's own identity provider: its keys, and what its claims mean here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from auth.capability import Capability
from auth.compact import parse_compact
from auth.errors import AuthError, BadClientId, CapabilityDenied, CapabilityMalformed, TokenExpired
from auth.issuers import Issuer
from auth.principal import Principal
from tests.auth.key_server import KeyServer, key_server
from tests.auth.minting import (
    EC_384_KEY,
    EC_KEY,
    ED_KEY,
    ISSUER,
    NOW,
    OTHER_RSA_KEY,
    RSA_KEY,
    an_issuer,
    issuer_token,
    jwk,
    pem,
)


def verify(issuer: Issuer, token: str, now: float = NOW) -> Principal:
    principal = issuer.verify(parse_compact(token), now, may_wait=False)
    assert principal is not None
    return principal


def refusal(issuer: Issuer, token: str, now: float = NOW) -> AuthError:
    with pytest.raises(AuthError) as refused:
        verify(issuer, token, now)
    return refused.value


def test_claims_become_a_principal() -> None:
    assert verify(an_issuer(), issuer_token()) == Principal(
        app_id="bank",
        key_name=None,
        client_id="alice",
        is_wildcard=False,
        capability=Capability.parse({"account:42": ["subscribe"], "account:43": ["subscribe"]}),
        expires_at=NOW + 3630,
        method="issuer",
        issued_at=NOW,
        issuer=ISSUER,
    )


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (RSA_KEY, "RS256"),
        (RSA_KEY, "RS384"),
        (RSA_KEY, "RS512"),
        (RSA_KEY, "PS256"),
        (RSA_KEY, "PS384"),
        (RSA_KEY, "PS512"),
        (EC_KEY, "ES256"),
        (EC_384_KEY, "ES384"),
        (ED_KEY, "EdDSA"),
    ],
)
def test_a_key_in_a_file_verifies_its_algorithm(key: Any, algorithm: str) -> None:
    issuer = an_issuer(public_key=pem(key), algorithms=[algorithm])

    assert verify(issuer, issuer_token(key, algorithm)).client_id == "alice"


def test_another_algorithm_of_the_same_key_is_refused() -> None:
    """The key has one; the token's header chooses nothing."""
    issuer = an_issuer(algorithms=["RS256", "PS256"])

    assert refusal(issuer, issuer_token(RSA_KEY, "PS256")).reason == "algorithm"


def test_the_signature_of_another_key_is_refused() -> None:
    error = refusal(an_issuer(), issuer_token(OTHER_RSA_KEY))

    assert (error.code, error.reason) == (40140, "signature")


@pytest.fixture
async def server() -> AsyncIterator[KeyServer]:
    async with key_server() as server:
        server.publish(jwk(RSA_KEY, kid="rsa"), jwk(EC_KEY, kid="ec"), jwk(ED_KEY, kid="ed"))
        yield server


async def test_published_keys_verify_by_name_each_its_own(server: KeyServer) -> None:
    issuer = an_issuer(jwks_url=server.url())
    assert issuer.verify(parse_compact(issuer_token(kid="rsa")), NOW, may_wait=True) is None
    await issuer.refresh(NOW)

    for key, algorithm, kid in ((RSA_KEY, "RS256", "rsa"), (EC_KEY, "ES256", "ec"), (ED_KEY, "EdDSA", "ed")):
        assert verify(issuer, issuer_token(key, algorithm, kid)).client_id == "alice"
        for other in {"rsa", "ec", "ed"} - {kid}:
            assert refusal(issuer, issuer_token(key, algorithm, other)).reason == "algorithm"


async def test_of_two_keys_of_one_name_either_may_have_signed(server: KeyServer) -> None:
    server.publish(jwk(OTHER_RSA_KEY, kid="same"), jwk(RSA_KEY, kid="same"))
    issuer = an_issuer(jwks_url=server.url())
    await issuer.refresh(NOW)

    assert verify(issuer, issuer_token(RSA_KEY, "RS256", "same"))
    assert verify(issuer, issuer_token(OTHER_RSA_KEY, "RS256", "same"))


@pytest.mark.parametrize("audience", ["realtime", ["other", "realtime"]])
def test_a_token_for_us_is_taken(audience: object) -> None:
    assert verify(an_issuer(), issuer_token(aud=audience))


@pytest.mark.parametrize("audience", [None, "", "other", "Realtime", "realtime2", [], ["other"], {"realtime": 1}, 7])
def test_a_token_for_others_is_refused(audience: object) -> None:
    assert refusal(an_issuer(), issuer_token(aud=audience)).reason == "audience"


@pytest.mark.parametrize("issuer", [None, "https://evil.example/", "https://login.bank.example", ["x"], {}])
def test_a_token_of_another_issuer_is_refused(issuer: object) -> None:
    assert refusal(an_issuer(), issuer_token(iss=issuer)).reason == "issuer"


def test_the_leeway_is_the_issuer_s() -> None:
    exact, generous = an_issuer(leeway_seconds=0.0), an_issuer(leeway_seconds=60.0)

    assert refusal(exact, issuer_token(), NOW + 3600).code == 40142
    assert verify(generous, issuer_token(), NOW + 3659).expires_at == NOW + 3660
    assert refusal(generous, issuer_token(), NOW + 3660).code == 40142
    assert refusal(exact, issuer_token(nbf=int(NOW) + 1)).reason == "future"
    assert verify(generous, issuer_token(nbf=int(NOW) + 60))


def test_a_token_is_not_good_for_longer_than_the_settings_say() -> None:
    """An issuer that signs for a month does not keep a stolen phone connected for a month."""
    issuer = an_issuer(max_age_seconds=600.0, leeway_seconds=0.0)

    assert verify(issuer, issuer_token(), NOW + 599).expires_at == NOW + 600
    with pytest.raises(TokenExpired):
        verify(issuer, issuer_token(), NOW + 600)
    assert verify(issuer, issuer_token(exp=int(NOW) + 60)).expires_at == NOW + 60


def test_where_its_age_matters_a_token_must_tell_it() -> None:
    assert refusal(an_issuer(max_age_seconds=600.0), issuer_token(iat=None)).reason == "times"
    assert verify(an_issuer(), issuer_token(iat=None)).issued_at is None


def test_a_token_of_another_app_is_refused() -> None:
    issuer = an_issuer(authorized_parties=["phone-app"])

    assert verify(issuer, issuer_token(azp="phone-app"))
    assert refusal(issuer, issuer_token(azp="game")).reason == "authorized_party"


def test_a_token_without_a_required_claim_is_refused() -> None:
    issuer = an_issuer(required_claims={"acr": ["strong"], "scope": ["realtime"]})

    assert verify(issuer, issuer_token(acr="strong", scope="openid realtime"))
    assert refusal(issuer, issuer_token(acr="weak", scope="realtime")).code == 40160


@pytest.mark.parametrize("subject", [None, True, 1.5, [], ["alice"], {"id": "alice"}, "", "a\nb"])
def test_a_token_that_does_not_say_who_it_is_is_refused(subject: Any) -> None:
    assert refusal(an_issuer(), issuer_token(sub=subject)).reason == "claims"


@pytest.mark.parametrize("subject", ["*", "x" * 513])
def test_nobody_can_be_called_so(subject: str) -> None:
    with pytest.raises(BadClientId):
        verify(an_issuer(), issuer_token(sub=subject))


def test_a_client_may_stay_anonymous() -> None:
    assert verify(an_issuer(client_id=None), issuer_token()).client_id is None


def test_patterns_of_several_templates_add_up() -> None:
    issuer = an_issuer(
        capability={
            "account:{accounts[*]}": ["subscribe"],
            "account:{main}": ["history"],
            "support:{sub}": ["*"],
            "news": ["subscribe"],
        }
    )

    assert verify(issuer, issuer_token(main="42")).capability == Capability.parse(
        {
            "account:42": ["subscribe", "history"],
            "account:43": ["subscribe"],
            "support:alice": ["*"],
            "news": ["subscribe"],
        }
    )


@pytest.mark.parametrize("accounts", [None, [], ["*"], ["42:*"], [None], {"0": "42"}, [["42"]], "4*"])
def test_claims_that_give_no_pattern_let_nobody_in(accounts: Any) -> None:
    error = refusal(an_issuer(), issuer_token(accounts=accounts))

    assert (error.code, error.reason) == (40160, "no_claims")


def test_more_patterns_than_anybody_can_need_are_refused() -> None:
    one = an_issuer()
    two = an_issuer(capability={"account:{accounts[*]}": ["subscribe"], "card:{accounts[*]}": ["subscribe"]})

    assert verify(one, issuer_token(accounts=list(range(1000))))
    assert refusal(one, issuer_token(accounts=list(range(1001)))).reason == "too_many_patterns"
    assert refusal(two, issuer_token(accounts=list(range(501)))).reason == "too_many_patterns"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"algorithms": ["HS256"]}, ValueError),
        ({"algorithms": []}, ValueError),
        ({"client_id": "{sub"}, ValueError),
        ({"capability": {"account:{a}{b}": ["subscribe"]}}, ValueError),
        ({"capability": {"account:{sub}": ["read"]}}, CapabilityMalformed),
        ({"public_key": b"no key"}, ValueError),
        ({"public_key": None}, ValueError),
    ],
)
def test_what_cannot_work_is_refused_before_anybody_comes(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        an_issuer(**changes)


def test_nothing_is_let_in_by_an_issuer_that_gives_nothing() -> None:
    with pytest.raises(CapabilityDenied):
        verify(an_issuer(capability={}), issuer_token())
