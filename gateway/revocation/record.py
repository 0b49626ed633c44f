"""
Records of the topic of what was taken back.

    key     revoke:SCOPE:KIND:VALUE       SCOPE is an app, or a key app.key; KIND:VALUE as in auth.revocation
    value   {}                            tokens issued before this record's time
            {"issuedBefore": ms}          tokens issued before that
            {…, "appliesAt": ms}          not at once, so that clients can renew
            none                          withdrawn

    key     entitle:APP:clientId:VALUE
    value   {"capability": {…}}           no more than this, whatever the client's tokens say
            none                          as much as they say

Key and value are read to the letter: what a service got wrong is not guessed at, but counted and logged. Unknown members
are left alone, so that services can add what they need.

Source: docs/revocation.md.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from auth.capability import Capability
from auth.compact import NotJson, parse_json
from auth.errors import CapabilityMalformed
from auth.revocation import CLIENT_ID, Address, BadTarget, Cut, parse_target
from gateway.core.terms import Note

REVOKE, ENTITLE = "revoke", "entitle"
MAX_MILLISECONDS = 2**53  # what lies beyond is no date
MAX_AHEAD_SECONDS = 3600.0  # of a record's own time; what is farther is a mistake of units or of clocks


class UnreadableRuling(Exception):
    """
    A record that is none of these.

    Args:
        reason: Constant words, fit for a log.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Revoke(NamedTuple):
    """Tokens are refused; *cut* None: no longer."""

    address: Address
    cut: Cut | None


class Entitle(NamedTuple):
    """A client may have no more than *capability*; None: as much as its tokens say."""

    address: Address
    capability: Capability | None


def read_ruling(
    key: bytes | None, value: bytes | None, timestamp_ms: int, max_token_age_seconds: float
) -> Revoke | Entitle:
    """
    Read one record.

    Args:
        timestamp_ms: Its own time.
        max_token_age_seconds: So old a token can be; a time farther back revokes nothing, so it is a mistake.

    Raises:
        UnreadableRuling: If it cannot be read.
    """
    kind, address = _read_key(key)
    members = None if value is None else _read_members(value)
    if kind == ENTITLE:
        return Entitle(address, None if members is None else _capability(members))
    return Revoke(address, None if members is None else _cut(members, timestamp_ms / 1000, max_token_age_seconds))


def revocation_record(address: Address, cut: Cut) -> tuple[bytes, bytes]:
    """Key and value of a revocation."""
    members = {"issuedBefore": milliseconds(cut.issued_before)}
    if cut.applies_at:
        members["appliesAt"] = milliseconds(cut.applies_at)
    return f"{REVOKE}:{address.scope}:{address.target}".encode(), json.dumps(members).encode()


def milliseconds(seconds: float) -> int:
    """As the wire has times."""
    return round(seconds * 1000)


def _read_key(key: bytes | None) -> tuple[str, Address]:
    try:
        text = (key or b"").decode()
    except UnicodeDecodeError:
        raise UnreadableRuling("the key is not UTF-8") from None
    kind, _, rest = text.partition(":")
    scope, _, target_text = rest.partition(":")
    if kind not in (REVOKE, ENTITLE) or not scope:
        raise UnreadableRuling("the key is neither revoke:SCOPE:TARGET nor entitle:APP:TARGET")
    try:
        target = parse_target(target_text)
    except BadTarget:
        raise UnreadableRuling("the key has no target that can be read") from None
    if kind == ENTITLE and (target.kind != CLIENT_ID or "." in scope):
        raise UnreadableRuling("an entitlement is of a client of an app")
    return kind, Address(scope, target)


def _read_members(value: bytes) -> dict[str, Any]:
    try:
        members = parse_json(value.decode())
    except (UnicodeDecodeError, NotJson):
        raise UnreadableRuling("the value is not JSON") from None
    if not isinstance(members, dict):
        raise UnreadableRuling("the value is no JSON object")
    return members


def _capability(members: dict[str, Any]) -> Capability:
    if not isinstance(members.get("capability"), dict):
        raise UnreadableRuling("there is no capability, an object, in the value")
    try:
        return Capability.parse(members["capability"])
    except CapabilityMalformed:
        raise UnreadableRuling("the capability cannot be read") from None


def _cut(members: dict[str, Any], written_at: float, max_token_age_seconds: float) -> Cut:
    issued_before = _seconds(members, "issuedBefore", written_at)
    applies_at = _seconds(members, "appliesAt", 0.0)
    if not written_at - max_token_age_seconds <= issued_before <= written_at + MAX_AHEAD_SECONDS:
        raise UnreadableRuling("issuedBefore, in milliseconds, is too far from the record's own time")
    if applies_at > written_at + MAX_AHEAD_SECONDS:
        raise UnreadableRuling("appliesAt, in milliseconds, is too far after the record's own time")
    return Cut(issued_before, applies_at)


def _seconds(members: dict[str, Any], name: str, absent: float) -> float:
    value = members.get(name)
    if value is None:
        return absent
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < MAX_MILLISECONDS:
        raise UnreadableRuling(f"{name} is not a number of milliseconds")
    return value / 1000


def note_ruling(note: Note, ruling: Revoke | Entitle, partition: int, offset: int) -> None:
    """Take down, for the audit journal, that a record holds; not what an entitlement leaves, which the topic says."""
    scope, target = ruling.address
    held = ruling.cut if isinstance(ruling, Revoke) else ruling.capability
    kind = "revoke" if isinstance(ruling, Revoke) else "entitle"
    issued_before_ms = milliseconds(held.issued_before) if isinstance(held, Cut) else None
    note(
        "ruling",
        kind=kind if held is not None else f"{kind}-withdrawn",
        scope=scope,
        target=str(target),
        issued_before_ms=issued_before_ms,
        position=f"{partition}:{offset}",
    )
