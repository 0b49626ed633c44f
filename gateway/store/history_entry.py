"""
One message of a history, as bytes in Redis.

Text and bytes are told apart by where they stand: one MessagePack value cannot be of either type for the decoder. Fields
are told by position, so an entry is as long as what is in it; another order is another `FORMAT` of `core.retention`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from gateway.core.message import Message


class HistoryEntry(NamedTuple):
    """One message of a channel, and its offset in the partition. The message has no serial: that is its place."""

    offset: int
    message: Message


class _Packed(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    offset: int
    id: str
    timestamp: int
    text: str | None = None
    binary: bytes | None = None
    encoding: str | None = None
    name: str | None = None
    client_id: str | None = None
    connection_id: str | None = None
    extras: Any = None  # `Extras` is written as the dict that it stands for


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Packed]).decode


def pack(offset: int, message: Message) -> bytes:
    """Write an entry down; everything of the message but its serial."""
    data = message.data
    return _encode(
        _Packed(
            offset,
            message.id,
            message.timestamp,
            data if isinstance(data, str) else None,
            data if isinstance(data, bytes) else None,
            message.encoding,
            message.name,
            message.client_id,
            message.connection_id,
            message.extras,
        )
    )


def unpack(packed: bytes) -> list[HistoryEntry]:
    """
    Read an array of entries.

    Raises:
        msgspec.DecodeError: If it is something else.
    """
    return [
        HistoryEntry(
            one.offset,
            Message(
                id=one.id,
                timestamp=one.timestamp,
                name=one.name,
                data=one.text if one.binary is None else one.binary,
                encoding=one.encoding,
                client_id=one.client_id,
                connection_id=one.connection_id,
                extras=one.extras,
            ),
        )
        for one in _decode(packed)
    ]
