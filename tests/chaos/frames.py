"""Protocol messages, as far as the small client goes by them; the messages in them are the checker's to read."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import msgspec

from tests.checker.messages import Wire

RESUMED = 1 << 2


class Action(enum.IntEnum):
    """PROTOCOL.md section 2."""

    ACK = 1
    NACK = 2
    CONNECTED = 4
    DISCONNECTED = 6
    ERROR = 9
    ATTACH = 10
    ATTACHED = 11
    DETACH = 12
    DETACHED = 13
    MESSAGE = 15


class Fault(msgspec.Struct):
    """`error`."""

    code: int | None = None
    message: str | None = None


class Details(msgspec.Struct, rename="camel"):
    """`connectionDetails`."""

    connection_key: str | None = None


class Result(msgspec.Struct):
    """One of `res`."""

    serials: list[str | None]


class Frame(msgspec.Struct, rename="camel"):
    """What the server says."""

    action: int
    channel: str | None = None
    channel_serial: str | None = None
    flags: int = 0
    error: Fault | None = None
    connection_id: str | None = None
    connection_details: Details | None = None
    msg_serial: int | None = None
    count: int | None = None
    res: list[Result] = []

    @property
    def code(self) -> int | None:
        """Of its error, if there is one."""
        return None if self.error is None else self.error.code


decode: dict[Wire, Callable[[bytes], Frame]] = {
    "json": msgspec.json.Decoder(Frame).decode,
    "msgpack": msgspec.msgpack.Decoder(Frame).decode,
}
encode: dict[Wire, Callable[[Any], bytes]] = {"json": msgspec.json.encode, "msgpack": msgspec.msgpack.encode}
