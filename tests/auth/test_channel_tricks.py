"""Names that look like another channel's: whatever is asked for, access is to that very name and never wider."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.capability import Capability
from gateway.core.names import parse_channel_name
from gateway.errors import BadChannelName

OWN = "account:straße-42"
ONE = Capability.parse({OWN: ["subscribe"]})
NAMESPACE = Capability.parse({"account:*": ["subscribe"]})
CARDS = Capability.parse({"account:*:cards": ["subscribe"]})
ALL = Capability.parse({"*": ["subscribe"]})


def tricks() -> Iterator[str]:
    """Names that some normalisation, decoding or careless comparison would take for one's own."""
    yield from (
        f"{OWN}{end}"
        for end in ("\0", "\n", "\r", " ", "\t", "/", ":", "*", "\u200b", "\u00a0", "%00", "%20", "\udc80")
    )
    yield from (
        f"{start}{OWN}" for start in ("\0", " ", "\ufeff", "/", "./", "../", ":", "*:", "\u200b", "\u202e", "%")
    )
    yield from (f"account:other/../{OWN[8:]}", f"account:/{OWN[8:]}", f"account::{OWN[8:]}", f"account:.:{OWN[8:]}")
    yield from (
        OWN.upper(),
        OWN.title(),
        OWN.casefold(),
        OWN.swapcase(),
        OWN.replace("ß", "ẞ"),
        OWN.replace("a", "\u0430"),
    )
    yield from ("account:stra\u00dfe-4\u00b2", unicodedata.normalize("NFKD", "account:stra\u00dfe-\u2467"))
    yield from (unicodedata.normalize("NFD", "account:é"), "account:e\u0301", "account:\u212b", "account:\u00c5")
    yield from (
        quote(OWN),
        quote(OWN, safe=""),
        quote(quote(OWN, safe=""), safe=""),
        OWN.replace(":", "%3a"),
        OWN.replace(":", "："),
    )
    yield from (
        f"[meta]{OWN}",
        f"[*]{OWN}",
        f"[]{OWN}",
        f"[?]{OWN}x",
        f"[?x=1][?y=1]{OWN}",
        f"[ ?rewind=1]{OWN}",
        f"[{OWN}]",
        f"]{OWN}",
    )
    yield from (
        "*",
        "**",
        "account:*",
        "account:**",
        "[*]*",
        "[meta]*",
        "account:*:*",
        "*:*",
        "account",
        "account:",
        ":",
        "[",
        "]",
        "",
    )
    yield from (
        OWN.replace("straße", "stra\u00adße"),
        OWN.replace("e", "e\u034f"),
        OWN + "\U000e0041",
        "account:straße-４２",
    )


@pytest.mark.parametrize("text", dict.fromkeys(tricks()), ids=ascii)
def test_what_looks_like_one_s_own_channel_is_not(text: str) -> None:
    """Refused as no name, or another name, to which the token gives nothing."""
    try:
        name = parse_channel_name(text).name
    except BadChannelName:
        return

    assert name != OWN
    assert not ONE.allows("subscribe", name)
    assert NAMESPACE.allows("subscribe", name) is name.startswith("account:")
    assert not CARDS.allows("subscribe", name)


@pytest.mark.parametrize(
    "text", [OWN, f"[?rewind=1]{OWN}", f"[?]{OWN}", f"[?modes=publish&x=[*]*]{OWN}".replace("]*]", "*]")]
)
def test_params_before_a_name_do_not_change_whose_it_is(text: str) -> None:
    """The name that is checked is the one that is served."""
    name = parse_channel_name(text).name

    assert name == OWN
    assert ONE.allows("subscribe", name)
    assert not ONE.allows("publish", name)


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "a\u200bb",
        "a\u202eb",
        "a\ufeffb",
        "a\udc80b",
        "a\u00a0b",
        "x" * 2049,
    ],
    ids=ascii,
)
def test_names_with_what_cannot_be_seen_are_none(text: str) -> None:
    with pytest.raises(BadChannelName):
        parse_channel_name(text)


@given(st.text(st.sampled_from("account:42cards[]?=*\0\u0301 é"), max_size=24))
def test_no_name_is_served_to_whom_it_does_not_belong(text: str) -> None:
    """By what a name is, character by character; nothing is decoded, folded or trimmed on the way."""
    try:
        name = parse_channel_name(text).name
    except BadChannelName:
        return

    segments = name.split(":")
    assert ONE.allows("subscribe", name) is (name == OWN)
    assert NAMESPACE.allows("subscribe", name) is (segments[0] == "account" and len(segments) > 1)
    assert CARDS.allows("subscribe", name) is (segments[::2] == ["account", "cards"] and len(segments) == 3)
    assert ALL.allows("subscribe", name)
    assert text.endswith(name)
