"""Rights that change while a connection lives: what was allowed and is not any more stops at once, whatever is under way."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.core.session import Session
from gateway.core.wire import Action, Flag
from tests.core.bench import Bench, principal_of, serial_at

ALL = {"account:*": ["*"]}
LISTEN = {"account:1": ["subscribe"]}


def renew(session: Session, capability: dict[str, list[str]]) -> None:
    """With a token of the client's own."""
    session.renew(principal_of(capability))


def entitle(session: Session, capability: dict[str, list[str]]) -> None:
    """By somebody else."""
    session.entitle(principal_of(capability))


each_way = pytest.mark.parametrize("change", [renew, entitle])


def publish(bench: Bench, channel: str = "account:1", serial: int = 0) -> list[dict[str, Any]]:
    return bench.send(
        Action.MESSAGE, channel=channel, msg_serial=serial, messages=msgspec.Raw(msgspec.json.encode([{"data": "x"}]))
    )


@each_way
def test_publishing_stops(change: Any) -> None:
    """NACK 40160 from the next message on, attached or not."""
    bench = Bench(ALL)
    bench.attach("account:1")
    publish(bench)
    change(bench.session, LISTEN)
    bench.outlet.take()

    early = publish(bench, serial=1) + publish(bench, "account:2", serial=2)
    bench.submitted.settles[0](["s"])
    ack, *nacks = bench.outlet.take()

    assert early == []  # answers come in order
    assert (ack["action"], ack["msgSerial"]) == (Action.ACK, 0)
    assert [(nack["action"], nack["msgSerial"], nack["error"]["code"]) for nack in nacks] == [
        (Action.NACK, 1, 40160),
        (Action.NACK, 2, 40160),
    ]
    assert len(bench.submitted.publications) == 1


@each_way
def test_what_was_taken_before_is_answered_as_it_was(change: Any) -> None:
    """It is on its way to Kafka; to say that it is not there would be wrong."""
    bench = Bench(ALL)
    publish(bench)

    change(bench.session, LISTEN)
    bench.outlet.take()
    bench.submitted.settles[0](["s"])

    (ack,) = bench.outlet.take()
    assert ack["res"] == [{"serials": ["s"]}]


@each_way
def test_an_attach_that_waits_is_judged_when_it_is_answered(change: Any) -> None:
    bench = Bench(ALL)
    assert bench.send(Action.ATTACH, channel="account:2", channel_serial=serial_at(5)) == []

    change(bench.session, LISTEN)
    bench.outlet.take()
    for offset in range(6):
        bench.say("account:2", offset)
    bench.hub.waiting.settle(0.0)

    (error,) = bench.outlet.take()
    assert (error["channel"], error["error"]["code"]) == ("account:2", 40160)


@each_way
def test_a_backlog_stops_where_it_is(change: Any) -> None:
    """What a slow client was still to get of a channel is not its any more."""
    bench = Bench(ALL)
    bench.attach("account:2")
    bench.outlet.capacity = 1
    bench.outlet.on_full = bench.hub.suspend
    for offset in range(3):
        bench.say("account:2", offset)
    bench.outlet.take()
    bench.outlet.capacity = None

    change(bench.session, LISTEN)
    bench.outlet.take()
    bench.outlet.serve_soon()
    bench.outlet.have_turns(bench.hub)

    assert bench.outlet.take() == []
    assert len(bench.hub.attachments) == bench.hub.attachments.lagging == 0


@each_way
def test_listening_alone_may_end(change: Any) -> None:
    """The channel stays attached with what is left, and nothing is heard."""
    bench = Bench(ALL)
    bench.attach("account:1")

    change(bench.session, {"account:1": ["publish"]})
    told = bench.outlet.take()[0]
    bench.say("account:1", 0)

    assert told["flags"] & (Flag.SUBSCRIBE | Flag.PUBLISH) == Flag.PUBLISH
    assert bench.outlet.take() == []


def test_rights_that_come_back_can_be_used() -> None:
    """Unasked and without a word: what failed is attached again by the app."""
    bench = Bench(ALL)
    bench.attach("account:1")
    bench.session.entitle(principal_of({"account:2": ["*"]}))
    bench.outlet.take()

    bench.session.entitle(principal_of(ALL))

    assert bench.outlet.take() == []
    assert bench.attach("account:1")["action"] == Action.ATTACHED
