"""What a client must see of a record (PROTOCOL.md section 5, read anew), and what it did see of a frame."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

Wire = Literal["json", "msgpack"]
Headers = Sequence[tuple[str, bytes | None]]


class Message(msgspec.Struct, rename="camel"):
    """A message; without base64, which belongs to a wire format, and without its serial, which Kafka does not know."""

    id: str | None = None
    timestamp: int | None = None
    name: str | None = None
    data: Any = None
    encoding: str | None = None
    client_id: str | None = None
    connection_id: str | None = None
    extras: dict[str, Any] | None = None
    serial: str | None = None


class _Frame(msgspec.Struct):
    messages: list[Message]


class Record(NamedTuple):
    """What Kafka holds, as far as clients see it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: str
    value: bytes | None
    headers: Headers = ()


_OF_EDGES = ("lastmile", "lastmile-app", "lastmile-key", "id", "name", "encoding", "clientId", "connectionId", "extras")
_decoders = {"json": msgspec.json.Decoder(_Frame), "msgpack": msgspec.msgpack.Decoder(_Frame)}


def messages_in(frame: bytes, wire: Wire) -> list[Message]:
    """The messages of a frame with action 15, each with its serial."""
    messages = _decoders[wire].decode(frame).messages
    for message in messages:
        rest, _, last = (message.encoding or "").rpartition("/")
        if last == "base64":
            message.data, message.encoding = base64.b64decode(message.data), rest or None
    return messages


def message_of(record: Record) -> Message:
    """What a client must see of a record."""
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset, "key": record.key}
    mark = next((raw for name, raw in record.headers if name == "lastmile"), None)
    return _written(record, place) if mark is None else _published(record, place, mark)


def copy_key(message: Message) -> tuple[str | None, str | None]:
    """What a published message has in common with its copies: an edge's id is the same for everybody, one of the client's own is its."""
    is_edges = message.connection_id is not None and (message.id or "").startswith(f"{message.connection_id}:")
    return (None if is_edges else message.client_id, message.id)


def _published(record: Record, place: dict[str, Any], mark: bytes) -> Message:
    known = {name: raw.decode() for name, raw in record.headers if raw is not None}
    value = record.value or b""
    extras = {"kafka": place, **json.loads(known.get("extras", "{}"))}
    others = {name: text for name, text in known.items() if name not in _OF_EDGES}
    if others:
        extras["headers"] = others
    return Message(
        id=known["id"],
        timestamp=record.timestamp,
        name=known.get("name"),
        data={b"1 text": value.decode, b"1 bytes": lambda: value, b"1 none": lambda: None}[mark](),
        encoding=known.get("encoding"),
        client_id=known.get("clientId"),
        connection_id=known.get("connectionId"),
        extras=extras,
    )


def _written(record: Record, place: dict[str, Any]) -> Message:
    data, encoding = _data(record.value)
    message = Message(
        id=f"{record.topic}:{record.partition}:{record.offset}",
        timestamp=record.timestamp,
        name="deleted" if record.value is None else None,
        data=data,
        encoding=encoding,
        extras={"kafka": place},
    )
    others = {}
    for name, value in record.headers:
        if value is None:
            continue
        if name == "name":
            message.name = value.decode()
        elif name == "clientId":
            message.client_id = value.decode()
        else:
            others[name] = value.decode(errors="replace")
    if others:
        message.extras = {"kafka": place, "headers": others}
    return message


def _data(value: bytes | None) -> tuple[str | bytes | None, str | None]:
    if value is None:
        return None, None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value, None
    try:
        is_json = isinstance(json.loads(text), dict | list)
    except ValueError:
        is_json = False
    return text, "json" if is_json else None
