"""
RFC 6455, case by case, on the real port: what must be taken, what must be refused and with which close code.

The cases follow the sections that the Autobahn test suite is organised by.
"""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import AsyncIterator

import pytest

from tests.transport.ground import Ground, standing
from tests.transport.raw import Raw, frame

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
HEARTBEAT = json.dumps({"action": 0, "id": "é"}, ensure_ascii=False).encode()
MAX = 262144


@contextlib.asynccontextmanager
async def connected(ground: Ground) -> AsyncIterator[Raw]:
    raw = await Raw.open(ground.port, f"accessToken={ground.token()}")
    try:
        got = await raw.read()
        assert got is not None
        assert b'"action":4' in got.payload
        yield raw
    finally:
        raw.close()


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def fragmented(opcode: int, parts: list[bytes], between: bytes = b"") -> bytes:
    frames = [frame(opcode if i == 0 else CONT, part, fin=i == len(parts) - 1) for i, part in enumerate(parts)]
    return between.join(frames)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(TEXT, HEARTBEAT), id="text in one frame"),
        pytest.param(frame(BINARY, HEARTBEAT), id="binary in one frame"),
        pytest.param(fragmented(TEXT, pieces(HEARTBEAT, 3)), id="text in fragments, cut within a character"),
        pytest.param(fragmented(TEXT, [HEARTBEAT, b""]), id="an empty last fragment"),
        pytest.param(fragmented(TEXT, [b"", HEARTBEAT]), id="an empty first fragment"),
        pytest.param(fragmented(TEXT, pieces(HEARTBEAT, 4), between=frame(PING, b"p")), id="pings between fragments"),
        pytest.param(frame(PONG, b"unasked") + frame(TEXT, HEARTBEAT), id="an unasked pong"),
    ],
)
async def test_messages_in_whatever_form_are_taken(data: bytes) -> None:
    """Sections 5.4 and 5.5: fragments and control frames between them."""
    async with standing() as ground, connected(ground) as raw:
        raw.writer.write(data)
        got = await raw.read_opcode(TEXT)

    assert got is not None
    assert json.loads(got.payload) == {"action": 0, "id": "é"}


async def test_messages_byte_by_byte_are_taken() -> None:
    async with standing() as ground, connected(ground) as raw:
        for byte in frame(TEXT, HEARTBEAT):
            raw.writer.write(bytes([byte]))
            await raw.writer.drain()
        got = await raw.read_opcode(TEXT)

    assert got is not None


@pytest.mark.parametrize("payload", [b"", b"hello", b"\xff\x00", b"x" * 125])
async def test_a_ping_is_answered_with_its_payload(payload: bytes) -> None:
    """Section 5.5.3."""
    async with standing() as ground, connected(ground) as raw:
        raw.writer.write(frame(PING, payload))
        got = await raw.read_opcode(PONG)

    assert got is not None
    assert got.payload == payload


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(frame(TEXT, HEARTBEAT, rsv=4), 1002, id="reserved bit 1"),
        pytest.param(frame(TEXT, HEARTBEAT, rsv=2), 1002, id="reserved bit 2"),
        pytest.param(frame(TEXT, HEARTBEAT, rsv=1), 1002, id="reserved bit 3"),
        pytest.param(frame(3, HEARTBEAT), 1002, id="reserved opcode"),
        pytest.param(frame(11), 1002, id="reserved control opcode"),
        pytest.param(frame(TEXT, HEARTBEAT, masked=False), 1002, id="not masked"),
        pytest.param(frame(PING, b"x" * 126), 1002, id="a ping that is too long"),
        pytest.param(frame(PING, b"x", fin=False), 1002, id="a ping in fragments"),
        pytest.param(frame(CONT, HEARTBEAT), 1002, id="a continuation of nothing"),
        pytest.param(frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002, id="a message within a message"),
        pytest.param(frame(TEXT, b'{"id":"\xff"}'), 1007, id="not UTF-8"),
        pytest.param(fragmented(TEXT, [b'{"id":"\xc3', b'"}']), 1007, id="a character that is cut off"),
        pytest.param(frame(TEXT, b'{"id":"\xed\xa0\x80"}'), 1007, id="a surrogate"),
        pytest.param(frame(TEXT, b"", length=MAX + 1), 1009, id="a frame that is too long"),
        pytest.param(frame(TEXT, b"", length=2**62), 1009, id="a frame of four exabytes"),
        pytest.param(fragmented(TEXT, [b"x" * (MAX // 2)] * 3), 1009, id="fragments that are too long together"),
        pytest.param(frame(CLOSE, b"x"), 1002, id="a close code of one byte"),
        pytest.param(frame(CLOSE, struct.pack("!H", 1005)), 1002, id="a close code that nobody may send"),
        pytest.param(frame(CLOSE, struct.pack("!H", 999)), 1002, id="a close code out of range"),
        pytest.param(frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007, id="a close reason that is not UTF-8"),
    ],
)
async def test_what_breaks_the_rules_is_closed_with_its_code(data: bytes, code: int) -> None:
    """Sections 5.2, 5.4, 5.5, 7.4 and 8.1."""
    async with standing() as ground, connected(ground) as raw:
        raw.writer.write(data)
        got = await raw.read_opcode(CLOSE)
        end = await raw.read()

    assert got is not None
    assert got.close_code == code
    assert end is None


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999])
async def test_a_close_is_answered_with_its_code(code: int) -> None:
    """Section 7.1.5."""
    async with standing() as ground, connected(ground) as raw:
        raw.writer.write(frame(CLOSE, struct.pack("!H", code) + b"bye"))
        got = await raw.read_opcode(CLOSE)
        end = await raw.read()

    assert got is not None
    assert got.close_code == code
    assert end is None


async def test_a_close_without_a_code_is_answered_without_one() -> None:
    async with standing() as ground, connected(ground) as raw:
        raw.writer.write(frame(CLOSE))
        got = await raw.read_opcode(CLOSE)

    assert got is not None
    assert got.payload == b""


async def test_nothing_is_taken_after_a_close() -> None:
    async with standing() as ground, connected(ground) as raw:
        raw.writer.write(frame(CLOSE, struct.pack("!H", 1000)) + frame(TEXT, HEARTBEAT))
        await raw.read_opcode(CLOSE)

        assert await raw.read() is None


async def test_a_client_that_does_not_answer_a_close_is_let_go() -> None:
    async with standing() as ground:
        raw = await Raw.open(ground.port, "accessToken=nonsense")
        assert await raw.read_opcode(CLOSE) is not None

        assert await raw.read() is None
        raw.close()
