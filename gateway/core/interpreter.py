"""What a record means by the settings: whose it is, and what a client sees of it. The same for all who read Kafka."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.core.message import Message, Place
from gateway.core.record import HeaderRule, message_of
from gateway.core.routing import PoisonRecord, Router


class Record(Protocol):
    """What Kafka's client gives."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Interpreter:
    """
    Reads records.

    Args:
        router: Which channel a record is for.
        namespaces: How its headers are read, by namespace.
        max_record_bytes: A longer one is poison.
    """

    def __init__(self, router: Router, namespaces: Mapping[str, HeaderRule], max_record_bytes: int) -> None:
        self._router = router
        self._namespaces = namespaces
        self._max_record_bytes = max_record_bytes

    def read(self, record: Record) -> tuple[str, Message, int]:
        """
        All of it at once, in one step, for who needs every record.

        Returns:
            The channel, the message, and the bytes of key and value.

        Raises:
            PoisonRecord: If no message can be made of it.
        """
        topic, key, value = record.topic, record.key, record.value
        size_bytes = len(value or b"") + len(key or b"")
        if size_bytes > self._max_record_bytes:
            raise PoisonRecord("too_large")
        namespace, channel = self._router.channel_of(topic, key)
        place = Place(topic, record.partition, record.offset, (key or b"").decode())
        message = message_of(place, record.timestamp, value, record.headers, self._namespaces[namespace])
        return channel, message, size_bytes

    def channel_of(self, record: Record) -> tuple[str, str]:
        """
        Whose a record is, which costs little.

        Returns:
            Namespace and channel.

        Raises:
            PoisonRecord: If it is too long, or of no channel.
        """
        if size_of(record) > self._max_record_bytes:
            raise PoisonRecord("too_large")
        return self._router.channel_of(record.topic, record.key)

    def message_of(self, record: Record, namespace: str) -> Message:
        """
        What a client sees of a record whose channel is known.

        Raises:
            PoisonRecord: If a header cannot be read.
        """
        key = (record.key or b"").decode()
        place = Place(record.topic, record.partition, record.offset, key)
        return message_of(place, record.timestamp, record.value, record.headers, self._namespaces[namespace])


def size_of(record: Record) -> int:
    """Of key and value, in bytes."""
    return len(record.value or b"") + len(record.key or b"")
