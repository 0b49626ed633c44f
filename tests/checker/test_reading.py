"""The checker reads positions and records by what PROTOCOL.md says, and by nothing of the gateway's."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
import pytest

from tests.checker.messages import Message, Record, message_of, messages_in
from tests.checker.positions import Position, read_position


def seen(value: bytes | None, *headers: tuple[str, bytes | None]) -> Message:
    return message_of(Record("t", 1, 7, 99, "k", value, headers))


def test_imports_nothing_that_it_judges() -> None:
    for file in Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.partition(".")[0] in ("gateway", "auth")], file.name


def test_reads_both_forms_of_a_position() -> None:
    """The examples of PROTOCOL.md section 4."""
    assert read_position("k7f2m0qa-00012-0000000000010482") == Position("k7f2m0qa", 12, (10483,))
    assert read_position("k7f2m0qa-v-AAMq5wE") == Position("k7f2m0qa", None, (0, 3, 42, 231))


@pytest.mark.parametrize("text", ["", "k7f2m0qa", "k7f2m0qa-x-1", "k7f2m0qa-v-5w"])
def test_refuses_what_is_no_position(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_position(text)


@pytest.mark.parametrize(
    ("value", "data", "encoding"),
    [
        (b'{"a": 1}', '{"a": 1}', "json"),
        (b" [1]", " [1]", "json"),
        (b"{broken", "{broken", None),
        (b"17", "17", None),
        (b"text", "text", None),
        (b"\xff\x00", b"\xff\x00", None),
    ],
)
def test_a_value_is_what_the_protocol_says(value: bytes, data: str | bytes, encoding: str | None) -> None:
    assert (seen(value).data, seen(value).encoding) == (data, encoding)


def test_a_tombstone_is_called_deleted() -> None:
    assert (seen(None).name, seen(None).data) == ("deleted", None)


def test_headers_and_place_are_what_the_protocol_says() -> None:
    found = seen(b"x", ("name", b"n"), ("clientId", b"c"), ("trace", b"1"), ("gone", None))

    assert (found.id, found.timestamp, found.name, found.client_id) == ("t:1:7", 99, "n", "c")
    assert found.extras == {
        "kafka": {"topic": "t", "partition": 1, "offset": 7, "key": "k"},
        "headers": {"trace": "1"},
    }


def test_a_frame_is_the_same_in_both_formats() -> None:
    asked = {"id": "t:1:7", "data": "/wA=", "encoding": "base64"}
    raw = {"id": "t:1:7", "data": b"\xff\x00"}

    (json_message,) = messages_in(msgspec.json.encode({"action": 15, "messages": [asked]}), "json")
    (msgpack_message,) = messages_in(msgspec.msgpack.encode({"action": 15, "messages": [raw]}), "msgpack")

    assert json_message == msgpack_message == Message(id="t:1:7", data=b"\xff\x00")
