"""From when until when a token is good."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.errors import TokenExpired, TokenMalformed, TokenRefused
from auth.lifetime import Lifetime, check_lifetime

NOW = 1_000_000.0


def check(
    claims: dict[str, Any], now: float = NOW, *, leeway_seconds: float = 30.0, expiry_leeway_seconds: float = 10.0
) -> Lifetime:
    return check_lifetime(claims, now, leeway_seconds=leeway_seconds, expiry_leeway_seconds=expiry_leeway_seconds)


def test_a_token_is_good_from_its_beginning_to_its_end() -> None:
    assert check({"iat": NOW - 5, "nbf": NOW, "exp": NOW + 60}) == Lifetime(NOW - 5, NOW + 70)


def test_a_token_need_not_say_when_it_began() -> None:
    assert check({"exp": NOW + 60}).issued_at is None


@pytest.mark.parametrize(("late_seconds", "is_good"), [(9.999, True), (10.0, False), (11.0, False)])
def test_the_end_is_an_end_to_the_leeway(late_seconds: float, is_good: bool) -> None:
    """RFC 7519 section 4.1.4: on or after ``exp`` it must not be accepted."""
    claims = {"exp": NOW}

    if is_good:
        assert check(claims, NOW + late_seconds).expires_at == NOW + 10
    else:
        with pytest.raises(TokenExpired) as refused:
            check(claims, NOW + late_seconds)
        assert refused.value.code == 40142


@pytest.mark.parametrize("claim", ["iat", "nbf"])
@pytest.mark.parametrize(("early_seconds", "is_good"), [(30.0, True), (30.001, False)])
def test_a_token_of_the_future_is_refused_to_the_leeway(claim: str, early_seconds: float, is_good: bool) -> None:
    claims = {"exp": NOW + 1000, claim: NOW + early_seconds}

    if is_good:
        check(claims)
    else:
        with pytest.raises(TokenRefused) as refused:
            check(claims)
        assert refused.value.reason == "future"


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value", [None, "1000100", True, [], {}, -1, -0.5, math.nan, math.inf, -math.inf, 2**53, 10**400, "", "never"]
)
def test_what_is_no_date_is_malformed(claim: str, value: Any) -> None:
    """RFC 7519 section 2: a NumericDate is a number of seconds."""
    with pytest.raises(TokenMalformed) as refused:
        check({"exp": NOW + 100} | {claim: value})
    assert refused.value.reason == "times"


def test_a_token_without_an_end_is_malformed() -> None:
    with pytest.raises(TokenMalformed):
        check({"iat": NOW})


@given(st.floats(0, 2e6), st.floats(0, 2e6), st.floats(0, 2e6))
def test_what_is_accepted_has_begun_and_not_ended(begin: float, end: float, now: float) -> None:
    try:
        lifetime = check({"nbf": begin, "exp": end}, now)
    except TokenRefused:
        assert now >= end + 10 or begin > now + 30
    else:
        assert begin - 30 <= now < lifetime.expires_at
