"""What a client sees of one record."""

from __future__ import annotations

from typing import Any

import msgspec


def record_id(topic: str, partition: int, offset: int) -> str:
    """The id of a message whose producer gave it none: where its record is."""
    return f"{topic}:{partition}:{offset}"


def copy_id(message_id: str, client_id: str | None, connection_id: str | None) -> str:
    """
    What a message and its copies have in common: the id, and whose it is.

    Subscribers see ids, and can tell the next one of a connection from the last. Whoever publishes under the id that
    somebody else's message will have must not make that one look like a copy.

    Returns:
        The id that an edge made of the connection's own, or the client with the id that it chose; never the same text.
    """
    if connection_id and message_id.startswith(f"{connection_id}:"):
        return message_id
    return f"{client_id or ''}\n{message_id}"  # which no id that a client may choose has in it


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a record is, and its key as text; ``extras.kafka`` on the wire."""

    topic: str
    partition: int
    offset: int
    key: str


class Extras(msgspec.Struct, frozen=True, gc=False):
    """What most messages have for extras: a place and nothing else, for which a dict would be waste."""

    kafka: Place


class Message(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """
    One message as it leaves for a device.

    *data* is raw: text, or bytes that the JSON wire will carry as base64. *encoding* is the chain of the payload itself
    (``json``, ``utf-8/cipher+aes-256-cbc/…``) without the base64 that belongs to a wire format.

    Args:
        id: ``topic:partition:offset`` unless the producer gave one.
        timestamp: The record's, in milliseconds since the epoch.
        extras: ``headers`` (text), ``kafka`` (topic, partition, offset, key) and what the producer put there.
        serial: The position in the channel, see core.serial.

    Source: PROTOCOL.md section 5; TM2.
    """

    id: str
    timestamp: int
    name: str | None = None
    data: str | bytes | None = None
    encoding: str | None = None
    client_id: str | None = None
    connection_id: str | None = None
    extras: Extras | dict[str, Any] | None = None
    serial: str | None = None

    def has_own_id(self, topic: str, partition: int, offset: int) -> bool:
        """Whether its producer gave it an id, by which a copy is told; args: where its record is."""
        return self.id != record_id(topic, partition, offset)

    @property
    def copy_id(self) -> str:
        """What its copies have too, see the function."""
        return copy_id(self.id, self.client_id, self.connection_id)

    @property
    def is_ephemeral(self) -> bool:
        """Whether it is for those who listen now, and for nobody who comes later."""
        return isinstance(self.extras, dict) and self.extras.get("ephemeral") is True
