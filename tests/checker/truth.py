"""What is so: which records make which channel, in each life of each topic."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.checker.messages import Message, Record, copy_key, message_of
from tests.checker.positions import Position

COPY_SECONDS = 120  # PROTOCOL.md section 5: after so much record time the same id is another message


@dataclass
class ChannelLog:
    """The messages of a channel in one life of its topic, in order."""

    partition: int = 0
    offsets: list[int] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    def index_at(self, position: Position) -> int | None:
        """How many messages a position covers; None if it is of another partition than the channel."""
        if not self.offsets:
            return 0
        next_offset = position.next_offset(self.partition)
        return None if next_offset is None else bisect_left(self.offsets, next_offset)

    def index_of(self, offset: int) -> int | None:
        """Which message has an offset; None if none has."""
        index = bisect_left(self.offsets, offset)
        return index if index < len(self.offsets) and self.offsets[index] == offset else None


class UnknownLife(LookupError):
    """A generation that no life of the topic is known to have."""


class _Published(NamedTuple):
    """When a record of an id came last, and where the one lies that counts."""

    timestamp_ms: int
    offset: int


class Truth:
    """
    What Kafka holds, or has acknowledged, by topic, life and channel.

    Args:
        topics: Topic of each namespace; a channel is ``namespace:key``.
    """

    def __init__(self, topics: Mapping[str, str]) -> None:
        self._topics = topics
        self._namespaces = {topic: namespace for namespace, topic in topics.items()}
        self._lives: dict[str, list[dict[str, ChannelLog]]] = {topic: [{}] for topic in self._namespaces}
        self._numbers: dict[tuple[str, str], int] = {}
        self._published: dict[tuple[str, str | None, str | None], _Published] = {}
        self.records = 0
        self.copies = 0

    def add(self, record: Record, life: int = 0) -> None:
        """
        Note a record; records of a partition come in the order of their offsets.

        A copy of what was published before is nobody's message.
        """
        channels, channel = self._lives[record.topic][life], f"{self._namespaces[record.topic]}:{record.key}"
        log = channels.setdefault(channel, ChannelLog(record.partition))
        if log.partition != record.partition or (log.offsets and log.offsets[-1] >= record.offset):
            raise ValueError(f"{record.topic}:{record.partition}:{record.offset} is out of order, or its key moved")
        self.records += 1
        message = message_of(record)
        if self._is_copy(channel, message, record):
            self.copies += 1
        else:
            log.offsets.append(record.offset)
            log.messages.append(message)

    def offset_of(self, channel: str, copy: tuple[str | None, str | None]) -> int | None:
        """Where the message lies that was published under an id, see `copy_key`; None if it is not in Kafka."""
        found = self._published.get((channel, *copy))
        return None if found is None else found.offset

    def _is_copy(self, channel: str, message: Message, record: Record) -> bool:
        if message.id is None or message.id.startswith(f"{record.topic}:"):
            return False
        key = (channel, *copy_key(message))
        before = self._published.get(key)
        is_copy = before is not None and record.timestamp - before.timestamp_ms <= COPY_SECONDS * 1000
        self._published[key] = _Published(record.timestamp, before.offset if before and is_copy else record.offset)
        return is_copy

    def begin_life(self, topic: str) -> int:
        """The topic was recreated. Returns: the number of its new life."""
        self._lives[topic].append({})
        return len(self._lives[topic]) - 1

    def name_life(self, topic: str, life: int, generation: str) -> None:
        """Clients are shown a life as this generation."""
        self._numbers[topic, generation] = life

    def life_of(self, channel: str, generation: str) -> int:
        """
        Which life of a channel's topic a generation names. Of a topic that has only one, the first name that comes is it.

        Raises:
            UnknownLife: If it names none.
        """
        topic = self._topics[namespace_of(channel)]
        number = self._numbers.get((topic, generation))
        if number is None:
            if any(of == topic and life == 0 for (of, _), life in self._numbers.items()):
                raise UnknownLife(f"no life of {topic} is called {generation}")
            number = self._numbers[topic, generation] = 0
        return number

    def log(self, channel: str, life: int) -> ChannelLog:
        """The messages of a channel in a life of its topic."""
        return self._lives[self._topics[namespace_of(channel)]][life].get(channel) or ChannelLog()

    def newest_life(self, channel: str) -> int:
        """The number of the present life of its topic."""
        return len(self._lives[self._topics[namespace_of(channel)]]) - 1


def namespace_of(channel: str) -> str:
    """The part before the first colon."""
    return channel.partition(":")[0]
