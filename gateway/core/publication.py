"""
What a client wants to publish: read, checked, and made into records.

    MESSAGE.messages or a REST body ─▶ read_published ─▶ checked against who it is ─▶ records of one channel, all or nothing

Data is kept as the app meant it: base64 belongs to a wire format and is taken off here, ciphertext and other encodings
pass through untouched.

Source: PROTOCOL.md section 5; RSL1, RSL4, RSL6, RTL6, TM2, TM6.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from auth.errors import AuthError
from auth.principal import Principal, check_client_id
from gateway.core.message import Message
from gateway.core.names import parse_channel_name
from gateway.core.published import OutgoingRecord, Publisher, record_of
from gateway.core.routing import Router, Source
from gateway.core.wire import Format
from gateway.errors import (
    BadData,
    BadMessageId,
    BadRequest,
    ChannelDenied,
    ClientIdRefused,
    MessageTooLarge,
    NoSuchChannel,
    NotOffered,
)
from gateway.schema import Schema

MAX_MESSAGES = 1000
MAX_ID_BYTES = 256
CREATE = 0
WHAT_JSON_HAS = "what JSON has: no bytes, no times, no NaN, and names that are text"


class PublishedMessage(msgspec.Struct, rename="camel"):
    """One message as clients send it; what they may not decide (timestamp, connectionId, serial) is not read."""

    id: str | None = None
    name: str | None = None
    data: Any = None
    encoding: str | None = None
    client_id: str | None = None
    extras: dict[str, Any] | None = None
    action: int | None = None


class Publication(NamedTuple):
    """
    Messages of one channel that Kafka takes together or not at all.

    Args:
        may_be_copy: Whether it may have been published before: its id is the client's own, or its connection was resumed.
    """

    channel: str
    source: Source
    records: Sequence[OutgoingRecord]
    size_bytes: int
    may_be_copy: bool


class Publishing(NamedTuple):
    """
    Who publishes, and what the edge demands of it.

    Args:
        connection_id: None over REST.
        base_id: What the ids of messages without one begin with; unique to this publication.
        is_resumed: Whether the connection was resumed, so that this may be sent for the second time.
        schemas: What data must look like, by namespace; absent: as it likes.
    """

    principal: Principal
    connection_id: str | None
    base_id: str
    is_resumed: bool
    max_bytes: int
    schemas: Mapping[str, Schema] = MappingProxyType({})


_json = msgspec.json.Decoder(list[PublishedMessage] | PublishedMessage).decode
_msgpack = msgspec.msgpack.Decoder(list[PublishedMessage] | PublishedMessage).decode


def read_published(wire: Format, raw: bytes | None) -> list[PublishedMessage]:
    """
    Read the messages of a MESSAGE frame or of a REST body: an array, or one alone.

    Raises:
        BadRequest: If it is neither, is empty or far too long.
    """
    if not raw:
        raise BadRequest("there is no message to publish")
    try:
        read = (_json if wire.is_text else _msgpack)(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"this is neither a message nor an array of messages: {error}") from None
    messages = read if isinstance(read, list) else [read]
    if not 0 < len(messages) <= MAX_MESSAGES:
        raise BadRequest(f"between 1 and {MAX_MESSAGES} messages can be published together")
    return messages


def publication_of(
    router: Router, by: Publishing, channel_text: str | None, messages: Sequence[PublishedMessage]
) -> Publication:
    """
    Check messages and make records of them.

    Raises:
        GatewayError: With the code that the client is to hear: 40000, 40009, 40010, 40012, 40013, 40020, 40031, 40160, 40400.
    """
    channel = parse_channel_name(channel_text).name
    source = router.source_of(channel)
    if source is None:
        raise NoSuchChannel("no namespace of this server has channels of this name")
    if not by.principal.capability.allows("publish", channel):
        raise ChannelDenied("the token does not allow publishing on this channel; ask for one whose capability does")
    ids = _ids(messages, by.base_id)
    client_id = by.principal.client_id
    read = [
        _message(message, message_id, _client_id(message.client_id, by.principal) or client_id)
        for message, message_id in zip(messages, ids, strict=True)
    ]
    size_bytes = sum(map(_size_bytes, read))
    if size_bytes > by.max_bytes:
        raise MessageTooLarge(f"the messages have {size_bytes} bytes; at most {by.max_bytes} can be published together")
    schema = by.schemas.get(source.namespace)
    if schema is not None:
        for message in read:
            schema.check(message.data, message.encoding)
    publisher = Publisher(by.principal.app_id, by.principal.key_name, by.connection_id)
    records = [record_of(message, source.key, publisher) for message in read]
    return Publication(channel, source, records, size_bytes, by.is_resumed or messages[0].id is not None)


def _ids(messages: Sequence[PublishedMessage], base_id: str) -> list[str]:
    """The client's own ids, or ones that a copy of this publication would get as well (RSL1k)."""
    given = [message.id for message in messages]
    if not any(given):
        return [f"{base_id}:{index}" for index in range(len(messages))]
    ids = [one for one in given if one]
    if any(len(one.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES or not one.isprintable() for one in ids):
        raise BadMessageId(f"a message's id has at most {MAX_ID_BYTES} bytes and no control characters")
    if len(ids) == 1 and len(messages) == 1:
        return ids
    base = ids[0].rpartition(":")[0]
    if len(ids) < len(given) or not base or ids != [f"{base}:{index}" for index in range(len(ids))]:
        raise BadMessageId("messages that are published together have no ids, or ids of the form base:0, base:1, …")
    return ids


def _client_id(asked: str | None, principal: Principal) -> str | None:
    if asked is None or asked == principal.client_id:
        return asked
    may_be_anybody = principal.is_wildcard or (principal.method == "basic" and principal.client_id is None)
    if not may_be_anybody:
        raise ClientIdRefused("a message's clientId must be that of the connection; leave it out")
    try:
        return check_client_id(asked)
    except AuthError as error:
        raise ClientIdRefused(error.message) from None


def _message(given: PublishedMessage, message_id: str, client_id: str | None) -> Message:
    if given.action not in (None, CREATE):
        raise NotOffered("messages can be published, but not updated or deleted afterwards")
    data, encoding = _data(given.data, given.encoding)
    return Message(
        id=message_id,
        timestamp=0,
        name=given.name,
        data=data,
        encoding=encoding,
        client_id=client_id,
        extras=_extras(given.extras),
    )


def _extras(extras: dict[str, Any] | None) -> dict[str, Any] | None:
    if extras is not None and not isinstance(extras.get("headers", {}), dict | None):
        raise BadRequest("extras.headers must be an object")
    if extras and _json_of(extras) is None:
        raise BadRequest(f"extras can hold {WHAT_JSON_HAS}")
    return extras


def _json_of(value: Any) -> bytes | None:
    """As JSON; None if that would be something else, as with MessagePack's bytes, times and keys that are no text."""
    try:
        text = msgspec.json.encode(value)
        return text if msgspec.json.decode(text) == value else None
    except (TypeError, ValueError, RecursionError):
        return None


def _data(data: Any, encoding: str | None) -> tuple[str | bytes | None, str | None]:
    """Data as the app meant it, without the base64 of a wire format (RSL4, RSL6)."""
    if isinstance(data, dict | list):
        text = _json_of(data)
        if text is None:
            raise BadData(f"an object or array can hold {WHAT_JSON_HAS}")
        data, encoding = text.decode(), f"{encoding}/json" if encoding else "json"
    if data is not None and not isinstance(data, str | bytes):
        raise BadData("data must be text, bytes, an object or an array")
    if not encoding or data is None:
        return data, encoding or None
    rest, _, last = encoding.rpartition("/")
    if last != "base64":
        return data, encoding
    try:
        return base64.b64decode(data, validate=True), rest or None
    except (binascii.Error, ValueError):
        raise BadData("the encoding says base64, which the data is not") from None


def _size_bytes(message: Message) -> int:
    """As TM6 counts: name, clientId, extras as JSON, and data."""
    texts = (message.name, message.client_id)
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts if text)
    if message.extras:
        size += len(msgspec.json.encode(message.extras))
    data = message.data
    return size + len(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data or b"")
