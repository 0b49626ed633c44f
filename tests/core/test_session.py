"""What a client is told, and what it is served, by its connection's state machine."""

from __future__ import annotations

from typing import Any

import pytest

from auth.capability import Capability
from auth.principal import Principal
from gateway.core.duplicates import Duplicates
from gateway.core.hub import Hub
from gateway.core.message import Message
from gateway.core.postponed import PATIENCE_SECONDS
from gateway.core.routing import Router
from gateway.core.serial import Front
from gateway.core.session import Session
from gateway.core.terms import Terms
from gateway.core.window import Window
from gateway.core.wire import JSON, Action, AuthDetails, ConnectionDetails, Flag, ProtocolMessage
from gateway.errors import Draining, GatewayError, HandshakeTimeout
from tests.core.outlet import Collected, Submitted

TOPIC = "edge.accounts"
LIFE = "aaaaaaaa"


class Rule:
    """A namespace's part in routing."""

    topic = TOPIC
    key = "{rest}"


def principal_of(capability: dict[str, list[str]], client_id: str | None = "ada") -> Principal:
    return Principal(
        app_id="bank",
        key_name="bank.server",
        client_id=client_id,
        is_wildcard=False,
        capability=Capability.parse(capability),
        expires_at=None,
        method="ably_jwt",
    )


class Bench:
    """A session on a hub, and what it said."""

    def __init__(
        self, capability: dict[str, list[str]] | None = None, channels: int = 200, *, is_read: bool = True
    ) -> None:
        self.hub = Hub(Window(max_bytes=1 << 30, max_seconds=60.0, remembered_channels=100), Duplicates(1000))
        if is_read:
            self.hub.begin(TOPIC, LIFE, {0: 0}, now=0.0)
        self.refusals: list[int] = []
        self.submitted = Submitted()
        self.terms = Terms(
            self.hub,
            Router({"account": Rule()}),
            ConnectionDetails("", 65536, 262144, 120000, 15000, "edge-1"),
            channels_per_connection=channels,
            rewind_namespaces=frozenset({"account"}),
            count_refusal=self.refusals.append,
            publishing=self.submitted,
        )
        self.outlet = Collected()
        self.session = self.new_session(self.outlet, capability or {"*": ["*"]})

    def new_session(self, outlet: Collected, capability: dict[str, list[str]]) -> Session:
        return Session(self.terms, outlet, JSON, principal_of(capability), "conn-1", "conn-1!key")

    def say(self, channel: str, offset: int, now: float = 0.0, timestamp_ms: int = 0) -> None:
        self.hub.accept(
            TOPIC, 0, offset, channel, Message(id=f"{TOPIC}:0:{offset}", timestamp=timestamp_ms, data="x"), 10, now
        )

    def send(self, action: Action, now: float = 0.0, **fields: Any) -> list[dict[str, Any]]:
        self.session.receive(ProtocolMessage(action=action, **fields), now)
        self.outlet.have_turns(self.hub)
        return self.outlet.take()

    def attach(self, channel: str = "account:1", now: float = 0.0, **fields: Any) -> dict[str, Any]:
        answer, *backlog = self.send(Action.ATTACH, now, channel=channel, **fields)
        self.backlog = [message["messages"][0]["id"].rpartition(":")[2] for message in backlog]
        return answer


def serial_at(offset: int) -> str:
    return f"{LIFE}-00000-{offset:016d}"


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


def test_a_fresh_attachment_begins_now() -> None:
    bench = Bench()
    bench.say("account:1", 0)

    attached = bench.attach()
    bench.say("account:1", 1)

    assert attached == {
        "action": Action.ATTACHED,
        "channel": "account:1",
        "channelSerial": serial_at(0),
        "flags": Flag.SUBSCRIBE | Flag.PUBLISH,
    }
    assert [m["channelSerial"] for m in bench.outlet.take()] == [serial_at(1)]


def test_a_serial_is_resumed_from_with_proof() -> None:
    """RTL15b, RTL4c1: the client's last serial comes with ATTACH."""
    bench = Bench()
    for offset in range(5):
        bench.say("account:1", offset)

    attached = bench.attach(channel_serial=serial_at(2))

    assert attached["flags"] & Flag.RESUMED
    assert attached["channelSerial"] == serial_at(2)
    assert bench.backlog == ["3", "4"]


