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
    """What a client must see of a record that a service wrote."""
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset, "key": record.key}
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
