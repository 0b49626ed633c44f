"""
Which ids were published lately, so that a publication that is repeated is delivered once.

A client that hears no ACK sends again; an edge that dies after Kafka took a message never says so. The copy has the same
id, and is of the same client (`Message.copy_id`). Every edge reads the same records in the same order and remembers ids
for the same *record* time, so all of them drop the same copies, whichever edge wrote them.

    first      a record of this id, and none within the seconds before it: delivered, remembered
    copy       within REMEMBERED_SECONDS of the one before, be that the first or a copy: dropped, and its publisher is told
               the first one's serial

So whether a record is a copy depends on the two minutes before it and on nothing else, and an edge that starts has only
to read so much before what it serves.

Who reads the past again begins somewhere, and the first of a copy may lie before that. So the tail, which goes without a
break, also remembers where the copies lie that it dropped, for longer than two minutes, since there are few of them.

Bounded in count: over it the oldest is forgotten, and a copy that comes so late is delivered once more.

Source: PROTOCOL.md section 5; RSL1k, RTN19a.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.message import Message, record_id

REMEMBERED_SECONDS = 120.0
REMEMBERED_OF_THE_PAST = 100_000  # ids, for those who read records again
REMEMBERED_COPIES = 50_000


class _Remembered(NamedTuple):
    """When an id was read last, and where its first record lies."""

    timestamp_ms: int
    serial: str


class Duplicates:
    """
    The ids of the last two minutes of record time, per channel.

    Args:
        max_ids: How many are remembered.
    """

    def __init__(self, max_ids: int) -> None:
        self._max_ids = max_ids
        self._firsts: dict[tuple[str, str], _Remembered] = {}
        self._copies: dict[str, None] = {}
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._firsts)

    def is_copy(self, channel: str, copy_id: str, serial: str, timestamp_ms: int) -> bool:
        """Whether a record was published before; if not, it is remembered."""
        key = (channel, copy_id)
        before = self._firsts.pop(key, None)  # re-inserted at the young end
        is_copy = (
            before is not None
            and before.serial != serial  # the same record, read again
            and timestamp_ms - before.timestamp_ms <= REMEMBERED_SECONDS * 1000
        )
        first_serial = before.serial if before is not None and is_copy else serial
        self._firsts[key] = _Remembered(timestamp_ms, first_serial)
        if is_copy:
            self.dropped += 1
            self._note_copy(serial)
        self._forget(timestamp_ms)
        return is_copy

    def was_copy(self, serial: str) -> bool:
        """Whether the record there was found to be a copy, and that is remembered."""
        return serial in self._copies

    def keeps(self, channel: str, message: Message, topic: str, partition: int, offset: int) -> bool:
        """
        Whether a message is for those who come later: it is no copy, and was not only for those who listened then.

        Args:
            topic: With *partition* and *offset*: where its record is.
        """
        if message.is_ephemeral:
            return False
        if not message.has_own_id(topic, partition, offset):
            return True
        return not self.is_copy(channel, message.copy_id, record_id(topic, partition, offset), message.timestamp)

    def serial_of(self, channel: str, copy_id: str) -> str | None:
        """Where the first of this id lies, if it was read and is remembered."""
        first = self._firsts.get((channel, copy_id))
        return None if first is None else first.serial

    def _note_copy(self, serial: str) -> None:
        self._copies[serial] = None
        if len(self._copies) > REMEMBERED_COPIES:
            del self._copies[next(iter(self._copies))]

    def _forget(self, now_ms: int) -> None:
        """Let go of what is too old or too much: two at most, so that it keeps up and never takes long."""
        horizon_ms = now_ms - REMEMBERED_SECONDS * 1000
        for _ in range(2):
            oldest = next(iter(self._firsts))
            if len(self._firsts) <= self._max_ids and self._firsts[oldest].timestamp_ms >= horizon_ms:
                return
            del self._firsts[oldest]
