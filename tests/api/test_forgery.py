"""Who published is stamped by the edge: whatever a client writes, a record says who it was, once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.acknowledging import Outcome
from gateway.core.duplicates import Duplicates
from gateway.core.message import Message, Place
from gateway.core.published import OutgoingRecord
from gateway.core.record import message_of
from gateway.core.session import Session
from gateway.core.wire import JSON, MSGPACK, Action, Format, ProtocolMessage
from tests.api.ground import MSGPACK as MSGPACK_TYPE
from tests.api.ground import Ground, bearer, token
from tests.core.bench import Bench, principal_of
from tests.core.outlet import Collected
from tests.core.test_published import PLACE, RULE

TRUTH = {"lastmile": "1 text", "id": "m-1", "clientId": "ada", "lastmile-app": "bank", "lastmile-key": "bank.server"}
STAMPS = [
    "lastmile",
    "lastmile-app",
    "lastmile-key",
    "lastmile-new",
    "clientId",
    "connectionId",
    "id",
    "extras",
    "name",
]
SPELLINGS = [stamp for name in STAMPS for stamp in (name, name.upper(), name.title(), f" {name}", f"{name} ")]
FORGED: list[dict[str, Any]] = [
    {"extras": {"headers": dict.fromkeys(SPELLINGS, "forged")}},
    {"extras": dict.fromkeys(SPELLINGS, "forged")},
    {"extras": {"kafka": {"topic": "forged", "partition": 9, "offset": 9, "key": "forged"}}},
    {"connectionId": "forged", "timestamp": 1, "serial": "forged", "lastmile-app": "forged", "appId": "forged"},
    {"encoding": "json\r\nclientId: forged", "data": "x"},
    {"name": "x\r\nclientId: forged"},
]


def over_websocket(
    wire: Format, message: dict[str, Any], client_id: str = "ada", connection_id: str = "conn-1"
) -> OutgoingRecord:
    bench = Bench()
    principal = principal_of({"*": ["publish"]}, client_id)
    session = Session(bench.terms, Collected(), wire, principal, connection_id, f"{connection_id}!key")
    raw = msgspec.Raw(wire.encode([message]))
    session.receive(ProtocolMessage(action=Action.MESSAGE, channel="account:1", msg_serial=0, messages=raw), 0.0)
    return bench.submitted.publications[0].records[0]


async def over_rest(wire: Format, message: dict[str, Any]) -> OutgoingRecord:
    ground = Ground()
    ground.publisher.answer = lambda _publication: _stored()
    content_type = "application/json" if wire.is_text else MSGPACK_TYPE
    headers = bearer(token(client_id="ada")) | {
        "Content-Type": content_type, "clientId": "forged", "connectionId": "forged", "lastmile-app": "forged"
    }  # fmt: skip
    await ground.ask("POST", "/channels/account%3A1/messages", content=wire.encode(message), headers=headers)
    return ground.publisher.publications[0].records[0]


def _stored() -> Outcome:
    return ["life-0-1"]


def says(record: OutgoingRecord, **truth: str) -> None:
    """Each stamp is there once, as it is; a service that does not look at case or blanks reads the same."""
    stamps = [(name, raw.decode()) for name, raw in record.headers if name not in ("extras", "name", "encoding")]
    assert sorted(stamps) == sorted((TRUTH | truth).items())
    assert not [
        name
        for name, _ in record.headers
        if name.strip().casefold() in {stamp.casefold() for stamp in STAMPS} and name not in STAMPS
    ]


@pytest.mark.parametrize("forged", FORGED, ids=["headers", "extras", "place", "fields", "encoding", "name"])
@pytest.mark.parametrize("wire", [JSON, MSGPACK], ids=["json", "msgpack"])
async def test_no_client_can_say_that_somebody_else_published(wire: Format, forged: dict[str, Any]) -> None:
    """Over WebSockets and REST, and what subscribers are told of it is as true."""
    message = {"id": "m-1", "data": "x", **forged}

    live, rest = over_websocket(wire, message), await over_rest(wire, message)

    says(live, connectionId="conn-1")
    says(rest)
    for record in (live, rest):
        read = message_of(PLACE, 7, record.value, record.headers, RULE)
        assert (read.id, read.client_id, read.timestamp) == ("m-1", "ada", 7)
        assert isinstance(read.extras, dict)
        assert read.extras["kafka"] == PLACE


def test_a_place_in_the_extras_of_a_record_is_not_believed() -> None:
    headers = [("lastmile", b"1 text"), ("extras", b'{"kafka":{"topic":"forged"}}')]

    read = message_of(PLACE, 7, b"x", headers, RULE)

    assert read.extras == {"kafka": PLACE}


def read_again(record: OutgoingRecord, offset: int) -> Message:
    return message_of(Place("edge.accounts", 0, offset, "1"), 7, record.value, record.headers, RULE)


def test_nobody_hides_anothers_messages_by_taking_their_ids() -> None:
    """
    Subscribers see ids, and what the next one of a connection will be.

    A bug once: the message that came second, under the id that its edge had made for it, was dropped as a copy of the
    forged one, and acknowledged with its serial.
    """
    duplicates = Duplicates(100)
    victim = over_websocket(JSON, {"data": "mine"})
    forged = over_websocket(JSON, {"id": victim.id, "data": "forged"}, client_id="eve", connection_id="conn-2")

    verdicts = [
        duplicates.keeps("account:1", read_again(record, offset), "edge.accounts", 0, offset)
        for offset, record in enumerate((forged, victim, victim, forged))
    ]

    assert forged.id == victim.id
    assert verdicts == [True, True, False, False]
    assert (read_again(victim, 1).copy_id, read_again(forged, 0).copy_id) == (victim.copy_id, forged.copy_id)


@given(st.text(), st.none() | st.text(), st.text(), st.none() | st.text())
def test_only_the_same_client_repeats_a_message(
    first_id: str, first: str | None, second_id: str, second: str | None
) -> None:
    """Of ids without line breaks, which clients cannot choose."""
    ids = [one.replace("\n", "") for one in (first_id, second_id)]
    clients = [None if one is None else one.replace("\n", "") or None for one in (first, second)]
    messages = [Message(one, 0, client_id=client) for one, client in zip(ids, clients, strict=True)]

    assert (messages[0].copy_id == messages[1].copy_id) == (ids[0] == ids[1] and clients[0] == clients[1])
