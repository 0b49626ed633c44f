"""What is so: which records make which channel, in each life of each topic."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.checker.messages import Message, Record, message_of
from tests.checker.positions import Position


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
        self.records = 0

    def add(self, record: Record, life: int = 0) -> None:
        """Note a record; records of a partition come in the order of their offsets."""
        channels = self._lives[record.topic][life]
        log = channels.setdefault(f"{self._namespaces[record.topic]}:{record.key}", ChannelLog(record.partition))
        if log.partition != record.partition or (log.offsets and log.offsets[-1] >= record.offset):
            raise ValueError(f"{record.topic}:{record.partition}:{record.offset} is out of order, or its key moved")
        log.offsets.append(record.offset)
        log.messages.append(message_of(record))
        self.records += 1

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
