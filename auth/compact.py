"""
Signed tokens as text: three parts of base64url with dots between, read strictly and once.

Everything that a lenient reader would have to guess about is refused: padding, bits left over, members that occur twice,
NaN, extensions that are declared critical. What is read here is not to be believed before its signature was verified.

An encrypted token (JWE, five parts) cannot be read but for its header, which may hold an Ably token; `auth.wrapped`.

Source: RFC 7515 sections 3.1, 4.1.11 and 5.2; RFC 7516 section 3.1; RFC 7519 section 4; RFC 8725.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from auth.errors import TokenMalformed, TokenRefused

MAX_TOKEN_LENGTH = 16384
MAX_CACHED_LENGTH = 512
# Possessive: what has no dot is refused without going back letter by letter, which took half a millisecond for 12 kB.
_FORM = re.compile(r"([A-Za-z0-9_-]++)\.([A-Za-z0-9_-]++)\.([A-Za-z0-9_-]++)", re.ASCII)
_ENCRYPTED = re.compile(r"([A-Za-z0-9_-]++)(\.[A-Za-z0-9_-]*+){4}", re.ASCII)
_PADDING = ("", "", "==", "=")


class NotJson(ValueError):
    """A text is not JSON, or not of the kind that means one thing only."""


class Header(NamedTuple):
    """What a token says about itself: with which of whose keys it can be checked, or which Ably token is meant."""

    algorithm: str
    key_id: str | None
    embedded: str | None = None


class Compact(NamedTuple):
    """A token taken apart."""

    header: Header
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def parse_compact(token: str, max_length: int = MAX_TOKEN_LENGTH) -> Compact:
    """
    Take a token apart.

    Raises:
        TokenMalformed: If it is not three parts of JSON, JSON and a signature.
        TokenRefused: If it depends on an extension, or was made for another purpose.
    """
    if len(token) > max_length:
        raise TokenMalformed("size")
    match = _FORM.fullmatch(token)
    if match is None:
        return _encrypted(token)
    header, payload, signature = match.groups()
    return Compact(
        _remembered_header(header) if len(header) <= MAX_CACHED_LENGTH else _header(header),
        _members(payload),
        token[: match.end(2)].encode(),
        _bytes(signature),
    )


def parse_json(text: str) -> Any:
    """
    Read JSON whose meaning no two readers can disagree about.

    Raises:
        NotJson: If it is not JSON, has a member twice, has NaN or Infinity, or is nested without end.
    """
    try:
        return _decoder.decode(text)
    except (ValueError, RecursionError):
        raise NotJson("not JSON, or ambiguous") from None


def _encrypted(token: str) -> Compact:
    """What can be read of an encrypted token; with no signature of ours in it, it proves nothing by itself."""
    match = _ENCRYPTED.fullmatch(token)
    header = None if match is None else _header(match[1])
    if header is None or header.embedded is None:
        raise TokenMalformed("token_form")
    return Compact(header, {}, b"", b"")


def _header(part: str) -> Header:
    members = _members(part)
    if "crit" in members or members.get("b64", True) is not True:
        raise TokenRefused("critical_header")
    algorithm, key_id, embedded = members.get("alg"), members.get("kid"), members.get("x-ably-token")
    if not isinstance(algorithm, str) or not all(isinstance(text, (str, type(None))) for text in (key_id, embedded)):
        raise TokenMalformed("token_form")
    _check_type(members.get("typ"))
    return Header(algorithm, key_id, embedded)


def _check_type(named: object) -> None:
    """
    Refuse what an issuer signed for something else, such as ``logout+jwt``, ``dpop+jwt`` or ``secevent+jwt``.

    Source: RFC 8725 section 3.11; RFC 9068 section 2.1.
    """
    if not isinstance(named, (str, type(None))):
        raise TokenMalformed("token_form")
    kind = (named or "").lower()
    if kind.endswith("+jwt") and not kind.endswith("at+jwt"):
        raise TokenRefused("token_type")


_remembered_header = lru_cache(maxsize=1024)(_header)  # an issuer's headers are all alike


def _members(part: str) -> dict[str, Any]:
    try:
        members = parse_json(_bytes(part).decode())
    except ValueError:
        raise TokenMalformed("token_form") from None
    if not isinstance(members, dict):
        raise TokenMalformed("token_form")
    return members


def _bytes(part: str) -> bytes:
    """The one sequence of bytes that this text stands for; several texts for the same bytes would be several tokens."""
    if len(part) % 4 == 1:
        raise TokenMalformed("token_form")
    raw = urlsafe_b64decode(part + _PADDING[len(part) % 4])
    if urlsafe_b64encode(raw).rstrip(b"=") != part.encode():
        raise TokenMalformed("token_form")
    return raw


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJson("a member occurs twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
