"""Patterns: what they reach, and what two of them have in common."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.capability import MAX_CROSSED, MAX_PATTERNS, OPERATIONS, Capability, granted
from auth.errors import CapabilityDenied, CapabilityMalformed

NAMES = st.text("ab:*[]", max_size=8)
PATTERNS = st.one_of(
    NAMES.filter(bool), st.sampled_from(["*", "a:*", "a:b:*", "[*]*", "[a]*", "[a]b", "[a]b:*", "a:*:b", "*:b"])
)
CAPABILITIES = st.dictionaries(
    PATTERNS, st.lists(st.sampled_from(["subscribe", "history", "publish", "*"]), min_size=1), min_size=1, max_size=5
).map(Capability.parse)


@pytest.mark.parametrize(
    ("pattern", "channel", "is_reached"),
    [
        ("account:42", "account:42", True),
        ("account:42", "account:420", False),
        ("account:42", "account:4", False),
        ("account:42", "Account:42", False),
        ("account:*", "account:42", True),
        ("account:*", "account:42:cards", True),
        ("account:*", "account:", True),
        ("account:*", "account", False),
        ("account:*", "accounts:42", False),
        ("account:42:*", "account:42", False),
        ("account:42:*", "account:42:cards", True),
        ("account:42:*", "account:420:cards", False),
        ("account*", "account:42", False),
        ("account*", "account*", True),
        ("account:4*", "account:42", False),
        ("account:*:cards", "account:42:cards", True),
        ("account:*:cards", "account:*:cards", True),
        ("account:*:cards", "account::cards", True),
        ("account:*:cards", "account:cards", False),
        ("account:*:cards", "account:42:cards:new", False),
        ("account:*:cards", "account:42:savings:cards", False),
        ("account:*:cards", "account:42:Cards", False),
        ("account:*:cards", "[meta]account:42:cards", False),
        ("account:*:cards:*", "account:42:cards:new:1", True),
        ("account:*:cards:*", "account:42:cards", False),
        ("account:*:*", "account:42:cards:new", True),
        ("account:*:*", "account:42", False),
        ("account:*:*:new", "account:42:cards:new", True),
        ("account:*4:cards", "account:44:cards", False),
        ("account:**:cards", "account:42:cards", False),
        ("*:42", "account:42", True),
        ("*:42", "account:b:42", False),
        ("*:*", "account:42", True),
        ("*:*", "account", False),
        ("*:42", "[meta]account:42", False),
        ("[meta]*:42", "[meta]account:42", True),
        ("[meta]*:42", "account:42", False),
        ("[*]*:42", "account:42", False),
        ("*", "account:42", True),
        ("*", "x", True),
        ("*", "[meta]log", False),
        ("*", "[?rewind=1]x", False),
        ("[meta]*", "[meta]log", True),
        ("[meta]*", "[other]log", False),
        ("[meta]*", "log", False),
        ("[meta]log:*", "[meta]log:a", True),
        ("log:*", "[meta]log:a", False),
        ("[*]*", "[meta]log", True),
        ("[*]*", "account:42", True),
        ("[*]*", "[", True),
        ("[*]", "account:42", False),
        ("**", "account:42", False),
        ("account:**", "account:42", False),
        (":*", "account:42", False),
    ],
)
def test_a_pattern_reaches_what_it_says(pattern: str, channel: str, is_reached: bool) -> None:
    """`*` is a whole segment, at the end any number of them; `[*]*` includes meta and qualified names."""
    assert Capability.parse({pattern: ["subscribe"]}).allows("subscribe", channel) is is_reached


def test_an_operation_is_allowed_if_it_is_listed() -> None:
    capability = Capability.parse({"a": ["subscribe", "history"]})

    assert capability.allows("subscribe", "a")
    assert not capability.allows("publish", "a")


def test_a_star_allows_every_operation() -> None:
    assert all(Capability.parse({"a": ["*"]}).allows(operation, "a") for operation in OPERATIONS)


def test_what_several_patterns_allow_adds_up() -> None:
    capability = Capability.parse({"a:b": ["subscribe"], "a:*": ["history"], "*": ["presence"]})

    assert [capability.allows(o, "a:b") for o in ("subscribe", "history", "presence", "publish")] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ({"*": ["*"]}, {"a": ["subscribe"]}, '{"a":["subscribe"]}'),
        ({"a:*": ["*"]}, {"a:b": ["publish"], "c": ["publish"]}, '{"a:b":["publish"]}'),
        ({"a:*": ["publish", "subscribe"]}, {"a:b:*": ["subscribe", "history"]}, '{"a:b:*":["subscribe"]}'),
        ({"a": ["*"]}, {"a": ["publish", "subscribe"]}, '{"a":["publish","subscribe"]}'),
        ({"a": ["publish"]}, {"a": ["subscribe"]}, "{}"),
        ({"a": ["*"]}, {"b": ["*"]}, "{}"),
        ({"a*": ["*"]}, {"ab": ["*"]}, "{}"),
        ({"*": ["*"]}, {"[meta]log": ["subscribe"]}, "{}"),
        (
            {"[*]*": ["*"]},
            {"[meta]log": ["subscribe"], "*": ["history"]},
            '{"*":["history"],"[meta]log":["subscribe"]}',
        ),
        ({"a": ["subscribe"], "*": ["history"]}, {"a": ["*"]}, '{"a":["history","subscribe"]}'),
        ({"a:*:c": ["*"]}, {"a:b:*": ["history"]}, '{"a:b:c":["history"]}'),
        ({"a:*:c": ["*"]}, {"*:b:c": ["history"]}, '{"a:b:c":["history"]}'),
        ({"a:*:c": ["*"]}, {"a:*": ["history"]}, '{"a:*:c":["history"]}'),
        ({"a:*:c:*": ["*"]}, {"a:b:*:d": ["history"]}, '{"a:b:c:d":["history"]}'),
        ({"a:*:*": ["*"]}, {"*:b:*": ["history"]}, '{"a:b:*":["history"]}'),
        ({"a:*:c": ["*"]}, {"a:*:d": ["*"]}, "{}"),
        ({"a:*:c": ["*"]}, {"a:b": ["*"]}, "{}"),
        ({"[*]*:c": ["*"]}, {"b:c": ["*"], "[meta]b:c": ["*"]}, "{}"),
        ({"*:c": ["*"]}, {"[meta]b:c": ["*"], "[*]*": ["history"]}, '{"*:c":["history"]}'),
    ],
)
def test_an_intersection_holds_what_both_allow(
    one: dict[str, list[str]], other: dict[str, list[str]], both: str
) -> None:
    """A token's capability within its key's."""
    assert Capability.parse(one).intersect(Capability.parse(other)).to_text() == both
    assert Capability.parse(other).intersect(Capability.parse(one)).to_text() == both


@given(CAPABILITIES)
def test_a_capability_can_be_written_and_read_again(capability: Capability) -> None:
    again = Capability.parse(capability.to_text())

    assert again == capability
    assert hash(again) == hash(capability)
    assert again.to_text() == capability.to_text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "null",
        "[]",
        '"*"',
        "1",
        '{"a":"subscribe"}',
        '{"a":null}',
        '{"a":[]}',
        '{"a":["subscribe_"]}',
        '{"a":["*","publish"]}',
        '{"a":[["subscribe"]]}',
        '{"a":{"subscribe":1}}',
        '{"a":[1]}',
        '{"":["*"]}',
        '{"a":["subscribe"],"a":["*"]}',
        '{"a":["subscribe"]',
        '{"a":["subscribe"]} {"b":["*"]}',
        "[" * 20000,
        '{"' + "x" * 3000 + '":["*"]}',
    ],
)
def test_what_is_no_capability_is_refused(text: str) -> None:
    """TK2b: a bad request, not an unauthorised one."""
    with pytest.raises(CapabilityMalformed) as refused:
        Capability.parse(text)
    assert (refused.value.code, refused.value.status) == (40000, 400)


def test_too_many_patterns_are_refused() -> None:
    with pytest.raises(CapabilityMalformed):
        Capability.parse({f"a:{n}": ["*"] for n in range(MAX_PATTERNS + 1)})


def test_too_many_patterns_with_a_star_in_the_middle_are_refused() -> None:
    """They are looked through one by one, so there is a limit to those of one beginning."""
    assert Capability.parse({f"a:{n}:*:c": ["*"] for n in range(MAX_PATTERNS)}).allows("publish", "a:7:b:c")
    assert Capability.parse({f"a:*:{n}": ["*"] for n in range(MAX_CROSSED)}).allows("publish", "a:b:7")
    with pytest.raises(CapabilityMalformed):
        Capability.parse({f"a:*:{n}": ["*"] for n in range(MAX_CROSSED + 1)})


def test_two_capabilities_whose_stars_multiply_are_refused() -> None:
    one = Capability.parse({f"*:{n}": ["*"] for n in range(MAX_CROSSED)})
    other = Capability.parse({f"{n}:*": ["*"] for n in range(MAX_PATTERNS)})

    with pytest.raises(CapabilityDenied):
        one.intersect(other)


def test_nothing_asked_is_all_of_the_limit() -> None:
    """TK2b: the capability of the underlying key."""
    limit = Capability.parse({"a": ["subscribe"]})

    assert granted(None, limit) is limit


def test_asking_for_nothing_that_the_limit_has_is_refused() -> None:
    """Empty → 40160."""
    with pytest.raises(CapabilityDenied) as refused:
        granted('{"b":["subscribe"]}', Capability.parse({"a": ["subscribe"]}))
    assert refused.value.code == 40160


def test_an_empty_wish_is_refused() -> None:
    with pytest.raises(CapabilityDenied):
        granted("{}", Capability.parse({"*": ["*"]}))


def test_the_same_wish_within_another_limit_is_another_answer() -> None:
    """What is remembered of a text is remembered of that limit only."""
    asked = '{"a":["*"]}'

    assert granted(asked, Capability.parse({"*": ["*"]})).allows("publish", "a")
    assert not granted(asked, Capability.parse({"*": ["subscribe"]})).allows("publish", "a")


def test_two_large_capabilities_meet() -> None:
    """Not pattern by pattern: that would be four million comparisons in the middle of a handshake."""
    one = Capability.parse({f"a:{n}:*": ["*"] for n in range(MAX_PATTERNS)})
    other = Capability.parse({f"a:{n}:x": ["*"] for n in range(MAX_PATTERNS)})

    assert one.intersect(other) == other
