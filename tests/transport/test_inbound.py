"""Frames that are read without a parser: the same as a parser reads, or left to it."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from gateway.transport.inbound import FrameReader, sole_frame
from tests.transport.raw import frame

MAX_BYTES = 70_000
LOG = logging.getLogger(__name__)


def parsed(data: bytes) -> list[Frame]:
    """What websockets reads."""
    reader = Protocol(Side.SERVER, max_size=MAX_BYTES)
    reader.receive_data(data)
    return [event for event in reader.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_a_whole_frame_is_read(opcode: Opcode, size: int) -> None:
    payload = bytes(number % 251 for number in range(size))

    assert sole_frame(frame(opcode, payload), MAX_BYTES) == (opcode, payload)


def test_a_pong_is_read() -> None:
    assert sole_frame(frame(Opcode.PONG, b"12"), MAX_BYTES) == (Opcode.PONG, b"12")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(frame(Opcode.TEXT, b"ab")[:-1], id="cut short"),
        pytest.param(frame(Opcode.TEXT, b"ab") * 2, id="two"),
        pytest.param(frame(Opcode.TEXT, b"ab", fin=False), id="a fragment"),
        pytest.param(frame(Opcode.CONT, b"ab"), id="the end of a message"),
        pytest.param(frame(Opcode.TEXT, b"ab", rsv=4), id="a reserved bit"),
        pytest.param(frame(Opcode.TEXT, b"abcdef", masked=False), id="not masked"),
        pytest.param(frame(Opcode.PING, b"ab"), id="a PING, which wants an answer"),
        pytest.param(frame(Opcode.CLOSE, b"\x03\xe8"), id="a CLOSE"),
        pytest.param(frame(Opcode.PONG, b"a" * 126), id="a PONG that is too long"),
        pytest.param(b"\x81\xfe\x00\x02\x00\x00\x00\x00ab", id="a length in a longer form than it needs"),
        pytest.param(frame(Opcode.TEXT, b"a" * 65536), id="a length of eight bytes"),
        pytest.param(frame(3, b"ab"), id="an opcode of nobody"),
    ],
)
def test_everything_else_is_left_to_the_parser(data: bytes) -> None:
    assert sole_frame(data, MAX_BYTES) is None


def test_a_frame_over_the_bound_is_left_to_the_parser() -> None:
    assert sole_frame(frame(Opcode.TEXT, b"a" * 1001), 1000) is None


@given(data=st.binary(max_size=140).map(lambda tail: b"\x81" + tail) | st.binary(max_size=140))
def test_what_is_read_without_a_parser_is_what_a_parser_reads(data: bytes) -> None:
    found = sole_frame(data, MAX_BYTES)
    if found is None:
        return
    try:
        frames = parsed(data)
    except ProtocolError:
        frames = []

    assert [(one.opcode, bytes(one.data)) for one in frames] == [found]


@given(cuts=st.lists(st.integers(min_value=1, max_value=60)))
def test_however_a_stream_is_cut_the_same_is_read(cuts: list[int]) -> None:
    """Section 5.4: fragments, with control frames between them."""
    stream = (
        frame(Opcode.TEXT, b"whole")
        + frame(Opcode.BINARY, b"in ", fin=False)
        + frame(Opcode.PING, b"p")
        + frame(Opcode.CONT, b"", fin=False)
        + frame(Opcode.PONG, b"12")
        + frame(Opcode.CONT, b"parts")
    )
    reader = FrameReader(MAX_BYTES, LOG)
    whole, frames, answers = [], 0, []

    while stream:
        size = cuts.pop() if cuts else len(stream)
        read = reader.read(stream[:size])
        stream = stream[size:]
        whole += read.whole
        frames += read.frames
        answers += read.answers
        assert not read.is_end

    assert whole == [(Opcode.TEXT, b"whole"), (Opcode.PONG, b"12"), (Opcode.BINARY, b"in parts")]
    assert frames == 6
    assert answers == [b"\x8a\x01p"]
    assert reader.is_at_rest


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(Opcode.TEXT, b"ab")[:-1], id="half a frame"),
        pytest.param(frame(Opcode.TEXT, b"ab", fin=False), id="half a message"),
    ],
)
def test_a_reader_is_needed_while_more_must_come(data: bytes) -> None:
    reader = FrameReader(MAX_BYTES, LOG)

    assert reader.read(data).whole == []
    assert not reader.is_at_rest


@pytest.mark.parametrize(
    "last",
    [frame(Opcode.CLOSE, b"\x03\xe8"), frame(Opcode.TEXT, b"ab", masked=False)],
    ids=["a close", "a frame without a mask"],
)
def test_nothing_is_read_after_a_close_or_a_breach(last: bytes) -> None:
    """Sections 5.5.1 and 7.1.7."""
    read = FrameReader(MAX_BYTES, LOG).read(frame(Opcode.TEXT, b"before") + last + frame(Opcode.TEXT, b"after"))

    assert read.whole == [(Opcode.TEXT, b"before")]
    assert read.is_end
    assert [answer[0] for answer in read.answers] == [0x88]
