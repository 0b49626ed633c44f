"""The table of limits on publishing, over JSON and MessagePack; tests/api/test_publish_limits.py has it over REST."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.core.limits import Rate
from gateway.core.publish_limits import PublishLimits, PublishRates
from gateway.core.session import Session
from gateway.core.shared_limits import SharedLimits
from gateway.core.terms import LimitTerms
from gateway.core.wire import JSON, MSGPACK, Action, Format, ProtocolMessage
from tests.core.bench import Bench, principal_of
from tests.core.outlet import Collected

FIVE = Rate(5.0, 10.0)
EACH = {
    "connection": (PublishRates(connection=FIVE), 42911),
    "client": (PublishRates(client=FIVE), 42910),
    "channel": (PublishRates(channels={"account": FIVE}), 42913),
    "app": (PublishRates(app=FIVE), 42917),
}
each_limit = pytest.mark.parametrize("limit", EACH)
each_wire = pytest.mark.parametrize("wire", [JSON, MSGPACK], ids=lambda wire: wire.name)


class Desk:
    """Sessions on one edge, whose publications are stored at once."""

    def __init__(self, rates: PublishRates, *, attaches: Rate | None = None) -> None:
        self.bench = Bench()
        self.bench.submitted.answer = lambda publication: ["s"] * len(publication.records)
        self.limited: list[str] = []
        limits = PublishLimits(rates, SharedLimits(), self.limited.append)
        self.bench.terms.limits = LimitTerms(attaches, limits, self.limited.append)
        self._serials: dict[Session, int] = {}

    def session(self, wire: Format = JSON, client_id: str | None = "ada", connection_id: str = "conn-1") -> Session:
        principal = principal_of({"*": ["*"]}, client_id)
        return Session(self.bench.terms, Collected(), wire, principal, connection_id, f"{connection_id}!key")

    def publish(self, session: Session, count: int, now: float, channel: str = "account:1") -> dict[str, Any]:
        """Messages together. Returns: the answer."""
        serial = self._serials[session] = self._serials.get(session, -1) + 1
        raw = msgspec.Raw(session.wire.encode([{"data": "x"}] * count))
        session.receive(ProtocolMessage(action=Action.MESSAGE, channel=channel, msg_serial=serial, messages=raw), now)
        outlet = session.outlet
        assert isinstance(outlet, Collected)
        (answer,) = outlet.take()
        assert answer["msgSerial"] == serial
        return answer


def code(answer: dict[str, Any]) -> int:
    """0 for an ACK."""
    return 0 if answer["action"] == Action.ACK else answer["error"]["code"]


@each_wire
@each_limit
def test_at_the_limit_it_passes_over_it_it_is_refused_and_in_time_it_passes_again(limit: str, wire: Format) -> None:
    rates, refusal = EACH[limit]
    desk = Desk(rates)
    session = desk.session(wire)

    at_once = [desk.publish(session, 1, 100.0) for _ in range(11)]
    later = [desk.publish(session, 1, 101.0) for _ in range(6)]

    assert list(map(code, at_once)) == [0] * 10 + [refusal]
    assert list(map(code, later)) == [0] * 5 + [refusal]
    assert at_once[-1]["error"]["statusCode"] == 429
    assert "5 messages a second" in at_once[-1]["error"]["message"]
    assert at_once[-1]["error"]["message"].endswith("; try again in 0.2 s")
    assert desk.limited == [f"publish_{limit}"] * 2
    assert len(desk.bench.submitted.publications) == 15


@each_wire
@each_limit
def test_a_batch_costs_what_is_in_it_and_passes_whole_or_not_at_all(limit: str, wire: Format) -> None:
    rates, refusal = EACH[limit]
    desk = Desk(rates)
    session = desk.session(wire)

    codes = [code(desk.publish(session, count, 100.0)) for count in (7, 4, 3)]

    assert codes == [0, refusal, 0]
    assert [len(one.records) for one in desk.bench.submitted.publications] == [7, 3]


@each_wire
@each_limit
def test_a_batch_that_can_never_pass_is_told_so(limit: str, wire: Format) -> None:
    """Waiting would not help: 40030, and how many could."""
    desk = Desk(EACH[limit][0])
    session = desk.session(wire)

    refused = desk.publish(session, 11, 100.0)

    assert code(refused) == 40030
    assert refused["error"]["statusCode"] == 400
    assert "which are 10; publish fewer at once" in refused["error"]["message"]
    assert code(desk.publish(session, 10, 100.0)) == 0


@pytest.mark.parametrize(
    ("limit", "client_id", "channel", "is_shared"),
    [
        ("connection", "ada", "account:1", False),
        ("client", "ada", "account:2", True),
        ("client", "eve", "account:1", False),
        ("client", None, "account:1", False),
        ("channel", "eve", "account:1", True),
        ("channel", "ada", "account:2", False),
        ("app", "eve", "account:2", True),
    ],
)
def test_whom_a_limit_is_for(limit: str, client_id: str | None, channel: str, is_shared: bool) -> None:
    """Another connection, after one of ada's has used up what there is on account:1."""
    rates, refusal = EACH[limit]
    desk = Desk(rates)
    desk.publish(desk.session(), 10, 100.0)

    answer = desk.publish(desk.session(client_id=client_id, connection_id="conn-2"), 1, 100.0, channel)

    assert code(answer) == (refusal if is_shared else 0)