@pytest.mark.parametrize(
    ("serial", "code"),
    [
        ("nonsense", 80012),
        ("bbbbbbbb-00000-0000000000000002", 90003),
        (f"{LIFE}-00009-0000000000000002", 80012),
        (f"{LIFE}-v-AAAA", 80012),
        (f"{LIFE}-v-A", 80012),
        (f"{LIFE}-v-gA", 80012),
        (f"{LIFE}-v-__________8", 80012),
        (f"{LIFE}-v-{'A' * 20_000}", 80012),
        (f"{LIFE}-00000-2", 80012),
        (f"{LIFE}-00000-{'9' * 400}", 80012),
        (f"{LIFE.upper()}-00000-0000000000000002", 80012),
        (f"{LIFE}-00001-0000000000000000", 80012),
        ("108hJ9IGwBZ8nh@1", 80012),
        ("\x00", 80012),
    ],
)
def test_what_cannot_be_proven_is_not_resumed_and_says_why(serial: str, code: int) -> None:
    bench = Bench()
    for offset in range(5):
        bench.say("account:1", offset)

    attached = bench.attach(channel_serial=serial)

    assert not attached["flags"] & Flag.RESUMED
    assert attached["error"]["code"] == code
    assert attached["channelSerial"] == serial_at(4)
    assert bench.backlog == []


def test_a_position_older_than_the_window_is_expired() -> None:
    bench = Bench()
    bench.say("account:1", 0, now=0)
    bench.say("account:1", 1, now=0)
    bench.say("account:1", 2, now=1000)

    assert bench.attach(channel_serial=serial_at(0))["error"]["code"] == 80006


def test_a_position_ahead_of_this_edge_waits_for_its_tail() -> None:
    bench = Bench()
    bench.say("account:1", 0)
    waiting = bench.send(Action.ATTACH, 0.0, channel="account:1", channel_serial=serial_at(2))

    for offset in (1, 2, 3):
        bench.say("account:1", offset)
    bench.hub.settle(0.5)
    bench.outlet.have_turns(bench.hub)

    attached, message = bench.outlet.take()
    assert waiting == []
    assert attached["flags"] & Flag.RESUMED
    assert message["channelSerial"] == serial_at(3)


@pytest.mark.parametrize(
    "serial", [serial_at(99), serial_at(10**16 - 1), str(Front(LIFE, (99,))), str(Front(LIFE, (10**15,)))]
)
def test_a_position_of_the_future_is_refused_when_patience_ends(serial: str) -> None:
    bench = Bench()
    bench.say("account:1", 0)
    assert bench.send(Action.ATTACH, 0.0, channel="account:1", channel_serial=serial) == []

    bench.hub.settle(PATIENCE_SECONDS + 0.1)

    (attached,) = bench.outlet.take()
    assert attached["error"]["code"] == 80012
    assert not attached["flags"] & Flag.RESUMED


def test_a_topic_that_is_not_read_yet_makes_attach_wait_then_try_again() -> None:
    """RTL13b: DETACHED makes the SDK attach again; ERROR would not."""
    bench = Bench(is_read=False)
    bench.send(Action.ATTACH, 0.0, channel="account:1")

    bench.hub.settle(PATIENCE_SECONDS + 0.1)

    (detached,) = bench.outlet.take()
    assert (detached["action"], detached["error"]["code"]) == (Action.DETACHED, 50003)


@pytest.mark.parametrize(
    ("rewind", "expected"),
    [("2", ["3", "4"]), ("100", ["0", "1", "2", "3", "4"]), ("10s", ["4"]), ("2m", ["1", "2", "3", "4"])],
)
def test_rewind_begins_earlier_and_is_echoed(rewind: str, expected: list[str]) -> None:
    """RTL4k: params."""
    bench = Bench()
    for offset, age in enumerate((500, 110, 100, 50, 5)):
        bench.say("account:1", offset, timestamp_ms=(1000 - age) * 1000)

    attached = bench.attach(now=1000.0, params={"rewind": rewind})

    assert attached["params"] == {"rewind": rewind}
    assert attached["flags"] & Flag.HAS_BACKLOG
    assert bench.backlog == expected


def test_a_client_that_drops_within_its_backlog_lost_nothing() -> None:
    """The serial of ATTACHED is the position before the backlog, so it never covers what did not arrive."""
    bench = Bench()
    for offset in range(5):
        bench.say("account:1", offset)
    attached = bench.attach(params={"rewind": "3"})

    outlet = Collected()
    again = bench.new_session(outlet, {"*": ["*"]})
    again.receive(
        ProtocolMessage(action=Action.ATTACH, channel="account:1", channel_serial=attached["channelSerial"]), 0.0
    )
    outlet.have_turns(bench.hub)

    assert [m["messages"][0]["id"][-1] for m in outlet.messages()[1:]] == ["2", "3", "4"]


