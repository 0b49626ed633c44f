"""What may be published, as what, and with which code it is refused."""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.capability import Capability
from auth.principal import Principal
from gateway.core.publication import Publication, Publishing, publication_of, read_published
from gateway.core.routing import Router
from gateway.core.wire import JSON, MSGPACK
from gateway.errors import BadRequest, GatewayError

ROUTER = Router({"account": SimpleNamespace(topic="edge.accounts", key="{rest}")})
ADA = Principal(
    app_id="bank",
    key_name="bank.server",
    client_id="ada",
    is_wildcard=False,
    capability=Capability.parse({"account:1": ["publish"]}),
    expires_at=None,
    method="ably_jwt",
)
ANYBODY = replace(ADA, client_id=None, is_wildcard=True)
ANONYMOUS = replace(ADA, client_id=None)
BY_KEY = replace(ANONYMOUS, method="basic")


def publish(
    *messages: dict[str, Any],
    by: Principal = ADA,
    channel: str = "account:1",
    max_bytes: int = 1000,
    is_resumed: bool = False,
) -> Publication:
    publishing = Publishing(by, "conn-1", "conn-1:7", is_resumed, max_bytes)
    return publication_of(ROUTER, publishing, channel, read_published(JSON, json.dumps(messages).encode()))


def headers_of(publication: Publication, index: int = 0) -> dict[str, bytes]:
    return dict(publication.records[index].headers)


def test_ids_are_those_that_a_second_try_would_have_too() -> None:
    """RTN19a: connectionId, msgSerial and index."""
    publication = publish({"data": "a"}, {"data": "b"})

    assert [record.id for record in publication.records] == ["conn-1:7:0", "conn-1:7:1"]
    assert not publication.may_be_copy


def test_ids_of_the_client_are_kept_and_make_it_a_possible_copy() -> None:
    """RSL1k2, RSL1k3."""
    one = publish({"id": "order-9", "data": "a"})
    two = publish({"id": "base:0"}, {"id": "base:1"})

    assert [record.id for record in (*one.records, *two.records)] == ["order-9", "base:0", "base:1"]
    assert one.may_be_copy
    assert two.may_be_copy
    assert publish({"data": "a"}, is_resumed=True).may_be_copy


@pytest.mark.parametrize(
    ("by", "given_id", "kept"),
    [
        (ADA, None, b"ada"),
        (ADA, "ada", b"ada"),
        (ANYBODY, "eve", b"eve"),
        (BY_KEY, "eve", b"eve"),
        (BY_KEY, None, None),
    ],
)
def test_who_says_it_is_stamped(by: Principal, given_id: str | None, kept: bytes | None) -> None:
    """RTL6e, RTL6g."""
    assert headers_of(publish({"data": "a", "clientId": given_id}, by=by)).get("clientId") == kept


@pytest.mark.parametrize(
    ("data", "encoding", "value", "mark", "kept"),
    [
        ("text", None, b"text", b"1 text", None),
        ('{"a":1}', "json", b'{"a":1}', b"1 text", b"json"),
        (base64.b64encode(b"\xff").decode(), "base64", b"\xff", b"1 bytes", None),
        (base64.b64encode(b"\x01").decode(), "json/utf-8/cipher+aes-256-cbc/base64", b"\x01", b"1 bytes", b"json/utf-8/cipher+aes-256-cbc"),
        ({"a": 1}, None, b'{"a":1}', b"1 text", b"json"),
        ([1], None, b"[1]", b"1 text", b"json"),
        (None, None, b"", b"1 none", None),
    ],
)  # fmt: skip
def test_data_is_stored_as_the_app_meant_it(
    data: Any, encoding: str | None, value: bytes, mark: bytes, kept: bytes | None
) -> None:
    """RSL4, RSL6: base64 belongs to the wire, ciphers are nobody's affair."""
    publication = publish({"data": data, "encoding": encoding})

    assert publication.records[0].value == value
    assert headers_of(publication)["lastmile"] == mark
    assert headers_of(publication).get("encoding") == kept