def test_what_one_limit_refuses_is_taken_from_none() -> None:
    desk = Desk(PublishRates(connection=Rate(5.0, 10.0), client=Rate(5.0, 6.0), app=Rate(5.0, 10.0)))
    session, other = desk.session(), desk.session(client_id="eve", connection_id="conn-2")
    assert code(desk.publish(session, 4, 100.0)) == 0

    assert code(desk.publish(session, 3, 100.0)) == 42910

    assert code(desk.publish(other, 6, 100.0)) == 0


def test_what_is_sent_again_after_a_resume_is_not_refused_but_owed() -> None:
    """It may be stored: a NACK would be a lie. What comes after it pays for it."""
    desk = Desk(PublishRates(connection=FIVE))
    desk.bench.submitted.pending_per_connection = 12
    session = desk.session()
    session.is_resumed = True

    again = [code(desk.publish(session, 1, 100.0)) for _ in range(12)]
    after = [code(desk.publish(session, 1, now)) for now in (100.0, 100.5, 100.7)]

    assert again == [0] * 12
    assert after == [42911, 42911, 0]


def test_a_copy_of_what_is_stored_costs_nothing() -> None:
    desk = Desk(PublishRates(connection=FIVE))
    session = desk.session()
    desk.publish(session, 10, 100.0)
    desk.bench.submitted.stored = {"conn-1:1:0"}

    assert [code(desk.publish(session, 1, 100.0)) for _ in range(2)] == [0, 42911]


def test_zero_is_any_number() -> None:
    desk = Desk(PublishRates())
    session = desk.session()

    assert {code(desk.publish(session, 1000, 100.0)) for _ in range(20)} == {0}


# ---------------------------------------------------------------------- attaching


@each_wire
def test_who_attaches_too_often_is_detached_and_may_again_in_time(wire: Format) -> None:
    """RTL13b: DETACHED, after which SDKs wait before they attach again; never ERROR, after which they do not."""
    desk = Desk(PublishRates(), attaches=Rate(2.0, 3.0))
    session = desk.session(wire)
    outlet = session.outlet
    assert isinstance(outlet, Collected)

    def attach(number: int, now: float) -> dict[str, Any]:
        session.receive(ProtocolMessage(action=Action.ATTACH, channel=f"account:{number}"), now)
        outlet.have_turns(desk.bench.hub)
        (answer,) = outlet.take()
        return answer

    at_once = [attach(number, 100.0) for number in range(4)]
    later = [attach(number, 100.5) for number in (4, 5)]

    assert [answer["action"] for answer in at_once] == [Action.ATTACHED] * 3 + [Action.DETACHED]
    assert [answer["action"] for answer in later] == [Action.ATTACHED, Action.DETACHED]
    assert (at_once[3]["error"]["code"], at_once[3]["error"]["statusCode"]) == (42910, 429)
    assert at_once[3]["error"]["message"].endswith("; try again in 0.5 s")
    assert desk.limited == ["attach"] * 2


def test_who_is_told_detached_gets_nothing_more_on_that_channel() -> None:
    """The client is detached then, so the edge must not think otherwise."""
    desk = Desk(PublishRates(), attaches=Rate(1.0, 1.0))
    session = desk.session()
    outlet = session.outlet
    assert isinstance(outlet, Collected)
    for _ in range(2):
        session.receive(ProtocolMessage(action=Action.ATTACH, channel="account:1"), 100.0)
        outlet.have_turns(desk.bench.hub)
    outlet.take()

    desk.bench.say("account:1", 0)

    assert outlet.take() == []
    assert len(desk.bench.hub.attachments) == 0
