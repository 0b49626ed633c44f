"""A published message as a record, and back."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.message import Message, Place
from gateway.core.publication import Publishing, publication_of, read_published
from gateway.core.published import APP, KEY, MARK, OutgoingRecord, Publisher, record_of
from gateway.core.record import message_of
from gateway.core.routing import PoisonRecord
from gateway.core.wire import JSON as WIRE_JSON
from gateway.core.wire import MSGPACK
from tests.core.test_publication import ADA, ROUTER

RULE = SimpleNamespace(name_header="name", client_id_header="clientId", id_header=None, extras_header=None)
PUBLISHER = Publisher("bank", "bank.server", "conn-1")
PLACE = Place("edge.accounts", 3, 42, "1001")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def read(record: OutgoingRecord, value: bytes | None = None) -> Message:
    return message_of(PLACE, 7, record.value if value is None else value, record.headers, RULE)


@given(
    st.builds(
        Message,
        id=TEXT.filter(bool),
        timestamp=st.just(7),
        name=st.none() | TEXT,
        data=st.none() | TEXT | st.binary(max_size=30) | st.sampled_from(['{"a":1}', "[1]", b'{"a":1}', ""]),
        encoding=st.none() | st.sampled_from(["json", "utf-8/cipher+aes-256-cbc", "vcdiff"]),
        client_id=st.none() | TEXT,
        connection_id=st.just("conn-1"),
        extras=st.none()
        | st.dictionaries(TEXT | st.sampled_from(["ref", "ephemeral", "delta"]), JSON, max_size=3).map(
            lambda extras: {k: v for k, v in extras.items() if k not in ("headers", "kafka")}
        ),
    ),
    st.none()
    | st.dictionaries(TEXT | st.sampled_from(["id", "name", "lastmile-app", "trace"]), TEXT | JSON, max_size=4),
)
def test_nothing_is_lost_on_the_way_through_a_record(message: Message, headers: dict[str, Any] | None) -> None:
    """Text stays text though it looks like JSON, bytes stay bytes though they are UTF-8, ciphers pass untouched."""
    if headers:
        message.extras = {**(message.extras or {}), "headers": headers}

    back = read(record_of(message, "1001", PUBLISHER))

    assert back.extras is not None
    assert back.extras.pop("kafka") == PLACE
    assert back.extras == (message.extras or {})
    back.extras = message.extras = None
    assert back == message


NAMES = TEXT | st.sampled_from(["id", "name", "lastmile-app", "trace", "größe", "имя", "ID", " ", "extras", "kafka"])
PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@st.composite
def published(draw: st.DrawFn) -> dict[str, Any]:
    """A message as an app means it: each field there, empty or absent."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "id": PRINTABLE,
        "name": TEXT,
        "data": TEXT | st.binary(max_size=30) | st.sampled_from(["", b"", '{"a":1}', b"plain"]),
        "encoding": st.sampled_from(["json", "utf-8", "json/utf-8/cipher+aes-256-cbc", "vcdiff/base64/x", "größe"]),
        "clientId": st.just("ada"),
        "extras": st.dictionaries(NAMES.filter(lambda name: name not in ("headers", "kafka")), JSON, max_size=3)
        | st.fixed_dictionaries({"headers": st.none() | st.dictionaries(NAMES, TEXT | JSON, max_size=4)})
        | st.just({"ephemeral": True, "ref": {"type": "reply", "timeserial": "s"}, "headers": {"": "", "имя": "ü"}}),
    }
    return {name: draw(value) for name, value in fields.items() if draw(st.booleans())}


@given(published())
def test_what_is_published_is_what_is_read_in_both_formats(message: dict[str, Any]) -> None:
    """From the wire through a record: nothing is lost, and the format that it came in leaves no trace."""
    in_json = dict(message)
    if isinstance(message.get("data"), bytes):
        in_json["data"] = base64.b64encode(message["data"]).decode()
        in_json["encoding"] = f"{message['encoding']}/base64" if "encoding" in message else "base64"
    publishing = Publishing(ADA, "conn-1", "conn-1:7", False, 65536)
    records = [
        publication_of(ROUTER, publishing, "account:1", read_published(wire, wire.encode([sent]))).records[0]
        for wire, sent in ((WIRE_JSON, in_json), (MSGPACK, message))
    ]

    back = read(records[0])

    assert records[0] == records[1]
    assert (back.id, back.client_id) == (message.get("id", "conn-1:7:0"), "ada")
    assert (back.name, back.data, back.encoding) == (message.get("name"), message.get("data"), message.get("encoding"))
    assert (back.connection_id, back.timestamp) == ("conn-1", 7)
    assert back.extras == {**message.get("extras", {}), "kafka": PLACE}
    assert back.is_ephemeral == (message.get("extras", {}).get("ephemeral") is True)


def test_a_service_reads_the_value_and_plain_headers() -> None:
    message = Message(
        id="m-1", timestamp=0, name="payment", data='{"amount":5}', encoding="json", client_id="ada",
        extras={"headers": {"trace": "t1"}, "ref": {"type": "reply"}},
    )  # fmt: skip

    record = record_of(message, "1001", PUBLISHER)

    assert (record.key, record.value) == (b"1001", b'{"amount":5}')
    assert dict(record.headers) == {
        MARK: b"1 text", "id": b"m-1", "name": b"payment", "encoding": b"json", "clientId": b"ada",
        "connectionId": b"conn-1", APP: b"bank", KEY: b"bank.server", "trace": b"t1",
        "extras": b'{"ref":{"type":"reply"}}',
    }  # fmt: skip


@pytest.mark.parametrize("name", [MARK, APP, KEY, "lastmile-anything", "id", "clientId", "connectionId", "extras", ""])
def test_a_clients_headers_never_stand_for_what_the_edge_says(name: str) -> None:
    """Who published is stamped by the edge: the same name in the client's headers travels inside extras."""
    message = Message(id="m-1", timestamp=0, data="x", extras={"headers": {name: "forged"}})

    record = record_of(message, "1001", PUBLISHER)

    assert b"forged" not in [value for header, value in record.headers if header != "extras"]
    assert (read(record).extras or {})["headers"] == {name: "forged"}


@pytest.mark.parametrize(
    "headers",
    [
        [(MARK, b"2 text")],
        [(MARK, b"1 text"), ("name", b"\xff")],
        [(MARK, b"1 text"), ("extras", b"[]")],
        [(MARK, b"1 text"), ("extras", b"{")],
    ],
)
def test_a_record_that_only_pretends_to_be_an_edges_is_poison(headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(PoisonRecord, match="publication_unreadable"):
        message_of(PLACE, 7, b"x", headers, RULE)


def test_text_that_is_not_utf8_is_poison() -> None:
    with pytest.raises(PoisonRecord, match="publication_unreadable"):
        message_of(PLACE, 7, b"\xff", [(MARK, b"1 text")], RULE)
