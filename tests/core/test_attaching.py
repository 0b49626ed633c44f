"""Where an attachment begins, by its serial, and what is refused."""

from __future__ import annotations

import pytest

from gateway.core.postponed import MAX_PATIENCE_SECONDS, PATIENCE_SECONDS
from gateway.core.serial import Front
from gateway.core.wire import Action, Flag
from tests.core.bench import LIFE, Bench, serial_at


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
    bench.hub.waiting.settle(0.5)
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

    bench.hub.waiting.settle(PATIENCE_SECONDS + 0.1)

    (attached,) = bench.outlet.take()
    assert attached["error"]["code"] == 80012
    assert not attached["flags"] & Flag.RESUMED


@pytest.mark.parametrize("serial", [serial_at(3), str(Front(LIFE, (4,)))])
def test_an_edge_that_is_behind_kafka_itself_calls_no_position_one_of_the_future(serial: str) -> None:
    """Another edge was quicker by more than the patience: the client keeps its position, and attaches again (RTL13b)."""
    bench = Bench()
    bench.say("account:1", 0)
    bench.hub.waiting.complete_ms = lambda _topic, _partition: 999
    bench.send(Action.ATTACH, 1.0, channel="account:1", channel_serial=serial)

    bench.hub.waiting.settle(1 + PATIENCE_SECONDS + 0.1)
    answered_soon = bench.outlet.take()
    bench.hub.waiting.settle(1 + MAX_PATIENCE_SECONDS + 0.1)

    (detached,) = bench.outlet.take()
    assert answered_soon == []
    assert (detached["action"], detached["error"]["code"]) == (Action.DETACHED, 50003)


def test_an_edge_that_comes_after_its_patience_serves_all_the_same() -> None:
    bench = Bench()
    bench.say("account:1", 0)
    bench.hub.waiting.complete_ms = lambda _topic, _partition: 0
    bench.send(Action.ATTACH, 1.0, channel="account:1", channel_serial=serial_at(2))
    bench.hub.waiting.settle(1 + PATIENCE_SECONDS + 0.1)

    for offset in (1, 2, 3):
        bench.say("account:1", offset)
    bench.hub.waiting.settle(1 + PATIENCE_SECONDS + 0.2)
    bench.outlet.have_turns(bench.hub)

    attached, message = bench.outlet.take()
    assert attached["flags"] & Flag.RESUMED
    assert message["channelSerial"] == serial_at(3)


def test_what_kafka_had_when_the_client_came_was_read_and_the_position_is_one_of_the_future() -> None:
    bench = Bench()
    bench.say("account:1", 0)
    asked: list[tuple[str, int | None]] = []

    def complete_ms(topic: str, partition: int | None) -> int:
        asked.append((topic, partition))
        return 1000

    bench.hub.waiting.complete_ms = complete_ms
    bench.send(Action.ATTACH, 1.0, channel="account:1", channel_serial=serial_at(99))
    bench.hub.waiting.settle(1 + PATIENCE_SECONDS + 0.1)

    (attached,) = bench.outlet.take()
    assert attached["error"]["code"] == 80012
    assert {partition for _, partition in asked} == {0}


def test_a_topic_that_is_not_read_yet_makes_attach_wait_then_try_again() -> None:
    """RTL13b: DETACHED makes the SDK attach again; ERROR would not."""
    bench = Bench(is_read=False)
    bench.send(Action.ATTACH, 0.0, channel="account:1")

    bench.hub.waiting.settle(PATIENCE_SECONDS + 0.1)

    (detached,) = bench.outlet.take()
    assert (detached["action"], detached["error"]["code"]) == (Action.DETACHED, 50003)


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
