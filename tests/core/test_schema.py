"""What a schema takes, what it refuses and how it says so, and what is refused as a schema."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.wire import JSON, MSGPACK, Format
from gateway.errors import BadData
from gateway.schema import MAX_FILE_BYTES, BadSchema, Schema
from tests.core.test_publication import ADA, ROUTER, publication_of, read_published
from tests.core.test_publication import Publishing as By

PAYMENT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["amount", "to"],
    "additionalProperties": False,
    "properties": {
        "amount": {"type": "integer", "minimum": 1},
        "to": {"$ref": "#/$defs/account"},
        "lines": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/account"}},
    },
    "$defs": {"account": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{2,30}$"}},
}
GOOD = '{"amount":5,"to":"DE12"}'


def schema(of: Any) -> Schema:
    return Schema(json.dumps(of).encode())


@pytest.mark.parametrize(
    ("data", "encoding"), [(GOOD, "json"), (GOOD.encode(), "json/utf-8"), ('{"amount":5.0,"to":"DE12"}', "json")]
)
def test_data_is_checked_as_those_who_get_it_read_it(data: str | bytes, encoding: str) -> None:
    """RSL6: the encoding is a chain, the last step is undone first."""
    schema(PAYMENT).check(data, encoding)


def test_text_and_absence_can_be_asked_for_too() -> None:
    schema({"type": "string", "maxLength": 3}).check("abc", None)
    schema({"type": "string"}).check(b"abc", "utf-8")
    schema({"type": "null"}).check(None, None)


@pytest.mark.parametrize(
    ("data", "encoding", "says"),
    [
        ('{"amount":"secret","to":"DE12"}', "json", 'at /amount: this value is not of type "integer"'),
        ('{"amount":0,"to":"DE12"}', "json", "at /amount: this value is less than the minimum of 1"),
        ('{"amount":5}', "json", '"to" is a required property'),
        ('{"amount":5,"to":"DE12","note":"x"}', "json", "'note' was unexpected"),
        ('{"amount":5,"to":"DE12","lines":["DE1"]}', "json", "at /lines/0: this value does not match"),
        (GOOD, None, 'this value is not of type "object"'),
        (None, None, 'this value is not of type "object"'),
        ("{", "json", "the encoding says json, which the data is not"),
        (b"\xff", "utf-8", "the encoding says utf-8, which the data is not"),
        (b"\xff", None, "no bytes"),
        (GOOD.encode(), "json", "none with the encoding 'json'"),
        (b"\x01", "json/utf-8/cipher+aes-256-cbc", "none with the encoding 'json/utf-8/cipher+aes-256-cbc'"),
        (GOOD, "json/vcdiff", "none with the encoding"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_place_and_what_is_expected(
    data: str | bytes | None, encoding: str | None, says: str
) -> None:
    """And without the value: an error may end in a log. What the server cannot read is no way around the schema."""
    with pytest.raises(BadData) as refusal:
        schema(PAYMENT).check(data, encoding)

    assert says in refusal.value.message
    assert "secret" not in refusal.value.message
    assert refusal.value.code == 40013


def test_what_is_said_is_bounded() -> None:
    """Names of members come from the client."""
    with pytest.raises(BadData) as refusal:
        schema({"additionalProperties": {"type": "null"}}).check(json.dumps({"n" * 5000: 1}), "json")

    assert len(refusal.value.message) < 800


@pytest.mark.parametrize("depth", [300, 900, 30_000])
def test_what_is_nested_too_deeply_is_refused(depth: int) -> None:
    with pytest.raises(BadData):
        schema({"items": {"uniqueItems": True, "const": []}}).check("[" * depth + "]" * depth, "json")


@pytest.mark.parametrize(
    ("of", "data"),
    [
        ({"pattern": "^(a+)+$"}, json.dumps("a" * 60_000 + "b")),
        ({"uniqueItems": True}, json.dumps([[number] for number in range(8_000)])),
        ({"format": "email"}, json.dumps("a@" + "b." * 30_000)),
        ({"multipleOf": 3}, "9" * 4000 + "1"),
    ],
    ids=["backtracking", "many items", "format", "digits"],
)
def test_what_would_take_others_for_ever_is_checked_at_once(of: Any, data: str) -> None:
    """Each of these took seconds to hours with validators that backtrack or compare each with each: it ends here."""
    with contextlib.suppress(BadData):
        schema(of).check(data, "json")


@given(
    st.none() | st.text() | st.binary() | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(json.dumps),
    st.none() | st.sampled_from(["json", "utf-8", "json/utf-8", "utf-8/json", "/", "cipher+aes-128-cbc"]) | st.text(),
)  # fmt: skip
def test_whatever_is_published_fits_or_is_refused(data: str | bytes | None, encoding: str | None) -> None:
    with contextlib.suppress(BadData):
        schema(PAYMENT).check(data, encoding)


@pytest.mark.parametrize("wire", [JSON, MSGPACK], ids=["json", "msgpack"])
def test_only_channels_of_the_namespace_are_checked_and_all_messages_of_a_publication(wire: Format) -> None:
    """Together or not at all: one that does not fit keeps the others out."""
    encode = msgspec.json.encode if wire.is_text else msgspec.msgpack.encode
    messages = read_published(wire, encode([{"data": {"amount": 1, "to": "DE12"}}, {"data": {"amount": 0}}]))

    def by(namespace: str) -> By:
        return By(ADA, "c", "c:0", False, 1000, {namespace: schema(PAYMENT)})

    assert publication_of(ROUTER, by("account"), "account:1", messages[:1])
    assert publication_of(ROUTER, by("other"), "account:1", messages)
    with pytest.raises(BadData):
        publication_of(ROUTER, by("account"), "account:1", messages)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "is not JSON"),
        (b"[" * 5000, "is not JSON"),
        (b"[1]", "neither an object nor true or false"),
        (b'{"type": "arry"}', 'at /type: "arry" is not valid'),
        (b'{"required": "a"}', "at /required"),
        (b'{"pattern": "(?=a)b"}', "at /pattern"),
        (b'{"$ref": "#/$defs/none"}', "does not exist"),
        (b'{"$ref": "https://bank.example/schema.json"}', "bank.example"),
        (b'{"$schema": "https://bank.example/dialect"}', "Unknown meta-schema"),
        (b'{"$schema": "http://json-schema.org/draft-04/schema#"}', "draft 4"),
        (b'{"items": {"$ref": "#"}}', "refers to itself, at #/items"),
        (b'{"$defs": {"a/b": {"items": {"$ref": "#/$defs/a~1b"}}}}', "refers to itself, at #/$defs/a~1b/items"),
        (
            b'{"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"anyOf": [true, {"$ref": "#/$defs/a"}]}}}',
            "refers to itself",
        ),
        (b'{"$defs": {"a": {"$anchor": "a", "items": {"$ref": "#a"}}}}', "not of the form #/"),
        (b'{"$defs": {"a": {"$id": "a", "items": {"$ref": "#"}}}}', "has $id at #/$defs/a"),
        (b'{"$dynamicAnchor": "node", "items": {"$dynamicRef": "#node"}}', "has $dynamicRef"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_with_the_reason(text: bytes, says: str) -> None:
    """Among them all that could take without bound: what is nested in alternatives of itself."""
    with pytest.raises(BadSchema) as refusal:
        Schema(text)

    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_definitions_may_be_referred_to_often_and_from_each_other() -> None:
    checked = schema(
        {
            "$defs": {"text": {"type": "string"}, "pair": {"prefixItems": [{"$ref": "#/$defs/text"}] * 2}},
            "properties": {"a": {"$ref": "#/$defs/pair"}, "b": {"$ref": "#/$defs/pair"}, "$ref": {"type": "null"}},
        }
    )

    with pytest.raises(BadData, match=r"at /b/1: this value"):
        checked.check('{"a":["x","y"],"b":["x",1]}', "json")


def test_a_file_that_is_far_too_long_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_bytes(b" " * MAX_FILE_BYTES + b"{}")

    with pytest.raises(BadSchema, match="more than"):
        Schema.read(tmp_path / "schema.json")