@pytest.mark.parametrize(
    ("code", "messages", "options"),
    [
        (40000, [{"extras": {"headers": 3}}], {}),
        (40009, [{"data": "x" * 1001}], {}),
        (40009, [{"data": "x" * 600}, {"data": "x" * 600}], {}),
        (40009, [{"name": "n" * 1001}], {}),
        (40010, [{}], {"channel": ":x"}),
        (40010, [{}], {"channel": ""}),
        (40012, [{"clientId": "eve"}], {}),
        (40012, [{"clientId": "eve"}], {"by": ANONYMOUS}),
        (40012, [{"clientId": "*"}], {"by": ANYBODY}),
        (40012, [{"clientId": "a\nb"}], {"by": ANYBODY}),
        (40013, [{"data": 5}], {}),
        (40013, [{"data": True}], {}),
        (40013, [{"data": "no base64!", "encoding": "base64"}], {}),
        (40020, [{"action": 1, "data": "x"}], {}),
        (40031, [{"id": "a"}, {"id": "b"}], {}),
        (40031, [{"id": "base:0"}, {}], {}),
        (40031, [{"id": "base:1"}, {"id": "base:0"}], {}),
        (40031, [{"id": "x" * 300}], {}),
        (40031, [{"id": "a\x00b"}], {}),
        (40160, [{"data": "x"}], {"channel": "account:2"}),
        (40400, [{"data": "x"}], {"channel": "market:1"}),
    ],
)
def test_what_cannot_be_published_is_refused_with_its_code(
    code: int, messages: list[Any], options: dict[str, Any]
) -> None:
    with pytest.raises(GatewayError) as refusal:
        publish(*messages, **options)

    assert refusal.value.code == code


@pytest.mark.parametrize(
    "raw", [None, b"", b"[]", b"[1]", b'[{"data":', b'[{"name":5}]', b"[" * 5000, b"[" + b"{}," * 1000 + b"{}]"]
)
def test_what_is_no_array_of_messages_is_refused(raw: bytes | None) -> None:
    with pytest.raises(GatewayError) as refusal:
        read_published(JSON, raw)

    assert refusal.value.code == 40000


@given(st.binary(max_size=80))
def test_whatever_is_sent_is_read_or_refused(raw: bytes) -> None:
    for wire in (JSON, MSGPACK):
        with contextlib.suppress(BadRequest):
            read_published(wire, raw)


@pytest.mark.parametrize(
    "inner",
    [
        msgspec.msgpack.Ext(5, b"x"),
        b"x",
        float("nan"),
        float("inf"),
        datetime.now(UTC),
        {1: 2},
        {b"k": 1},
        {None: 1},
        {(1,): 1},
        [{"a": [b""]}],
    ],
)
def test_what_json_does_not_have_is_refused_and_not_changed(inner: Any) -> None:
    """MessagePack has more. A bug once: some of it ended the connection, some became text or null in silence."""
    for message, code in (({"data": {"in": inner}}, 40013), ({"extras": {"in": inner}}, 40000)):
        raw = msgspec.msgpack.encode([message])

        with pytest.raises(GatewayError) as refusal:
            publication_of(ROUTER, Publishing(ADA, "c", "c:0", False, 1000), "account:1", read_published(MSGPACK, raw))

        assert refusal.value.code == code


INTEGERS = st.integers(-(2**63), 2**64 - 1)
ANYTHING = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
    | st.builds(msgspec.msgpack.Ext, st.integers(0, 9), st.binary(max_size=3)),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.just("headers") | INTEGERS | st.binary(max_size=3), inner, max_size=4),
)  # fmt: skip
FIELDS = ["id", "name", "data", "encoding", "clientId", "extras", "action", "unknown"]


@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=4))
def test_whatever_messagepack_is_sent_is_published_or_refused(sent: dict[str, Any]) -> None:
    with contextlib.suppress(GatewayError):
        messages = read_published(MSGPACK, msgspec.msgpack.encode([sent]))
        publication_of(ROUTER, Publishing(ADA, "c", "c:0", False, 1000), "account:1", messages)


def test_messagepack_carries_bytes_as_they_are() -> None:
    raw = msgspec.msgpack.encode([{"data": b"\xff\x00"}])

    publication = publication_of(
        ROUTER, Publishing(ADA, "c", "c:0", False, 1000), "account:1", read_published(MSGPACK, raw)
    )

    assert publication.records[0].value == b"\xff\x00"
