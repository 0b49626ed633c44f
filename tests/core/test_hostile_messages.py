"""Whatever a client sends, a session answers or refuses: no exception but those that are answers, in both formats."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.attaching import parse_rewind
from gateway.core.names import parse_channel_name, parse_cursor_name
from gateway.core.serial import parse_serial
from gateway.core.session import Session
from gateway.core.wire import FORMATS, Action
from gateway.errors import BadRequest, GatewayError
from gateway.transport.doorstep import read_handshake
from gateway.transport.handshake import parse_connect_request
from tests.core.bench import Bench, principal_of, serial_at

MESSAGES_AT_ONCE = 6
BOUND_FRAMES = 200  # that a handful of messages may be answered with
TEXTS = st.text(max_size=10) | st.sampled_from(
    ["account:1", "[?rewind=3]account:1", "[?rewind=2m]account:1", "[?modes=publish]account:1", serial_at(3), "\0"]
)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(width=32) | TEXTS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
PARAMS = st.dictionaries(st.sampled_from(["rewind", "modes", "delta", "cursor", "rewindLimit", "freshness"]), LEAVES)
FIELDS = {
    "id": TEXTS | VALUES,
    "channel": TEXTS | st.just("account:1") | VALUES,
    "channelSerial": st.just(serial_at(1)) | TEXTS,
    "flags": st.integers(-(2**31), 2**32) | VALUES,
    "msgSerial": st.integers(-2, 2**53) | VALUES,
    "params": PARAMS | VALUES,
    "auth": st.fixed_dictionaries({"accessToken": TEXTS}) | VALUES,
    "messages": st.lists(
        st.dictionaries(
            st.sampled_from(["id", "name", "data", "encoding", "clientId", "extras", "timestamp", "connectionId"]),
            VALUES,
            max_size=4,
        ),
        max_size=3,
    )
    | VALUES,
    "presence": VALUES,
    "count": VALUES,
    "error": VALUES,
}
MESSAGES = st.fixed_dictionaries({"action": st.sampled_from(list(map(int, Action))) | LEAVES}, optional=FIELDS)


def hear(session: Session, payload: bytes) -> None:
    """As a device does; what else is raised is a bug that costs the client its socket."""
    try:
        message = session.wire.decode(payload)
    except BadRequest as error:
        session.fail(error)
        return
    session.receive(message, 1.0)


def session_of(bench: Bench, name: str) -> Session:
    return Session(bench.terms, bench.outlet, FORMATS[name], principal_of({"*": ["*"]}), "conn-1", "conn-1!key")


@settings(max_examples=200)
@given(st.sampled_from(sorted(FORMATS)), st.lists(MESSAGES, max_size=MESSAGES_AT_ONCE))
def test_any_protocol_messages(name: str, messages: list[dict[str, Any]]) -> None:
    """What comes out can be read, and is bounded by what came in."""
    bench = Bench()
    session = session_of(bench, name)
    for offset in range(4):
        bench.say("account:1", offset)
    encode = msgspec.json.encode if name == "json" else msgspec.msgpack.encode

    for message in messages:
        if not session.is_over:
            hear(session, encode(message))
            bench.outlet.have_turns(bench.hub)
    bench.hub.waiting.settle(100.0)
    session.over()

    assert len(bench.outlet.messages()) <= BOUND_FRAMES
    assert len(bench.hub.attachments) == 0


@settings(max_examples=200)
@given(st.sampled_from(sorted(FORMATS)), st.binary(max_size=60) | TEXTS.map(str.encode))
def test_any_bytes_as_a_frame(name: str, payload: bytes) -> None:
    bench = Bench()

    hear(session_of(bench, name), payload)

    bench.outlet.messages()


@given(TEXTS | st.from_regex(r"[a-z0-9]{8}-(v|[0-9]{1,6})-[A-Za-z0-9_-]{0,40}", fullmatch=True))
def test_any_text_as_a_position_a_name_or_a_param(text: str) -> None:
    for read in (parse_serial, parse_channel_name, parse_cursor_name, parse_rewind):
        with contextlib.suppress(GatewayError):
            read(text)


@given(
    st.text(st.characters(max_codepoint=255), max_size=60)
    | st.lists(
        st.tuples(st.sampled_from(["v", "format", "key", "accessToken", "clientId", "resume"]), TEXTS), max_size=5
    ).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))
)
def test_any_query_of_a_connection(query: str) -> None:
    with contextlib.suppress(GatewayError):
        parse_connect_request(query)


@given(st.binary(max_size=80), st.binary(max_size=40))
def test_any_head_of_a_request(line: bytes, rest: bytes) -> None:
    """A handshake that stands, or None."""
    for data in (line, b"GET /" + line + b" HTTP/1.1\r\nUpgrade: websocket\r\n" + rest + b"\r\n\r\n" + rest):
        found = read_handshake(data)
        assert found is None or found.response.startswith(b"HTTP/1.1 101 ")
