"""
Record → message.

    value    a JSON object or array → text, encoding json · other UTF-8 → text · anything else → bytes · null → "deleted"
    headers  those that the namespace names → name, clientId, id, extras · the rest → extras.headers, as text
    place    extras.kafka: topic, partition, offset, key

What an edge published says by its headers exactly what it is, see core.published.

Source: PROTOCOL.md section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from gateway.core.message import Extras, Message, Place, record_id
from gateway.core.published import Headers, UnreadablePublication, mark_of, restore
from gateway.core.routing import PoisonRecord

_BLANKS = " \t\r\n"
_OPENINGS = frozenset("{[")
_is_json = msgspec.json.Decoder(msgspec.Raw).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode


class HeaderRule(Protocol):
    """Which record headers mean something, by a namespace's settings."""

    @property
    def name_header(self) -> str | None:
        """Becomes the message's name."""

    @property
    def client_id_header(self) -> str | None:
        """Becomes its clientId."""

    @property
    def id_header(self) -> str | None:
        """Becomes its id."""

    @property
    def extras_header(self) -> str | None:
        """A JSON object, merged into its extras."""


def message_of(
    place: Place, timestamp_ms: int, value: bytes | None, headers: Sequence[tuple[str, bytes | None]], rule: HeaderRule
) -> Message:
    """
    Make a message of a record.

    Raises:
        PoisonRecord: If a header that means something is not UTF-8, or the extras are no JSON object.
    """
    message = Message(record_id(place.topic, place.partition, place.offset), timestamp_ms, extras=Extras(place))
    mark = mark_of(headers) if headers else None
    if mark is not None:
        return _restored(message, place, mark, value, headers)
    message.data, message.encoding = _data(value)
    if value is None:
        message.name = "deleted"
    if headers:
        extras: dict[str, Any] = {"kafka": place}
        _apply(headers, rule, message, extras)
        message.extras = extras
    return message


def _restored(message: Message, place: Place, mark: bytes, value: bytes | None, headers: Headers) -> Message:
    try:
        restore(message, mark, value, headers)
    except UnreadablePublication:
        raise PoisonRecord("publication_unreadable") from None
    message.extras = {**(message.extras if isinstance(message.extras, dict) else {}), "kafka": place}
    return message


def _data(value: bytes | None) -> tuple[str | bytes | None, str | None]:
    if value is None:
        return None, None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value, None
    start = text[:1]
    if start in _BLANKS:
        start = text.lstrip(_BLANKS)[:1]
    if start in _OPENINGS:
        try:
            _is_json(value)
        except (msgspec.DecodeError, RecursionError):
            return text, None
        return text, "json"
    return text, None


def _apply(
    headers: Sequence[tuple[str, bytes | None]], rule: HeaderRule, message: Message, extras: dict[str, Any]
) -> None:
    others: dict[str, str] = {}
    for name, raw in headers:
        if raw is None:
            continue
        if name == rule.name_header:
            message.name = _text(raw)
        elif name == rule.client_id_header:
            message.client_id = _text(raw)
        elif name == rule.id_header:
            message.id = _text(raw) or message.id
        elif name == rule.extras_header:
            _merge(raw, extras)
        else:
            others[name] = raw.decode(errors="replace")
    if others:
        extras["headers"] = {**extras.get("headers", {}), **others}


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise PoisonRecord("header_undecodable") from None


def _merge(raw: bytes, extras: dict[str, Any]) -> None:
    try:
        given = _object(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise PoisonRecord("extras_no_object") from None
    given.pop("kafka", None)  # where a record is, only the edge says
    if not isinstance(given.get("headers", {}), dict):
        raise PoisonRecord("extras_no_object")
    extras.update(given)
