"""
WebSocket frames, built once and handed to many.

A MESSAGE frame is spliced from three parts: the head (action and channel name: constant for everybody who attached by
the same name), the body (serial and message: constant for everybody who speaks the same format) and RFC 6455's header.
So one record costs two encodings however many devices get it, and devices that call the channel by another name
(``[?rewind=1]account:1``) share its body.

Source: RFC 6455 section 5.2; PROTOCOL.md section 5.
"""

from __future__ import annotations

import base64
import struct

import msgspec

from gateway.core.message import Message
from gateway.core.wire import JSON, Action, Format, ProtocolMessage

_TEXT, _BINARY, _CLOSE, _PING = 0x81, 0x82, 0x88, 0x89
_json = msgspec.json.Encoder().encode
_msgpack = msgspec.msgpack.Encoder().encode
_short = struct.Struct("!BB").pack
_medium = struct.Struct("!BBH").pack
_long = struct.Struct("!BBQ").pack


def _header(opcode: int, length: int) -> bytes:
    if length < 126:
        return _short(opcode, length)
    if length < 65536:
        return _medium(opcode, 126, length)
    return _long(opcode, 127, length)


def protocol_frame(wire: Format, message: ProtocolMessage) -> bytes:
    """One protocol message as one unfragmented, unmasked frame."""
    payload: bytes = wire.encode(message)
    return _header(_TEXT if wire.is_text else _BINARY, len(payload)) + payload


def ping_frame(payload: bytes = b"") -> bytes:
    """A PING; at most 125 bytes of *payload*."""
    return _short(_PING, len(payload)) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A CLOSE with *reason* cut to what a control frame holds."""
    payload = struct.pack("!H", code) + reason.encode()[:123].decode(errors="ignore").encode()
    return _short(_CLOSE, len(payload)) + payload


def message_head(wire: Format, channel: str) -> bytes:
    """What MESSAGE frames of a channel begin with, for those who attached to it by this name."""
    if wire is JSON:
        return b'{"action":%d,"channel":%b,' % (Action.MESSAGE, _json(channel))
    return b"\x84" + _msgpack("action") + _msgpack(int(Action.MESSAGE)) + _msgpack("channel") + _msgpack(channel)


def message_body(wire: Format, message: Message, serial: str) -> bytes:
    """What MESSAGE frames of one message end with: serial and message, in one format."""
    message.serial = serial
    if wire is JSON:
        shown = _for_json(message) if isinstance(message.data, bytes) else message
        return b"".join((b'"channelSerial":"', serial.encode(), b'","messages":[', _json(shown), b"]}"))
    tail = (_msgpack("channelSerial"), _msgpack(serial), _msgpack("messages"), b"\x91", _msgpack(message))
    return b"".join(tail)


def message_frame(wire: Format, head: bytes, body: bytes) -> bytes:
    """A MESSAGE frame of the parts that `message_head` and `message_body` made."""
    return b"".join((_header(_TEXT if wire.is_text else _BINARY, len(head) + len(body)), head, body))


def _for_json(message: Message) -> Message:
    if not isinstance(message.data, bytes):
        return message
    chain = f"{message.encoding}/base64" if message.encoding else "base64"
    return msgspec.structs.replace(message, data=base64.b64encode(message.data).decode(), encoding=chain)


def rest_form(wire: Format, message: Message, serial: str) -> Message:
    """A message as the REST API shows it, to be encoded in *wire*: the same as in a frame, serial included."""
    message.serial = serial
    return _for_json(message) if wire is JSON else message
