"""
Capabilities against a second, independent reading of the specification, at random.

The reading: a resource is turned into a regular expression, segment by segment; a capability is the sum of its lines; the
intersection of two allows what both allow. It knows nothing of roots, look-ups or overlaps.
"""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.capability import Capability, granted
from auth.errors import CapabilityDenied

CLOSE = st.lists(st.sampled_from(["a", "*"]), min_size=1, max_size=3).map(":".join)  # so close that they often meet
PLAIN = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=4).map(":".join)
SEGMENTS = st.sampled_from(["a", "*", "**", "a*", "", "A", "[", "]"])
QUALIFIERS = st.sampled_from(["", "[meta]", "[*]", "[a:b]", "["])
ODD = st.builds(
    lambda qualifier, rest: qualifier + ":".join(rest), QUALIFIERS, st.lists(SEGMENTS, min_size=1, max_size=4)
)
NAMES = CLOSE | CLOSE | PLAIN | ODD
RESOURCES = NAMES.filter(bool) | st.sampled_from(["*", "[*]*", "[meta]*"])
CHANNELS = [":".join(segments) for count in range(1, 5) for segments in product("ab", repeat=count)]
OPERATIONS = ("subscribe", "publish")
LINES = st.dictionaries(
    RESOURCES,
    st.one_of(st.just(["*"]), st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=2)),
    min_size=1,
    max_size=3,
)


def parts_of(text: str) -> tuple[str, str]:
    """Qualifier and the rest; a bracket that is not closed makes it one thing that nothing but itself and all reach."""
    match = re.fullmatch(r"(\[[^\]]*\])?(.*)", text, re.DOTALL)
    assert match is not None
    if match[1] is None and text.startswith("["):
        return text, ""
    return match[1] or "", match[2]


def reaches(resource: str, channel: str) -> bool:
    """Wildcards replace whole segments; one at the end replaces any number; ``[*]*`` is everything."""
    if resource == "[*]*":
        return True
    (qualifier, rest), (other_qualifier, name) = parts_of(resource), parts_of(channel)
    *segments, last = rest.split(":")
    patterns = ["[^:]*" if segment == "*" else re.escape(segment) for segment in segments]
    patterns.append(".*" if last == "*" else re.escape(last))
    return qualifier == other_qualifier and re.fullmatch(":".join(patterns), name, re.DOTALL) is not None


def allows(lines: dict[str, list[str]], operation: str, channel: str) -> bool:
    return any(
        reaches(resource, channel) and (operation in operations or operations == ["*"])
        for resource, operations in lines.items()
    )


@pytest.mark.parametrize(
    ("resource", "channel", "is_reached"),
    [
        ("*", "any", True),
        ("*", "[meta]any", False),
        ("namespace:*", "namespace:channel:other", True),
        ("foo:*:baz", "foo:bar:baz", True),
        ("foo:*:baz", "foo:bar:bam:baz", False),
        ("foo:*", "foo:bar:bam:baz", True),
        ("foo*", "foobar", False),
        ("foo*", "foo*", True),
        ("[meta]*", "[meta]metaname", True),
        ("[*]*", "[queue]appid-queue", True),
    ],
)
def test_both_readings_are_those_of_the_documented_examples(resource: str, channel: str, is_reached: bool) -> None:
    """Ably's documentation, "Resource names and wildcards", example by example."""
    assert reaches(resource, channel) is is_reached
    assert Capability.parse({resource: ["publish"]}).allows("publish", channel) is is_reached


@given(LINES, NAMES)
def test_a_capability_allows_what_the_model_allows(lines: dict[str, list[str]], odd: str) -> None:
    capability = Capability.parse(lines)

    for channel, operation in product((*CHANNELS, odd), OPERATIONS):
        assert capability.allows(operation, channel) is allows(lines, operation, channel)


@given(LINES, LINES, NAMES)
def test_a_token_may_do_what_both_it_and_its_key_may(
    token: dict[str, list[str]], key: dict[str, list[str]], odd: str
) -> None:
    try:
        capability = granted(Capability.parse(token).to_text(), Capability.parse(key))
    except CapabilityDenied:
        capability = Capability({})

    assert Capability.parse(capability.to_text()) == capability
    for channel, operation in product((*CHANNELS, odd), OPERATIONS):
        expected = allows(token, operation, channel) and allows(key, operation, channel)
        assert capability.allows(operation, channel) is expected


@given(LINES, LINES, LINES, NAMES)
def test_in_whatever_order_capabilities_meet_the_same_remains(
    one: dict[str, list[str]], two: dict[str, list[str]], three: dict[str, list[str]], odd: str
) -> None:
    first, second, third = (Capability.parse(lines) for lines in (one, two, three))

    assert first.intersect(second) == second.intersect(first)
    left, right = first.intersect(second).intersect(third), first.intersect(second.intersect(third))
    for channel, operation in product((*CHANNELS, odd), OPERATIONS):
        assert left.allows(operation, channel) is right.allows(operation, channel)
