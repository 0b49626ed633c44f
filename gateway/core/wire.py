"""
The messages of the wire and their two formats.

Decoding is strict about types and blind to what it does not know: unknown fields are skipped, ``null`` equals absent
(RTF1). Payloads of MESSAGE frames to devices are not built here but spliced in core.frames, once for all who get them.

Source: PROTOCOL.md sections 1 and 2; TR1 to TR4.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

import msgspec

from gateway.errors import BadRequest


class Action(IntEnum):
    """What a protocol message is about (TR2)."""

    HEARTBEAT = 0
    ACK = 1
    NACK = 2
    CONNECTED = 4
    DISCONNECT = 5
    DISCONNECTED = 6
    CLOSE = 7
    CLOSED = 8
    ERROR = 9
    ATTACH = 10
    ATTACHED = 11
    DETACH = 12
    DETACHED = 13
    PRESENCE = 14
    MESSAGE = 15
    SYNC = 16
    AUTH = 17
    OBJECT = 19
    OBJECT_SYNC = 20
    ANNOTATION = 21


class Flag(IntFlag):
    """Bits of ``flags`` (TR3)."""

    NONE = 0
    HAS_PRESENCE = 1 << 0
    HAS_BACKLOG = 1 << 1
    RESUMED = 1 << 2
    TRANSIENT = 1 << 4
    ATTACH_RESUME = 1 << 5
    PRESENCE = 1 << 16
    PUBLISH = 1 << 17
    SUBSCRIBE = 1 << 18
    PRESENCE_SUBSCRIBE = 1 << 19


MODES = Flag.PRESENCE | Flag.PUBLISH | Flag.SUBSCRIBE | Flag.PRESENCE_SUBSCRIBE


class WireError(msgspec.Struct, rename="camel", omit_defaults=True):
    """An error as clients read it (TI1)."""

    code: int
    status_code: int
    message: str = ""


class AuthDetails(msgspec.Struct, rename="camel", omit_defaults=True):
    """The new token of an AUTH message (AD1)."""

    access_token: str | None = None


class Lag(msgspec.Struct):
    """How far this edge's reading is behind the end of what feeds a namespace."""

    records: int
    milliseconds: int


class ConnectionDetails(msgspec.Struct, rename="camel", omit_defaults=True):
    """What a client learns of its connection (CD2). Times in milliseconds, sizes in bytes."""

    connection_key: str
    max_message_size: int
    max_frame_size: int
    connection_state_ttl: int
    max_idle_interval: int
    server_id: str
    client_id: str | None = None
    max_inbound_rate: int | None = None
    lag: dict[str, Lag] | None = None


class PublishResult(msgspec.Struct):
    """The serials that one acknowledged protocol message's messages have (TR4s); None where there is none to tell."""

    serials: list[str | None]


class ProtocolMessage(msgspec.Struct, rename="camel", omit_defaults=True):
    """One frame's content, in either direction (TR4). ``messages`` of a client stay raw until it is known whether they are wanted."""

    action: int
    id: str | None = None
    channel: str | None = None
    channel_serial: str | None = None
    connection_id: str | None = None
    connection_details: ConnectionDetails | None = None
    auth: AuthDetails | None = None
    count: int | None = None
    error: WireError | None = None
    flags: int | None = None
    msg_serial: int | None = None
    params: dict[str, str] | None = None
    timestamp: int | None = None
    messages: Any = None
    res: list[PublishResult] | None = None


class _Inbound(msgspec.Struct, rename="camel"):
    """What is read of a client's frame; the rest is skipped unread, and so costs nothing."""

    action: int
    id: str | None = None
    channel: str | None = None
    channel_serial: str | None = None
    auth: AuthDetails | None = None
    flags: int | None = None
    msg_serial: int | None = None
    params: dict[str, str | int | float | bool | None] | None = None
    messages: msgspec.Raw = msgspec.Raw()


class Format:
    """
    One of the two encodings of protocol messages.

    Args:
        name: ``json`` or ``msgpack``, as in the connection's query.
        is_text: Whether frames are text frames.
    """

    __slots__ = ("_decoder", "encode", "is_text", "name")

    def __init__(self, name: str, *, is_text: bool) -> None:
        self.name = name
        self.is_text = is_text
        if is_text:
            self.encode = msgspec.json.Encoder().encode
            self._decoder: Any = msgspec.json.Decoder(_Inbound)
        else:
            self.encode = msgspec.msgpack.Encoder().encode
            self._decoder = msgspec.msgpack.Decoder(_Inbound)

    def decode(self, payload: bytes) -> ProtocolMessage:
        """
        Read one frame of a client.

        Raises:
            BadRequest: If it is not of this format, or a field has a type it cannot have.
        """
        try:
            read = self._decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(f"the frame is not a protocol message in {self.name}: {error}") from None
        return ProtocolMessage(
            action=read.action,
            id=read.id,
            channel=read.channel,
            channel_serial=read.channel_serial,
            auth=read.auth,
            flags=read.flags,
            msg_serial=read.msg_serial,
            messages=read.messages,
            params=None if read.params is None else {k: str(v) for k, v in read.params.items() if v is not None},
        )


JSON = Format("json", is_text=True)
MSGPACK = Format("msgpack", is_text=False)
FORMATS = {"json": JSON, "msgpack": MSGPACK}