def test_rewind_of_all_there_is_from_the_first_record_on_can_be_resumed() -> None:
    bench = Bench()
    bench.say("account:1", 0)

    attached = bench.attach(params={"rewind": "10"})

    assert attached["channelSerial"].startswith(f"{LIFE}-v-")
    assert bench.backlog == ["0"]


@pytest.mark.parametrize(
    "params",
    [
        *({"rewind": rewind} for rewind in ("yesterday", "", "-1", "1.5", "1e3", "0x10", " 5", "5 m", "1d", "s", "٣")),
        *({"rewind": rewind} for rewind in ("10001", "1234567", "9" * 400, "31536001s", "525601m", "99999999m")),
        *({"rewind": "5m", "rewindLimit": limit} for limit in ("few", "", "0", "-1", "10s", "10001", "9" * 400)),
    ],
    ids=str,
)
def test_a_bad_rewind_is_refused(params: dict[str, str]) -> None:
    error = Bench().attach(params=params)

    assert (error["action"], error["error"]["code"]) == (Action.ERROR, 40003)


@pytest.mark.parametrize(
    "params",
    [
        {"rewind": "0"},
        {"rewind": "10000"},
        {"rewind": "31536000s"},
        {"rewind": "525600m", "rewindLimit": "1"},
        {"rewind": "5", "rewindLimit": "10000"},
    ],
    ids=str,
)
def test_the_longest_rewind_is_granted(params: dict[str, str]) -> None:
    attached = Bench().attach(now=2e9, params=params)

    assert (attached["action"], attached["params"]) == (Action.ATTACHED, params)


@pytest.mark.parametrize("rewind", ["100", "60m"])
def test_rewind_limit_bounds_a_rewind_and_is_echoed(rewind: str) -> None:
    bench = Bench()
    for offset in range(5):
        bench.say("account:1", offset, timestamp_ms=1)

    attached = bench.attach(now=1.0, params={"rewind": rewind, "rewindLimit": "2"})

    assert attached["params"] == {"rewind": rewind, "rewindLimit": "2"}
    assert bench.backlog == ["3", "4"]


def test_rewind_gives_way_to_a_serial() -> None:
    bench = Bench()
    for offset in range(5):
        bench.say("account:1", offset)

    bench.attach(channel_serial=serial_at(3), params={"rewind": "5"})

    assert bench.backlog == ["4"]


def test_what_the_token_does_not_allow_is_refused() -> None:
    """RTL14: ERROR with the channel."""
    bench = Bench({"account:2": ["subscribe"]})

    error = bench.attach("account:1")

    assert (error["action"], error["channel"], error["error"]["code"]) == (Action.ERROR, "account:1", 40160)
    assert bench.refusals == [40160]


def test_modes_are_those_asked_for_allowed_and_offered() -> None:
    bench = Bench({"account:1": ["subscribe", "publish"]})

    assert bench.attach(flags=int(Flag.SUBSCRIBE | Flag.PRESENCE))["flags"] == Flag.SUBSCRIBE
    assert bench.attach("[?rewind=1]account:1")["flags"] == Flag.SUBSCRIBE | Flag.PUBLISH


def test_a_channel_of_no_namespace_is_refused() -> None:
    assert Bench().attach("market:1")["error"]["code"] == 40400


@pytest.mark.parametrize("name", [":x", "[meta]log", "[", "[?a=1]", "a\x00b", "x" * 3000])
def test_a_bad_name_is_refused(name: str) -> None:
    error = Bench().attach(name)

    assert (error["action"], error["error"]["code"]) == (Action.ERROR, 40010)


def test_too_many_channels_are_refused() -> None:
    bench = Bench(channels=2)
    bench.attach("account:1")
    bench.attach("account:2")

    assert bench.attach("account:3")["error"]["code"] == 90010


def test_attaching_again_after_reading_too_slowly_is_told_and_never_called_resumed() -> None:
    """The bug: ATTACHED with RESUMED and a position behind the gap; whoever dropped then came back past it."""
    bench = Bench()
    bench.attach()
    bench.outlet.capacity, bench.outlet.on_full = 1, bench.hub.suspend
    for offset in range(5):
        bench.say("account:1", offset, now=offset * 50.0)
    bench.outlet.take()

    again = bench.attach(channel_serial=serial_at(0))

    assert not again["flags"] & Flag.RESUMED
    assert again["error"]["code"] == 90003


def test_attaching_again_disturbs_nothing() -> None:
    bench = Bench()
    bench.attach()
    bench.say("account:1", 0)
    bench.outlet.take()

    again = bench.attach(channel_serial=serial_at(0))

    assert again["action"] == Action.ATTACHED
    assert again["flags"] & Flag.RESUMED
    assert bench.backlog == []
    bench.say("account:1", 1)
    assert len(bench.outlet.take()) == 1


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
