"""Every row of the table of refusals in docs/publishing.md, over WebSockets in both formats and over REST."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import pytest

from gateway.core.publication import Publishing, publication_of, read_published
from gateway.core.session import Session
from gateway.core.wire import FORMATS, JSON, Action, Format, ProtocolMessage
from gateway.metrics.counts import Counts
from gateway.publisher import Publisher
from gateway.schema import Schema
from gateway.settings import KafkaSettings, Namespace, PublishSettings
from gateway.stream.producer import Producer
from tests.api.ground import MSGPACK as MSGPACK_TYPE
from tests.api.ground import Ground, bearer, token
from tests.core.bench import Bench, principal_of
from tests.core.outlet import Collected
from tests.testbed.process import ROOT

CHANNEL = "account:1"
CAPABILITY = {CHANNEL: ["publish"], "market:1": ["publish"], "*:x": ["publish"]}
SCHEMA = Schema(b'{"properties": {"amount": {"type": "integer"}}}')
DEADLINE_SECONDS = 20.0
OK = {"data": "x"}


class Refusal(NamedTuple):
    """What a client hears."""

    code: int
    status: int
    said: str


def rows() -> dict[str, Refusal]:
    """The table of the page, by what is said."""
    page = (ROOT / "docs/publishing.md").read_text("utf-8")
    table = page.partition("## What is refused")[2].partition("\n## ")[0]
    cells = (re.split(r"\s*\|\s*", line) for line in table.splitlines() if re.match(r"\| \d", line))
    return {said: Refusal(int(code), int(status), said) for _, code, status, said, *_ in cells}


@dataclass(frozen=True)
class Case:
    """
    What is published so that a row comes true.

    Args:
        messages: To be encoded; bytes: sent as they are in either format; None: nothing.
        by: None, or ``*`` for credentials that may claim any clientId.
        before: Publications that wait already, of this connection.
    """

    messages: Any = (OK,)
    channel: str = CHANNEL
    by: str | None = "ada"
    schema: Schema | None = None
    before: int = 0
    is_swept: bool = False
    fills: bool = False
    is_realtime_only: bool = False
    formats: tuple[str, ...] = ("json", "msgpack")


CASES = {
    "there is no message to publish": Case(None),
    "between 1 and 1000 messages can be published together": Case(()),
    "this is neither a message nor an array of messages: …": Case([{"name": 5}]),
    "extras.headers must be an object": Case([{"extras": {"headers": 3}}]),
    "extras can hold what JSON has: no bytes, no times, no NaN, and names that are text": Case(
        [{"extras": {"signature": b"x"}}], formats=("msgpack",)
    ),
    "an object or array can hold what JSON has: no bytes, no times, no NaN, and names that are text": Case(
        [{"data": {"amount": float("nan")}}], formats=("msgpack",)
    ),
    "the messages have … bytes; at most … can be published together": Case([{"data": "x" * 70_000}]),
    "… is not a channel name: it must not be empty, begin with ':' or '[', or hold control characters": Case(
        channel=":x"
    ),
    "a message's clientId must be that of the connection; leave it out": Case([{"clientId": "eve"}]),
    "the clientId cannot be used: it has 1 to 512 bytes, no control characters, and is not * alone": Case(
        [{"clientId": "e" * 513}], by="*"
    ),
    "data must be text, bytes, an object or an array": Case([{"data": 5}]),
    "the encoding says base64, which the data is not": Case([{"data": "no base64!", "encoding": "base64"}]),
    "the data does not fit this channel's schema: …": Case([{"data": {"amount": "x"}}], schema=SCHEMA),
    "the encoding says json, which the data is not": Case([{"data": "{", "encoding": "json"}], schema=SCHEMA),
    "this channel takes data that fits its schema, so none with the encoding …": Case(
        [{"data": "eA==", "encoding": "utf-8/cipher+aes-128-cbc/base64"}], schema=SCHEMA
    ),
    "this channel takes data that fits its schema, so JSON or text, but no bytes": Case(
        [{"data": "eA==", "encoding": "base64"}], schema=SCHEMA
    ),
    "messages can be published, but not updated or deleted afterwards": Case([{"action": 1}]),
    "a message's id has at most 256 bytes and no control characters": Case([{"id": "i" * 257}]),
    "messages that are published together have no ids, or ids of the form base:0, base:1, …": Case(
        [{"id": "a"}, {"id": "b"}]
    ),
    "the token does not allow publishing on this channel; ask for one whose capability does": Case(channel="account:2"),
    "no namespace of this server has channels of this name": Case(channel="market:1"),
    "too much of this connection is not acknowledged yet; wait before more is sent": Case(
        before=2, is_swept=True, is_realtime_only=True
    ),
    "Kafka has not acknowledged this; publish it again with the same id": Case(is_swept=True),
    "too much waits for Kafka already; publish again later": Case(fills=True),
}


def test_there_is_a_case_for_each_row_of_the_page() -> None:
    """None is told of that does not exist."""
    assert set(CASES) == set(rows())


@contextmanager
def silent_port() -> Iterator[int]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@asynccontextmanager
async def publisher_for(case: Case, ground: Ground) -> AsyncIterator[Publisher]:
    """The real way into a Kafka that never answers."""
    with silent_port() as port:
        settings = PublishSettings(pending_per_connection=2, max_pending_bytes=65536)
        namespaces = {"account": Namespace(topic="edge.accounts")}
        producer = Producer(KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}"))
        publisher = Publisher(producer, namespaces, ground.hub, settings, Counts())
        if case.schema is not None:
            publisher.schemas["account"] = case.schema
        if case.fills:
            by = Publishing(principal_of({"*": ["*"]}), None, "b", False, 65536)
            big = publication_of(ground.router, by, CHANNEL, read_published(JSON, b'{"data":"%s"}' % (b"x" * 65530)))
            publisher.submit(big, lambda _: None, time.time())
        try:
            yield publisher
        finally:
            await publisher.stop(0.0)


async def refused_over_websocket(case: Case, wire: Format) -> Refusal:
    bench, outlet = Bench(), Collected()
    async with publisher_for(case, Ground()) as publisher:
        bench.terms.publishing = publisher
        principal = principal_of(CAPABILITY, client_id=case.by)
        if case.by == "*":
            principal = replace(principal, client_id=None, is_wildcard=True)
        session = Session(bench.terms, outlet, wire, principal, "conn-1", "conn-1!key")
        for number in range(case.before):
            session.receive(message(wire, CHANNEL, (OK,), number), 0.0)
        session.receive(message(wire, case.channel, case.messages, case.before), 0.0)
        sweep_if(case, publisher)
        await until(lambda: len(outlet.frames) > case.before)
    *_, nack = outlet.messages()
    assert (nack["action"], nack["msgSerial"]) == (Action.NACK, case.before)
    return Refusal(nack["error"]["code"], nack["error"]["statusCode"], nack["error"]["message"])


async def refused_over_rest(case: Case, wire: Format) -> Refusal:
    ground = Ground()
    content_type = "application/json" if wire.is_text else MSGPACK_TYPE
    headers = bearer(token(CAPABILITY, client_id=case.by)) | {"Content-Type": content_type, "Accept": content_type}
    body = b"" if case.messages is None else wire.encode(case.messages)
    url = f"/channels/{case.channel.replace(':', '%3A')}/messages"
    async with publisher_for(case, ground) as publisher:
        ground.publisher = publisher  # type: ignore[assignment]
        asking = asyncio.ensure_future(ground.ask("POST", url, content=body, headers=headers))
        if case.is_swept:
            await until(lambda: publisher.pending_bytes > 0)
            sweep_if(case, publisher)
        answer = await asyncio.wait_for(asking, DEADLINE_SECONDS)
    decode = msgspec.json.decode if wire.is_text else msgspec.msgpack.decode
    error = decode(answer.content)["error"]
    assert error["statusCode"] == answer.status_code
    return Refusal(error["code"], answer.status_code, error["message"])


def message(wire: Format, channel: str, messages: Any, msg_serial: int) -> ProtocolMessage:
    raw = None if messages is None else msgspec.Raw(wire.encode(messages))
    return ProtocolMessage(action=Action.MESSAGE, channel=channel, msg_serial=msg_serial, messages=raw)


def sweep_if(case: Case, publisher: Publisher) -> None:
    """Let the time pass in which Kafka should have answered."""
    if case.is_swept:
        publisher.sweep(time.time() + 3600)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not is_so():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("said", "wire_name"), [(said, name) for said, case in CASES.items() for name in case.formats])
async def test_a_refusal_is_as_the_page_says(said: str, wire_name: str) -> None:
    """The code, the status and the sentence, whichever way it came."""
    case, row, wire = CASES[said], rows()[said], FORMATS[wire_name]

    heard = [await refused_over_websocket(case, wire)]
    if not case.is_realtime_only:
        heard.append(await refused_over_rest(case, wire))

    pattern = ".+".join(map(re.escape, said.split("…"))) if not said.endswith("base:1, …") else re.escape(said)
    for refusal in heard:
        assert refusal[:2] == row[:2]
        assert re.fullmatch(pattern, refusal.said, re.DOTALL), refusal.said
