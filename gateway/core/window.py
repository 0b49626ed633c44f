"""
The tail's recent memory: what was read lately, per channel, and what that proves.

    order      oldest ◀── e e e e e e e e ──▶ newest        one queue over all channels, bounded in bytes and seconds
    logs       channel → its entries in `order`
    forgotten  channel → offset and sequence of its newest message that fell off `order`      bounded in count
    floor      partition → the lowest offset from which everything was read and is either held or in `forgotten`

A client that has everything up to offset *o* of its channel lacks nothing that is not in the log exactly when

    forgotten[channel] <= o        if the channel is in `forgotten`
    floor[partition] <= o + 1      otherwise

so a channel that has been quiet for hours is proven whole although the window holds minutes. Everything leaves from the
old end only; that is what keeps the two lines above true. Whatever breaks the sequence (a topic recreated, records lost
to retention) empties the affected part and raises its floor.

Entries also carry a *sequence*, the order of arrival on this edge. Cursors of slow readers are sequences: they never
leave the process, and need no knowledge of partitions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from gateway.core.channel_log import ChannelLog
from gateway.core.entry import Entry
from gateway.core.life import Life
from gateway.core.serial import Position, Serial
from gateway.errors import KafkaUnavailable


class Window:
    """
    The recent messages of all channels, bounded.

    Args:
        max_bytes: Of payloads and their overhead, over all channels together.
        max_seconds: How long a message is held after it was read.
        remembered_channels: How many channels' newest forgotten offsets are kept.
    """

    def __init__(self, *, max_bytes: int, max_seconds: float, remembered_channels: int) -> None:
        self.max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._remembered_channels = remembered_channels
        self._order: deque[Entry] = deque()
        self._logs: dict[str, ChannelLog] = {}
        self._forgotten: dict[str, tuple[str, int, int, int]] = {}
        self._lives: dict[str, Life] = {}
        self._watched: dict[str, tuple[int, int]] = {}
        self._evicted_at = 0.0
        self._unknown_until = 0
        self.sequence = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._order)

    # ------------------------------------------------------------------ writing

    def begin(self, topic: str, generation: str, next_offsets: Mapping[int, int], now: float) -> None:
        """Start a life of *topic*: forget what was read of a former one; reading goes on at *next_offsets*."""
        self._drop(topic)
        offsets = [next_offsets[p] for p in range(len(next_offsets))]
        self._lives[topic] = Life(generation, offsets, self.sequence, now)

    def extend(self, topic: str, generation: str, next_offsets: Mapping[int, int], now: float) -> None:
        """
        Take partitions in that were added to *topic*.

        Keys may lie elsewhere from now on, so positions of before prove nothing: the new generation refuses them, and
        the memory of where channels lay is dropped. What is held stays, for slow readers and for rewind.
        """
        offsets = {**dict(enumerate(self._lives[topic].next_offsets)), **next_offsets}
        self._unknown_until = self.sequence
        self._forgotten = {channel: of for channel, of in self._forgotten.items() if of[0] != topic}
        self._lives[topic] = Life(generation, [offsets[p] for p in range(len(offsets))], self.sequence, now)

    def append(self, entry: Entry, now: float) -> Entry:
        """Take a message in, at the new end of its channel; what no longer fits leaves at the old end."""
        self.sequence = entry.sequence = self.sequence + 1
        entry.received_at = now
        channel, partition, order = entry.channel, entry.partition, self._order
        life = self._lives[entry.topic]
        log = self._logs.get(channel)
        if log is None or (newest := log.entries[-1]).partition != partition or newest.sequence <= life.since:
            life.note_scatter(channel, self._partition_of(life, channel), partition)
        if log is None:
            log = self._logs[channel] = ChannelLog()
        log.entries.append(entry)
        order.append(entry)
        self.size_bytes += entry.size_bytes
        life.advance(partition, entry.offset + 1)
        if self.size_bytes > self.max_bytes or order[0].received_at < now - self._max_seconds:
            self.evict(now)
        return entry

    def advance(self, topic: str, partition: int, next_offset: int) -> None:
        """Everything below *next_offset* was read, whether or not it held messages."""
        self._lives[topic].advance(partition, next_offset)

    def interrupt(self, topic: str, partition: int, next_offset: int, now: float) -> None:
        """Records below *next_offset* were lost unread: nothing before it proves anything any more."""
        life = self._lives[topic]
        life.begun_at = now
        self._drop(topic, partition)
        life.restart(partition, next_offset)

    def evict(self, now: float) -> None:
        """Let go of what is too old or too much, oldest first."""
        horizon = now - self._max_seconds
        order = self._order
        while order and (self.size_bytes > self.max_bytes or order[0].received_at < horizon):
            self._forget(order.popleft())

    # ------------------------------------------------------------------ reading

    def entries(self, channel: str) -> Sequence[Entry]:
        """All that is held of a channel, oldest first."""
        log = self._logs.get(channel)
        return [] if log is None else log.entries[log.head :]

    def current_entries(self, topic: str, channel: str) -> tuple[Sequence[Entry], int]:
        """
        What is held of a channel since its topic is what it is now: their serials name one generation.

        Returns:
            The log itself, since a copy of a long one takes tens of milliseconds, and where in it they begin. Both are
            good until the next message.

        Raises:
            KafkaUnavailable: If the topic is not being read yet.
        """
        life = self.life(topic)
        log = self._logs.get(channel)
        return ((), 0) if log is None else (log.entries, log.after_sequence(life.since))

    def whole_since(self, topic: str, channel: str) -> float:
        """
        From when on all that reached Kafka for a channel is held.

        Returns:
            Seconds since the epoch; 0.0 if there never was anything that is not held.

        Raises:
            KafkaUnavailable: If the topic is not being read yet.
        """
        life = self.life(topic)
        return max(life.begun_at, self._evicted_at) if channel in self._forgotten else life.begun_at

    def life(self, topic: str) -> Life:
        """
        The current life of *topic*.

        Raises:
            KafkaUnavailable: If it is not being read yet.
        """
        life = self._lives.get(topic)
        if life is None:
            raise KafkaUnavailable("the topic behind this channel is not being read yet; attach again")
        return life

    def generation(self, topic: str) -> str | None:
        """The current life of *topic*, or None before its reading began."""
        life = self._lives.get(topic)
        return None if life is None else life.generation

    def position(self, topic: str, channel: str) -> Position:
        """The position of somebody who has everything of *channel* that was read so far."""
        life = self.life(topic)
        partition = self._partition_of(life, channel)
        if partition is None:
            return life.front
        return Serial(life.generation, partition, life.next_offsets[partition] - 1)

    def position_before(self, entry: Entry) -> Position:
        """The position of somebody who has everything of the channel up to, and not including, *entry*."""
        return self.position_at(entry.topic, entry.partition, entry.offset)

    def position_at(self, topic: str, partition: int, next_offset: int) -> Position:
        """The position of somebody who has everything of a channel of *partition* below *next_offset*."""
        return self.life(topic).position_at(partition, next_offset)

    def may_have_forgotten(self, channel: str, sequence: int) -> bool:
        """Whether messages of *channel* that came after *sequence* may have been held and are no longer."""
        forgotten = self._forgotten.get(channel)
        return sequence < self._unknown_until or (forgotten is not None and sequence < forgotten[3])

    def partitions(self, topic: str) -> int:
        """How many a topic has."""
        return len(self.life(topic).next_offsets)

    def next_offset(self, topic: str, partition: int) -> int:
        """How far a partition was read."""
        return self.life(topic).next_offsets[partition]

    def proven_from(self, topic: str, channel: str, partition: int) -> int:
        """The lowest offset from which on all of *channel* in *partition* is held."""
        forgotten = self._forgotten.get(channel)
        return self.life(topic).floors[partition] if forgotten is None else forgotten[2] + 1

    def partition_of(self, topic: str, channel: str) -> int | None:
        """Where the channel's messages lie; None if it has not spoken that anybody remembers."""
        return self._partition_of(self.life(topic), channel)

    def is_ahead(self, topic: str, position: Position) -> bool:
        """Whether another edge has read further than this one; what to answer is known a moment later."""
        return self.life(topic).is_ahead(position)

    def sequence_before(self, topic: str, channel: str, offset: int) -> int:
        """The sequence after which everything of *channel* came that lies after *offset* in its partition."""
        log = self._logs.get(channel)
        if log is None:
            return self.sequence
        at = log.after_offset(offset, self.life(topic).since)
        return log.entries[at].sequence - 1 if at < len(log.entries) else self.sequence

    def after(self, channel: str, cursor: int, limit_bytes: int) -> list[Entry]:
        """The next entries of *channel* after *cursor*: at least one if there is any, up to about *limit_bytes*."""
        log = self._logs.get(channel)
        if log is None:
            return []
        start = end = log.after_sequence(cursor)
        while end < len(log.entries) and limit_bytes > 0:
            limit_bytes -= log.entries[end].size_bytes
            end += 1
        return log.entries[start:end]

    # ------------------------------------------------------------------ slow readers

    def watch(self, channel: str) -> None:
        """Remember exactly what is forgotten of a channel from now on: somebody reads it by cursor."""
        readers, newest = self._watched.get(channel, (0, 0))
        self._watched[channel] = (readers + 1, newest)

    def unwatch(self, channel: str) -> None:
        """The counterpart of `watch`."""
        readers, newest = self._watched[channel]
        if readers == 1:
            del self._watched[channel]
        else:
            self._watched[channel] = (readers - 1, newest)

    def holds_after(self, channel: str, cursor: int) -> bool:
        """Whether all of a watched channel after *cursor* is still held."""
        return self._watched[channel][1] <= cursor

    # ------------------------------------------------------------------ inside

    def _partition_of(self, life: Life, channel: str) -> int | None:
        """Where the channel's messages lie in this life of its topic; None if it has not spoken that anybody remembers."""
        log = self._logs.get(channel)
        if log is not None and (newest := log.entries[-1]).sequence > life.since:
            return newest.partition
        forgotten = self._forgotten.get(channel)
        return None if forgotten is None else forgotten[1]

    def _forget(self, entry: Entry) -> None:
        self.size_bytes -= entry.size_bytes
        channel = entry.channel
        if not self._logs[channel].drop_oldest():
            del self._logs[channel]
        self._evicted_at = entry.received_at
        if channel in self._watched:
            self._watched[channel] = (self._watched[channel][0], entry.sequence)
        if entry.sequence <= self._lives[entry.topic].since:
            return  # where it lay says nothing of where the channel lies now
        forgotten = self._forgotten
        forgotten.pop(channel, None)  # re-inserted at the young end
        forgotten[channel] = (entry.topic, entry.partition, entry.offset, entry.sequence)
        if len(forgotten) > self._remembered_channels:
            topic, partition, offset, sequence = forgotten.pop(next(iter(forgotten)))
            self._unknown_until = max(self._unknown_until, sequence)
            life = self._lives[topic]
            life.begun_at = max(life.begun_at, self._evicted_at)
            life.floors[partition] = max(life.floors[partition], offset + 1)

    def _drop(self, topic: str, partition: int | None = None) -> None:
        """Forget a topic, or a partition of it, as if it had never been read."""
        self._unknown_until = self.sequence

        def is_kept(of: tuple[str, int]) -> bool:
            return of[0] != topic or partition not in (None, of[1])

        dropped = [entry for entry in self._order if not is_kept((entry.topic, entry.partition))]
        if dropped:
            self._order = deque(entry for entry in self._order if is_kept((entry.topic, entry.partition)))
        for entry in dropped:
            self.size_bytes -= entry.size_bytes
            if (log := self._logs.get(entry.channel)) is not None:
                log.entries = [other for other in log.entries[log.head :] if is_kept((other.topic, other.partition))]
                log.head = 0
                if not log.entries:
                    del self._logs[entry.channel]
        self._forgotten = {channel: of for channel, of in self._forgotten.items() if is_kept(of[:2])}
