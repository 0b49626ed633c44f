"""Signed tokens as text: one text for one token, and nothing that two readers could read differently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.compact import MAX_TOKEN_LENGTH, NotJson, parse_compact, parse_json
from auth.errors import TokenMalformed, TokenRefused
from tests.auth.minting import KEY, ably_token, crafted, part

GOOD = {"alg": "HS256", "kid": KEY.name}


def test_a_token_is_taken_apart() -> None:
    text = ably_token(sub="ada")

    token = parse_compact(text)

    assert token.header.algorithm == "HS256"
    assert token.header.key_id == KEY.name
    assert token.claims["sub"] == "ada"
    assert f"{token.signed.decode()}.{part(token.signature)}" == text


def test_a_token_may_name_no_key() -> None:
    assert parse_compact(crafted({"alg": "RS256"}, {})).header.key_id is None


@given(st.text("ABCxyz019-_", min_size=1, max_size=12))
def test_a_part_that_is_read_is_the_only_text_of_its_bytes(last: str) -> None:
    """Two texts of one signature would be two tokens to whoever remembers revoked ones by their text."""
    header_and_claims = ".".join(crafted(GOOD, {}).split(".")[:2])

    try:
        token = parse_compact(f"{header_and_claims}.{last}")
    except TokenMalformed:
        return

    assert part(token.signature) == last


@pytest.mark.parametrize(
    "header",
    [
        {"alg": 1},
        {"alg": None},
        {},
        {"alg": "HS256", "kid": 7},
        {"alg": "HS256", "kid": ["bank.server1"]},
        [],
        "text",
        "not json",
    ],
)
def test_a_header_that_says_nothing_usable_is_malformed(header: object) -> None:
    with pytest.raises(TokenMalformed):
        parse_compact(crafted(header, {}))


@pytest.mark.parametrize("header", [GOOD | {"crit": []}, GOOD | {"crit": ["b64"]}, GOOD | {"b64": False}])
def test_a_token_that_depends_on_an_extension_is_refused(header: dict[str, object]) -> None:
    """RFC 7515 section 4.1.11: what is critical and not understood makes the token invalid."""
    with pytest.raises(TokenRefused) as refused:
        parse_compact(crafted(header, {}))
    assert refused.value.reason == "critical_header"


def test_the_longest_token_is_read_and_one_letter_more_is_not() -> None:
    bare = len(crafted(GOOD, {"x": ""}))
    fill = "x" * ((MAX_TOKEN_LENGTH - bare) * 3 // 4)
    longest = crafted(GOOD, {"x": fill})

    assert MAX_TOKEN_LENGTH - 4 <= len(longest) <= MAX_TOKEN_LENGTH
    parse_compact(longest)
    with pytest.raises(TokenMalformed) as refused:
        parse_compact(crafted(GOOD, {"x": fill + "xxxx"}))
    assert refused.value.reason == "size"


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":{"b":1,"b":1}}',
        "NaN",
        "Infinity",
        "-Infinity",
        "[1,]",
        "{'a':1}",
        "",
        "[" * 100_000,
        "1" * 5_000,
    ],
)
def test_json_that_two_readers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(NotJson):
        parse_json(text)


def test_json_that_means_one_thing_is_read() -> None:
    assert parse_json(' {"a": [1, "x", null, true]} ') == {"a": [1, "x", None, True]}
