"""What claims mean here: they fill their place and never widen it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.templates import MAX_RESULTS, Template, TooManyResults


def filled(text: str, claims: dict[str, Any], *, is_segmented: bool = True) -> list[str]:
    return list(Template(text, is_segmented=is_segmented).fill(claims))


@pytest.mark.parametrize(
    ("template", "claims", "results"),
    [
        ("lobby", {}, ["lobby"]),
        ("user:{sub}", {"sub": "ada"}, ["user:ada"]),
        ("user:{sub}", {"sub": 42}, ["user:42"]),
        ("account:{accounts[*]}", {"accounts": ["1", 2]}, ["account:1", "account:2"]),
        ("account:{accounts[*]}", {"accounts": "1"}, ["account:1"]),
        ("account:{accounts[*]}", {"accounts": []}, []),
        ("account:{accounts[*]}:*", {"accounts": ["1"]}, ["account:1:*"]),
        ("account:{accounts}", {"accounts": ["1"]}, []),
        ("{tenant}:{accounts[*]}", {"tenant": "t", "accounts": ["1", "2"]}, ["t:1", "t:2"]),
        ("{a[*]}:{b[*]}", {"a": ["1", "2"], "b": ["x", "y"]}, ["1:x", "1:y", "2:x", "2:y"]),
        ("{realm.id}:x", {"realm": {"id": "r"}}, ["r:x"]),
        ("{realm.id}:x", {"realm.id": "flat", "realm": {"id": "r"}}, ["flat:x"]),
        ("{https://bank.example/account}", {"https://bank.example/account": "7"}, ["7"]),
        ("account:{realm.accounts[*]}", {"realm": {"accounts": ["1"]}}, ["account:1"]),
        ("user:{sub}", {}, []),
        ("user:{sub}", {"sub": None}, []),
        ("{realm.id}", {"realm": "text"}, []),
        ("{realm.id.x}", {"realm": {"id": ["x"]}}, []),
    ],
)
def test_a_template_is_filled_by_claims(template: str, claims: dict[str, Any], results: list[str]) -> None:
    assert filled(template, claims) == results


@pytest.mark.parametrize(
    "value",
    [
        "*",
        "42:*",
        "42:cards",
        ":",
        "",
        "[meta]log",
        "]",
        "[*]*",
        "{sub}",
        "4*",
        "a\x00b",
        "a\nb",
        "a\x7f",
        "\u202e42",
        "\u200b",
        "\ud800",
        "\u2028",
        True,
        False,
        4.2,
        float("nan"),
        {},
        ["42"],
        [["42"]],
        {"sub": "42"},
        None,
    ],
)
def test_a_value_that_could_mean_more_gives_nothing(value: Any) -> None:
    """A claim is somebody else's text: a user who may choose a name must not choose a pattern."""
    assert filled("account:{sub}", {"sub": value}) == []


def test_of_a_list_only_the_values_that_fit_are_taken() -> None:
    assert filled("account:{a[*]}", {"a": ["1", "*", ["2"], {"x": 1}, None, True, "3"]}) == ["account:1", "account:3"]


@pytest.mark.parametrize(
    "claims",
    [{"tenant": "a-b", "account": "c"}, {"tenant": "-", "account": "c"}],
)
def test_a_value_with_the_text_between_two_places_gives_nothing(claims: dict[str, str]) -> None:
    """Else tenant ``a`` with account ``b-c`` would be tenant ``a-b`` with account ``c``."""
    assert filled("{tenant}-{account}", claims) == []


def test_a_last_value_may_have_the_text_between_two_places() -> None:
    assert filled("{tenant}-{account}", {"tenant": "a", "account": "b-c"}) == ["a-b-c"]


def test_a_client_id_may_have_any_form_that_can_be_shown() -> None:
    assert filled("{sub}", {"sub": "auth0|a:b*[c]"}, is_segmented=False) == ["auth0|a:b*[c]"]
    assert filled("{sub}", {"sub": ""}, is_segmented=False) == []
    assert filled("{sub}", {"sub": "a\nb"}, is_segmented=False) == []


def test_a_client_id_of_two_claims_keeps_them_apart() -> None:
    assert filled("{tenant}:{sub}", {"tenant": "a:b", "sub": "c"}, is_segmented=False) == []


@pytest.mark.parametrize("text", ["{sub", "sub}", "{}", "{{sub}}", "{a}{b}", "{a[0]}", "{a[*][*]}", "{a[*]", "{[*]}"])
def test_a_template_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="template"):
        Template(text)


def test_a_list_that_nobody_can_need_is_refused() -> None:
    assert len(filled("{a[*]}", {"a": list(range(MAX_RESULTS))})) == MAX_RESULTS
    with pytest.raises(TooManyResults):
        filled("{a[*]}", {"a": list(range(MAX_RESULTS + 1))})


def test_lists_that_multiply_are_refused_before_they_do() -> None:
    claims = {name: list(range(1000)) for name in "abcd"}

    with pytest.raises(TooManyResults):
        filled("{a[*]}:{b[*]}:{c[*]}:{d[*]}", claims)


@given(st.one_of(st.text(), st.integers(), st.lists(st.text()), st.dictionaries(st.text(), st.text())))
def test_whatever_a_claim_holds_the_result_is_one_segment_more(value: Any) -> None:
    for result in filled("account:{sub[*]}", {"sub": value}):
        head, _, rest = result.partition(":")
        assert head == "account"
        assert rest
        assert rest.isprintable()
        assert not set(rest) & set(":*[]{}")
