"""Ably's own tokens: JWTs signed with a key's secret."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jwt
import pytest

from auth.ably_token import mint, verify
from auth.capability import Capability
from auth.errors import AuthError, BadClientId, CapabilityDenied, CapabilityMalformed, TokenExpired
from tests.auth.minting import KEY, NOW, SECRET, ably_token


def test_what_is_minted_is_accepted_as_it_was_meant() -> None:
    capability = Capability.parse({"account:42": ["subscribe"]})

    principal = verify(mint(KEY, now=NOW, ttl_seconds=60.5, client_id="ada", capability=capability), KEY, NOW + 60)

    assert principal.app_id == "bank"
    assert principal.key_name == "bank.server1"
    assert principal.client_id == "ada"
    assert not principal.is_wildcard
    assert principal.capability == capability
    assert (principal.issued_at, principal.expires_at) == (NOW, NOW + 60.5)
    assert principal.method == "ably_jwt"


def test_what_is_minted_is_a_jwt_that_other_libraries_read() -> None:
    token = mint(KEY, now=NOW, ttl_seconds=60, client_id="ada")

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "bank.server1", "typ": "JWT"}
    assert jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False}) == {
        "iat": int(NOW),
        "exp": int(NOW) + 60,
        "x-ably-capability": KEY.capability.to_text(),
        "x-ably-clientId": "ada",
    }


def test_a_token_without_a_capability_may_do_what_its_key_may() -> None:
    assert verify(ably_token(**{"x-ably-capability": None}), KEY, NOW).capability == KEY.capability


def test_a_token_may_do_at_most_what_its_key_may() -> None:
    token = ably_token(**{"x-ably-capability": '{"account:42":["*"],"other":["subscribe"]}'})

    assert verify(token, KEY, NOW).capability.to_text() == '{"account:42":["history","subscribe"]}'


def test_a_token_that_is_left_with_nothing_is_refused() -> None:
    with pytest.raises(CapabilityDenied) as refused:
        verify(ably_token(**{"x-ably-capability": '{"other":["subscribe"]}'}), KEY, NOW)
    assert refused.value.code == 40160


@pytest.mark.parametrize("capability", ["", "all", "[]", '{"account:42":["read"]}', '{"account:42":["*","publish"]}'])
def test_a_capability_that_cannot_be_read_is_refused(capability: str) -> None:
    with pytest.raises(CapabilityMalformed):
        verify(ably_token(**{"x-ably-capability": capability}), KEY, NOW)


def test_a_token_without_a_client_id_is_anonymous() -> None:
    principal = verify(ably_token(), KEY, NOW)

    assert principal.client_id is None
    assert not principal.is_wildcard


def test_a_wildcard_token_is_nobody_yet() -> None:
    """RSA8f3: any clientId may be claimed with it."""
    principal = verify(ably_token(**{"x-ably-clientId": "*"}), KEY, NOW)

    assert principal.client_id is None
    assert principal.is_wildcard


@pytest.mark.parametrize("client_id", ["", "a\nb", "a\x00", "x" * 513, "\u202eada", "é" * 257])
def test_nobody_can_be_called_so(client_id: str) -> None:
    with pytest.raises(BadClientId):
        verify(ably_token(**{"x-ably-clientId": client_id}), KEY, NOW)


@pytest.mark.parametrize("claim", ["x-ably-clientId", "x-ably-capability"])
@pytest.mark.parametrize("value", [7, True, [], {}, ["ada"], {"*": ["*"]}])
def test_claims_that_are_no_text_are_malformed(claim: str, value: Any) -> None:
    with pytest.raises(AuthError) as refused:
        verify(ably_token(**{claim: value}), KEY, NOW)
    assert refused.value.code == 40144


def test_an_end_is_an_end() -> None:
    """The server disconnects at the second that the SDK has in its TokenDetails."""
    token = mint(KEY, now=NOW, ttl_seconds=60)

    assert verify(token, KEY, NOW + 59.999)
    with pytest.raises(TokenExpired) as refused:
        verify(token, KEY, NOW + 60)
    assert refused.value.code == 40142


def test_the_clock_of_the_signer_may_be_a_little_ahead() -> None:
    assert verify(mint(KEY, now=NOW + 29, ttl_seconds=60), KEY, NOW)
    with pytest.raises(AuthError) as refused:
        verify(mint(KEY, now=NOW + 31, ttl_seconds=60), KEY, NOW)
    assert refused.value.reason == "future"


def test_a_token_must_say_when_it_was_issued() -> None:
    """Without it, nobody could revoke what was issued before a moment."""
    with pytest.raises(AuthError) as refused:
        verify(ably_token(iat=None), KEY, NOW)
    assert refused.value.reason == "times"


def test_tokens_of_the_older_secret_are_good_until_it_is_taken_away() -> None:
    rotated = replace(KEY, secret=b"the-new-secret-of-thirty-two-bytes-or-so", older_secrets=(SECRET,))
    taken_away = replace(rotated, older_secrets=())

    assert verify(ably_token(), rotated, NOW)
    assert verify(mint(rotated, now=NOW, ttl_seconds=60), taken_away, NOW), "new tokens are signed with the new secret"
    with pytest.raises(AuthError) as refused:
        verify(ably_token(), taken_away, NOW)
    assert refused.value.reason == "signature"


def test_one_changed_letter_anywhere_breaks_a_token() -> None:
    token = ably_token()

    for at in range(len(token)):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(AuthError):
            verify(changed, KEY, NOW)
