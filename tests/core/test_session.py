"""What a client is told by its connection's state machine, channels apart."""

from __future__ import annotations

import pytest

from gateway.core.wire import Action, AuthDetails, Flag, ProtocolMessage
from gateway.errors import Draining, GatewayError, HandshakeTimeout
from tests.core.bench import LIFE, TOPIC, Bench, principal_of


def test_connected_tells_how_fast_a_client_may_send() -> None:
    """CD2e: frames a second; absent where there is no bound."""
    bench = Bench()
    bench.session.open()
    bench.terms.details.max_inbound_rate = 2000
    bench.session.open()

    first, second = (message["connectionDetails"] for message in bench.outlet.take())

    assert "maxInboundRate" not in first
    assert second["maxInboundRate"] == 2000


def test_connected_tells_the_terms() -> None:
    """CD2: connectionDetails."""
    bench = Bench()

    bench.session.open()

    (connected,) = bench.outlet.messages()
    assert connected["action"] == Action.CONNECTED
    assert connected["connectionId"] == "conn-1"
    assert connected["connectionDetails"] == {
        "clientId": "ada",
        "connectionKey": "conn-1!key",
        "maxMessageSize": 65536,
        "maxFrameSize": 262144,
        "connectionStateTtl": 120000,
        "maxIdleInterval": 15000,
        "serverId": "edge-1",
    }


def test_a_heartbeat_is_answered_with_its_id() -> None:
    assert Bench().send(Action.HEARTBEAT, id="h1") == [{"action": Action.HEARTBEAT, "id": "h1"}]


def test_detach_is_answered_whether_attached_or_not() -> None:
    bench = Bench()
    bench.attach()

    answers = bench.send(Action.DETACH, channel="account:1") + bench.send(Action.DETACH, channel="account:7")
    bench.say("account:1", 0)

    assert [(m["action"], m["channel"]) for m in answers] == [
        (Action.DETACHED, "account:1"),
        (Action.DETACHED, "account:7"),
    ]
    assert bench.outlet.take() == []


def test_presence_is_refused_with_its_serial() -> None:
    (nack,) = Bench().send(Action.PRESENCE, channel="account:1", msg_serial=7)

    assert (nack["action"], nack["msgSerial"], nack["count"], nack["error"]["code"]) == (Action.NACK, 7, 1, 40020)


def test_close_is_answered_and_ends_it() -> None:
    bench = Bench()
    bench.attach()

    answers = bench.send(Action.CLOSE)
    bench.say("account:1", 0)

    assert answers == [{"action": Action.CLOSED}]
    assert bench.outlet.is_finished
    assert bench.outlet.take() == []


def test_unknown_actions_are_ignored() -> None:
    """RTF1."""
    assert Bench().send(99) == []  # type: ignore[arg-type]


def test_a_renewed_token_with_fewer_rights_fails_the_channels_it_lacks() -> None:
    bench = Bench()
    bench.attach("account:1")
    bench.attach("account:2")

    token = bench.session.receive(ProtocolMessage(action=Action.AUTH, auth=AuthDetails("t")), 0.0)
    bench.session.renew(principal_of({"account:2": ["subscribe"]}))
    error, attached, connected = bench.outlet.take()
    bench.say("account:1", 0)
    bench.say("account:2", 1)

    assert token == "t"
    assert (error["channel"], error["error"]["code"]) == ("account:1", 40160)
    assert (attached["channel"], attached["flags"]) == ("account:2", Flag.SUBSCRIBE | Flag.RESUMED)
    assert connected["action"] == Action.CONNECTED
    assert [m["channel"] for m in bench.outlet.take()] == ["account:2"]


def test_a_renewed_token_of_another_client_ends_the_connection() -> None:
    bench = Bench()

    bench.session.renew(principal_of({"*": ["*"]}, client_id="eve"))

    (error,) = bench.outlet.take()
    assert (error["action"], error["error"]["code"]) == (Action.ERROR, 40102)
    assert bench.outlet.is_finished


def test_a_drain_is_a_disconnect() -> None:
    """RTN15h3: the client comes back at once."""
    bench = Bench()

    bench.session.disconnect(Draining("the server is going down"))

    (message,) = bench.outlet.take()
    assert (message["action"], message["error"]["code"]) == (Action.DISCONNECTED, 80003)


def test_a_drain_tells_clients_where_they_stand() -> None:
    """An edge that has just started proves what is young; the last message of a quiet channel is not."""
    bench, fresh = Bench(), Bench(is_read=False)
    bench.attach("account:1")
    bench.say("account:1", 0)
    for offset in range(1, 100):
        bench.say("account:2", offset)
    (said,) = bench.outlet.take()
    fresh.hub.begin(TOPIC, LIFE, {0: 100}, now=0.0)

    bench.session.disconnect(Draining("the server is going down"))
    attached, _ = bench.outlet.take()

    assert attached["flags"] & Flag.RESUMED
    assert fresh.attach(channel_serial=attached["channelSerial"])["flags"] & Flag.RESUMED
    fresh.send(Action.DETACH, channel="account:1")
    assert fresh.attach(channel_serial=said["channelSerial"])["error"]["code"] == 80006


@pytest.mark.parametrize("error", [Draining("going down"), HandshakeTimeout("took too long")])
def test_no_disconnect_sends_a_client_to_fallback_hosts(error: GatewayError) -> None:
    """RTN17f1: with 500 to 504, ably-python without fallback hosts stays "connected" and never comes back."""
    bench = Bench()

    bench.session.disconnect(error)

    (message,) = bench.outlet.take()
    assert message["error"]["statusCode"] == 400
