"""What a record is to those who read it again."""

from __future__ import annotations

from typing import Any

from gateway.core.duplicates import Duplicates
from gateway.core.entry import Entry
from gateway.core.interpreter import Interpreter, size_of
from gateway.core.routing import PoisonRecord
from gateway.core.serial import Serial


def entry_of(
    interpreter: Interpreter, duplicates: Duplicates, generation: str, record: Any, channel: str
) -> Entry | None:
    """
    The message of a record for those who come later.

    Args:
        duplicates: The ids that were read before it, by the same reader.
        channel: Whose its key says that it is.

    Returns:
        None for another channel's, for copies and what was only for those who listened then, and for poison, which the
        tail has met too, counted and logged.
    """
    try:
        namespace, of_channel = interpreter.channel_of(record)
        if of_channel != channel:
            return None
        message = interpreter.message_of(record, namespace)
    except PoisonRecord:
        return None
    if not duplicates.keeps(channel, message, record.topic, record.partition, record.offset):
        return None
    return Entry(record.topic, Serial(generation, record.partition, record.offset), channel, message, size_of(record))
