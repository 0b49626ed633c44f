"""
What comes from a device: frames become messages for its session, and are counted.

    a segment ─▶ one frame ─────────────────▶ taken, counted
              └▶ others: piece by piece, each read ─▶ frames taken, PINGs and CLOSE answered ─▶ counted

Source: RFC 6455; PROTOCOL.md sections 1 and 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from websockets.frames import Opcode

from gateway.errors import GatewayError
from gateway.transport.arrival import renew
from gateway.transport.inbound import FrameReader, is_utf8, sole_frame
from gateway.transport.inflow import MAX_UNMETERED_BYTES, NEVER_READ, meter

if TYPE_CHECKING:
    from gateway.transport.device import Device
    from gateway.transport.house import House


def take(house: House, device: Device, data: bytes) -> None:
    """Take what the socket has brought, whatever it is."""
    if device.reader is None:
        sole = sole_frame(data, house.max_frame_bytes)
        if sole is not None:
            _take_frame(house, device, *sole)
            meter(house, device, 1, len(data))
            return
    for at in range(0, len(data), MAX_UNMETERED_BYTES):
        _take_piece(house, device, data[at : at + MAX_UNMETERED_BYTES])
        if device.held_until == NEVER_READ:
            break


def _take_piece(house: House, device: Device, data: bytes) -> None:
    """Take frames that came with others, or in parts."""
    reader = device.reader or FrameReader(house.max_frame_bytes, house.frame_log)
    read = reader.read(data)
    device.reader = None if reader.is_at_rest else reader
    for opcode, payload in read.whole:
        _take_frame(house, device, opcode, payload)
    for answer in read.answers:
        if not device.is_closing:
            device.write(answer)
    if read.is_end:
        device.hang_up()
    meter(house, device, read.frames, len(data))


def _take_frame(house: House, device: Device, opcode: Opcode, payload: bytes) -> None:
    """Take a message, or the PONG that proves what was written."""
    if opcode is Opcode.PONG:
        if device.proof is not None:
            device.proof.answer(payload)
        return
    session = device.session
    if session is None or device.is_closing:
        return
    device.received_frames += 1
    if opcode is Opcode.TEXT and not is_utf8(payload):
        device.finish(1007, "a text frame must be UTF-8")
        return
    try:
        message = device.wire.decode(payload)
    except GatewayError as error:
        session.fail(error)
        return
    token = session.receive(message, house.now())
    if token is not None:
        renew(house, device, token)
