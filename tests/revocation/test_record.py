"""What services write to the revocation topic, read to the letter."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.capability import Capability
from auth.revocation import Address, Cut, Target
from gateway.revocation.record import Entitle, Revoke, UnreadableRuling, note_ruling, read_ruling, revocation_record

NOW_MS = 1_800_000_000_000
NOW = NOW_MS / 1000
DAY = 86400.0
CLIENT = Address("bank", Target("clientId", "42"))


def read(key: str | bytes | None, value: str | bytes | None) -> Revoke | Entitle:
    return read_ruling(
        key.encode() if isinstance(key, str) else key, value.encode() if isinstance(value, str) else value, NOW_MS, DAY
    )


@pytest.mark.parametrize(
    ("value", "cut"),
    [
        ("{}", Cut(NOW, 0.0)),
        (f'{{"issuedBefore": {NOW_MS - 5000}}}', Cut(NOW - 5, 0.0)),
        (f'{{"issuedBefore": {NOW_MS - 500.0}}}', Cut(NOW - 0.5, 0.0)),
        (f'{{"appliesAt": {NOW_MS + 30000}}}', Cut(NOW, NOW + 30)),
        (f'{{"issuedBefore": null, "because": "fraud", "appliesAt": {NOW_MS - 30000}}}', Cut(NOW, NOW - 30)),
        (None, None),
    ],
)
def test_a_revocation(value: str | None, cut: Cut | None) -> None:
    """Unless it says otherwise: tokens from before this record, at once. No value: withdrawn."""
    assert read("revoke:bank:clientId:42", value) == Revoke(CLIENT, cut)


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("revoke:bank.server1:clientId:42", Address("bank.server1", Target("clientId", "42"))),
        ("revoke:bank:clientId:a:b/ü", Address("bank", Target("clientId", "a:b/ü"))),
        ("revoke:bank:revocationKey:branch-7", Address("bank", Target("revocationKey", "branch-7"))),
        ("revoke:bank:channel:account:8731", Address("bank", Target("channel", "account:8731"))),
    ],
)
def test_the_key_says_whose_tokens(key: str, address: Address) -> None:
    assert read(key, "{}").address == address


def test_an_entitlement() -> None:
    some = read("entitle:bank:clientId:42", '{"capability": {"account:8730": ["subscribe"]}, "by": "ledger"}')
    nothing = read("entitle:bank:clientId:42", '{"capability": {}}')

    assert some == Entitle(CLIENT, Capability.parse({"account:8730": ["subscribe"]}))
    assert nothing == Entitle(CLIENT, Capability.parse({}))
    assert read("entitle:bank:clientId:42", None) == Entitle(CLIENT, None)


@pytest.mark.parametrize(
    "key",
    [
        None,
        b"",
        b"\xff",
        "clientId:42",
        "revoke:clientId:42",
        "revoke::clientId:42",
        "revoke:bank:clientId:",
        "revoke:bank:planet:mars",
        "Revoke:bank:clientId:42",
        "entitle:bank:channel:account:1",
        "entitle:bank.server1:clientId:42",
    ],
    ids=str,
)
def test_a_key_that_means_nothing_is_not_guessed_at(key: str | bytes | None) -> None:
    for value in ("{}", None, '{"capability": {}}'):
        with pytest.raises(UnreadableRuling):
            read(key, value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "null",
        "[]",
        "{",
        b"\xff",
        '{"issuedBefore": 1, "issuedBefore": 2}',
        '{"issuedBefore": "1800000000000"}',
        '{"issuedBefore": true}',
        '{"issuedBefore": NaN}',
        '{"issuedBefore": 1e999}',
        '{"issuedBefore": 1' + "0" * 400 + "}",
        f'{{"issuedBefore": {NOW_MS // 1000}}}',
        f'{{"issuedBefore": {NOW_MS * 1000}}}',
        f'{{"issuedBefore": {NOW_MS - 86_400_001}}}',
        '{"appliesAt": -1}',
        '{"appliesAt": "now"}',
        f'{{"appliesAt": {NOW_MS + 3_600_001}}}',
        "1" * 5000,
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_revocation_with_a_mistake_is_told_and_not_guessed_at(value: str | bytes) -> None:
    """Seconds for milliseconds, for one: they would revoke nothing, and nobody would know."""
    with pytest.raises(UnreadableRuling):
        read("revoke:bank:clientId:42", value)


@pytest.mark.parametrize(
    "value",
    [
        "{}",
        '{"capability": null}',
        '{"capability": "*"}',
        '{"capability": {"a": []}}',
        '{"capability": {"a": ["fly"]}}',
        "[]",
    ],
)
def test_an_entitlement_with_a_mistake_takes_nothing(value: str) -> None:
    with pytest.raises(UnreadableRuling):
        read("entitle:bank:clientId:42", value)


@given(
    st.sampled_from(["clientId", "revocationKey", "channel"]),
    st.text(min_size=1, max_size=20).filter(str.isprintable),
    st.integers(0, 86_400_000),
    st.none() | st.integers(0, 30_000),
)
def test_what_is_written_is_read_back(kind: str, value: str, age_ms: int, margin_ms: int | None) -> None:
    address = Address("bank.server1", Target(kind, value))
    applies_at = 0.0 if margin_ms is None else (NOW_MS + margin_ms) / 1000
    cut = Cut((NOW_MS - age_ms) / 1000, applies_at)

    assert read(*revocation_record(address, cut)) == Revoke(address, cut)


@given(st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=200), st.integers(0, 2**53))
def test_no_record_does_any_harm(key: bytes | None, value: bytes | None, timestamp_ms: int) -> None:
    """Any producer may write anything."""
    for prefix in (b"", b"revoke:bank:clientId:", b"entitle:bank:clientId:"):
        with contextlib.suppress(UnreadableRuling):
            read_ruling(None if key is None else prefix + key, value, timestamp_ms, DAY)


@pytest.mark.parametrize(
    ("key", "value", "kind", "issued_before_ms"),
    [
        ("revoke:bank:clientId:42", f'{{"issuedBefore": {NOW_MS - 5000}}}', "revoke", NOW_MS - 5000),
        ("revoke:bank:clientId:42", None, "revoke-withdrawn", None),
        ("entitle:bank:clientId:42", '{"capability": {"account:1": ["subscribe"]}}', "entitle", None),
        ("entitle:bank:clientId:42", None, "entitle-withdrawn", None),
    ],
)
def test_the_audit_journal_is_told_who_is_concerned(
    key: str, value: str | None, kind: str, issued_before_ms: int | None
) -> None:
    noted: list[dict[str, Any]] = []

    note_ruling(lambda event, **details: noted.append({"event": event, **details}), read(key, value), 0, 17)

    (told,) = noted
    assert told == {
        "event": "ruling",
        "kind": kind,
        "scope": "bank",
        "target": "clientId:42",
        "issued_before_ms": issued_before_ms,
        "position": "0:17",
    }
