"""
A published message as a record, and back, without loss.

    value      the data: UTF-8 text, or bytes as they are; empty where there is none
    headers    lastmile          1 text | 1 bytes | 1 none: this record was written by an edge, and what its value is
               id                the message's id, by which a copy is told
               name, encoding    as published; the encoding without the base64 that belongs to a wire format
               clientId, connectionId, lastmile-app, lastmile-key    who published, as the edge knows it
               extras            the rest of the extras, a JSON object
               any other         one of extras.headers, as text

A service in any language reads the value and the headers that it cares for. Only the edge writes the headers that say
who published: a client's own headers of these names travel inside ``extras``.

Source: PROTOCOL.md section 5; TM2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.core.message import Message, copy_id

MARK = "lastmile"
APP, KEY = "lastmile-app", "lastmile-key"
_VERSION = "1"
_TEXT, _BYTES, _NONE = f"{_VERSION} text".encode(), f"{_VERSION} bytes".encode(), f"{_VERSION} none".encode()
_OURS = frozenset({MARK, APP, KEY, "id", "name", "encoding", "clientId", "connectionId", "extras"})
_RESERVED = frozenset(name.casefold() for name in _OURS)  # a service that does not look at case must not be misled
_json = msgspec.json.Encoder(order="deterministic").encode
_object = msgspec.json.Decoder(dict[str, Any]).decode

Headers = Sequence[tuple[str, bytes | None]]


class UnreadablePublication(ValueError):
    """A record has the mark of an edge and is not as an edge writes it."""


class Publisher(NamedTuple):
    """Who published: stamped by the edge, never taken from the client."""

    app_id: str
    key_name: str | None
    connection_id: str | None


class OutgoingRecord(NamedTuple):
    """What goes to Kafka."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    id: str
    copy_id: str = ""  # of what is no publication: the audit journal's lines


def record_of(message: Message, key: str, publisher: Publisher) -> OutgoingRecord:
    """
    Make a record of a message that a client published.

    Args:
        message: With raw data; its id and clientId are checked already.
        key: Record key of its channel.
    """
    value, mark = _value(message.data)
    headers = [(MARK, mark), ("id", message.id.encode())]
    for name, text in (
        ("name", message.name),
        ("encoding", message.encoding),
        ("clientId", message.client_id),
        ("connectionId", publisher.connection_id),
        (APP, publisher.app_id),
        (KEY, publisher.key_name),
    ):
        if text is not None:
            headers.append((name, text.encode()))
    headers += _extras(message.extras if isinstance(message.extras, dict) else {})
    common = copy_id(message.id, message.client_id, publisher.connection_id)
    return OutgoingRecord(key.encode(), value, headers, message.id, common)


def mark_of(headers: Headers) -> bytes | None:
    """The mark of a record that an edge wrote; None for everybody else's."""
    for name, raw in headers:
        if name == MARK:
            return raw
    return None


def restore(message: Message, mark: bytes, value: bytes | None, headers: Headers) -> None:
    """
    Fill *message* with what was published.

    Raises:
        UnreadablePublication: If the record is not as an edge writes it.
    """
    known: dict[str, bytes] = {}
    others: dict[str, str] = {}
    for name, raw in headers:
        if raw is None:
            continue
        if name in _OURS:
            known[name] = raw
        else:
            others[name] = raw.decode(errors="replace")
    try:
        message.data = _data(mark, value or b"")
        message.id = known["id"].decode() if "id" in known else message.id
        message.name = _text(known, "name")
        message.encoding = _text(known, "encoding")
        message.client_id = _text(known, "clientId")
        message.connection_id = _text(known, "connectionId")
        extras = _object(known["extras"]) if "extras" in known else {}
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors too
        raise UnreadablePublication(str(error)) from None
    if others:
        extras["headers"] = {**others, **(extras.get("headers") or {})}
    message.extras = extras


def _value(data: str | bytes | None) -> tuple[bytes, bytes]:
    if data is None:
        return b"", _NONE
    return (data.encode(), _TEXT) if isinstance(data, str) else (data, _BYTES)


def _data(mark: bytes, value: bytes) -> str | bytes | None:
    if mark == _TEXT:
        return value.decode()
    if mark == _BYTES:
        return value
    if mark == _NONE:
        return None
    raise UnreadablePublication("the mark is of no version that is known")


def _text(known: Mapping[str, bytes], name: str) -> str | None:
    raw = known.get(name)
    return None if raw is None else raw.decode()


def _extras(extras: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """Text headers of the app as headers of the record, everything else as one JSON object."""
    rest = {name: value for name, value in extras.items() if name not in ("headers", "kafka")}
    given = extras.get("headers") or {}
    plain = {name: text for name, text in given.items() if isinstance(text, str) and _can_be_header(name)}
    left = {name: value for name, value in given.items() if name not in plain}
    if "headers" in extras and (left or not plain):
        rest["headers"] = left or extras["headers"]
    headers = [(name, text.encode()) for name, text in plain.items()]
    return [*headers, ("extras", _json(rest))] if rest else headers


def _can_be_header(name: str) -> bool:
    plain = name.strip().casefold()
    return bool(plain) and plain not in _RESERVED and not plain.startswith("lastmile")
