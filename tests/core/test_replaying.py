"""Attachments that are served from before the window: what their clients are told, and when."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.attaching import Behind, start_of
from gateway.core.attachment import Attachment
from gateway.core.duplicates import Duplicates
from gateway.core.entry import Entry
from gateway.core.hub import Hub
from gateway.core.message import Message
from gateway.core.passes import Pass
from gateway.core.replay import Replay, Rewinding
from gateway.core.replaying import feed, give_up, hand, land, put_off
from gateway.core.routing import Router
from gateway.core.serial import Serial
from gateway.core.window import Window
from gateway.core.wire import JSON, Action, Flag
from gateway.errors import KafkaUnavailable, PositionExpired
from tests.core.bench import LIFE, TOPIC, Bench, Rule, serial_at
from tests.core.outlet import Collected


class Catcher:
    """Takes note of who is wanted and dropped."""

    def __init__(self) -> None:
        self.wanted: list[Replay] = []
        self.dropped: list[Replay] = []

    def want(self, replay: Replay) -> None:
        self.wanted.append(replay)

    def drop(self, replay: Replay) -> None:
        self.dropped.append(replay)


def forgetful_bench(messages: int = 10) -> Bench:
    """A session on a hub whose window has forgotten so many messages of a channel, and holds the one after them."""
    bench = Bench()
    bench.hub.catcher = bench.catcher = Catcher()
    for offset in range(messages):
        bench.say("account:1", offset, now=500.0)
    bench.say("account:1", messages, now=1000.0)
    return bench


def entries(first: int, end: int) -> list[tuple[int, Message]]:
    return [(offset, Message(id=f"{TOPIC}:0:{offset}", timestamp=1, data="x")) for offset in range(first, end)]


def begun(bench: Bench, offset: int = 3) -> Replay:
    """Attach with a position that the window cannot prove."""
    assert bench.send(Action.ATTACH, 1000.0, channel="account:1", channel_serial=serial_at(offset)) == []
    (replay,) = bench.catcher.wanted
    return replay


def offsets(messages: Sequence[dict]) -> list[int]:
    return [int(m["messages"][0]["id"].rpartition(":")[2]) for m in messages if m["action"] == Action.MESSAGE]


def test_attached_comes_with_the_first_proof_and_before_the_first_message() -> None:
    """RTL15b: with the client's own serial, which covers nothing that is still to come."""
    bench = forgetful_bench()
    replay = begun(bench)

    feed(bench.hub, replay, 0, entries(4, 7), 7, is_home=True)

    attached, *messages = bench.outlet.take()
    assert attached["action"] == Action.ATTACHED
    assert attached["flags"] & Flag.RESUMED
    assert attached["channelSerial"] == serial_at(3)
    assert offsets(messages) == [4, 5, 6]


def test_it_is_live_in_the_step_in_which_the_window_takes_over() -> None:
    bench = forgetful_bench()
    replay = begun(bench)
    feed(bench.hub, replay, 0, entries(4, 10), 10, is_home=True)
    bench.outlet.take()

    assert land(bench.hub, replay)
    bench.hub.serve(bench.outlet)
    bench.say("account:1", 11, now=1000.0)

    assert offsets(bench.outlet.take()) == [10, 11]
    assert replay.is_over
    assert bench.catcher.dropped == [replay]


def test_it_is_not_handed_over_while_something_is_missing() -> None:
    bench = forgetful_bench()
    replay = begun(bench)
    feed(bench.hub, replay, 0, entries(4, 9), 9, is_home=True)

    assert not land(bench.hub, replay)


def test_nothing_is_read_for_it_beyond_the_tail() -> None:
    """The historian of another edge may be quicker; the tail delivers that by itself."""
    bench = forgetful_bench()
    replay = begun(bench)

    feed(bench.hub, replay, 0, entries(4, 20), 20, is_home=True)

    assert offsets(bench.outlet.take()) == list(range(4, 11))
    assert land(bench.hub, replay)


def test_attaching_again_before_the_answer_has_one_answer() -> None:
    """An SDK that has given the first one up asks again."""
    bench = forgetful_bench()
    replay = begun(bench)

    again = bench.send(Action.ATTACH, 1000.0, channel="account:1", channel_serial=serial_at(3))
    feed(bench.hub, replay, 0, entries(4, 5), 5, is_home=True)

    assert again == []
    assert [m["action"] for m in bench.outlet.take()] == [Action.ATTACHED, Action.MESSAGE]


def test_attaching_again_in_the_middle_tells_how_far_it_is() -> None:
    bench = forgetful_bench()
    replay = begun(bench)
    feed(bench.hub, replay, 0, entries(4, 6), 6, is_home=True)
    bench.outlet.take()

    (again,) = bench.send(Action.ATTACH, 1000.0, channel="account:1")
    feed(bench.hub, replay, 0, entries(6, 7), 7, is_home=True)

    assert again["channelSerial"] == serial_at(5)
    assert again["flags"] & Flag.RESUMED
    assert offsets(bench.outlet.take()) == [6]


def test_who_detaches_is_read_for_no_more() -> None:
    bench = forgetful_bench()
    replay = begun(bench)

    bench.send(Action.DETACH, channel="account:1")

    assert replay.is_over
    assert bench.catcher.dropped == [replay]
    assert bench.hub.attachments.replaying == 0


def test_a_client_that_does_not_read_is_left_alone_until_it_has_read() -> None:
    bench = forgetful_bench()
    replay = begun(bench)
    bench.outlet.capacity = 3

    feed(bench.hub, replay, 0, entries(4, 9), 9, is_home=True)
    served = offsets(bench.outlet.take())
    wanted_while_full = len(bench.catcher.wanted)
    bench.outlet.capacity = None
    bench.hub.serve(bench.outlet)

    assert served == [4, 5]
    assert replay.position == Serial(LIFE, 0, 5)
    assert wanted_while_full == 1
    assert bench.catcher.wanted == [replay, replay]
    assert not replay.is_paused


def test_what_cannot_be_proven_is_told_and_goes_on_from_now() -> None:
    bench = forgetful_bench()
    replay = begun(bench)

    give_up(bench.hub, replay, PositionExpired("gone"))
    bench.say("account:1", 11, now=1000.0)

    attached, message = bench.outlet.take()
    assert attached["error"]["code"] == 80006
    assert not attached["flags"] & Flag.RESUMED
    assert attached["channelSerial"] == serial_at(10)
    assert offsets([message]) == [11]


def test_a_loss_on_the_way_is_told_like_any_other() -> None:
    """RTL12: ATTACHED without RESUMED on an attached channel."""
    bench = forgetful_bench()
    replay = begun(bench)
    feed(bench.hub, replay, 0, entries(4, 6), 6, is_home=True)
    bench.outlet.take()

    give_up(bench.hub, replay, PositionExpired("gone"))

    (attached,) = bench.outlet.take()
    assert (attached["action"], attached["error"]["code"]) == (Action.ATTACHED, 80006)
    assert bench.hub.continuity_losses == 1
    assert bench.hub.attachments.replaying == 0


def test_what_cannot_be_known_now_is_asked_again_with_the_same_position() -> None:
    """RTL13b."""
    bench = forgetful_bench()
    replay = begun(bench)

    put_off(bench.hub, replay, KafkaUnavailable("away"))
    bench.say("account:1", 11, now=1000.0)

    (detached,) = bench.outlet.take()
    assert (detached["action"], detached["error"]["code"]) == (Action.DETACHED, 50003)
    assert len(bench.hub.attachments) == 0


def test_a_topic_that_is_recreated_meanwhile_ends_it() -> None:
    bench = forgetful_bench()
    replay = begun(bench)

    bench.hub.begin(TOPIC, "bbbbbbbb", {0: 0}, now=1000.0)

    (attached,) = bench.outlet.take()
    assert attached["error"]["code"] == 90003
    assert attached["channelSerial"].startswith("bbbbbbbb-")
    assert replay.is_over


def test_who_reads_too_slowly_for_the_window_is_read_for_and_hears_nothing() -> None:
    bench = forgetful_bench()
    bench.attach(now=1000.0)
    bench.outlet.on_full = bench.hub.suspend
    bench.outlet.capacity = 1
    for offset in range(11, 20):
        bench.say("account:1", offset, now=1000.0)
    bench.say("account:1", 20, now=2000.0)
    bench.outlet.take()

    bench.outlet.capacity = None
    bench.hub.serve(bench.outlet)

    (replay,) = bench.catcher.wanted
    assert bench.outlet.take() == []
    assert replay.position == Serial(LIFE, 0, 11)
    assert replay.is_announced


def test_a_rewind_that_nobody_can_help_is_content_with_what_is_held() -> None:
    bench = forgetful_bench()
    bench.send(Action.ATTACH, 1000.0, channel="account:1", params={"rewind": "5"})
    (replay,) = bench.catcher.wanted

    give_up(bench.hub, replay, PositionExpired("gone"))
    bench.hub.serve(bench.outlet)

    attached, message = bench.outlet.take()
    assert attached["flags"] & Flag.HAS_BACKLOG
    assert attached["params"] == {"rewind": "5"}
    assert "error" not in attached
    assert offsets([message]) == [10]


def test_a_rewind_of_what_is_held_needs_nobody() -> None:
    window = forgetful_bench().hub.window

    assert not isinstance(start_of(window, TOPIC, "account:1", None, Rewinding(1, None)), Behind)
    assert isinstance(start_of(window, TOPIC, "account:1", None, Rewinding(2, None)), Behind)


# ---------------------------------------------------------------------- passes


def ride_of(hub: Hub, begins_at: int) -> Pass:
    return Pass(hub.window, Router({"account": Rule()}), TOPIC, 0, begins_at)


def rider(hub: Hub, next_offset: int, channel: str = "account:1") -> Replay:
    attachment = Attachment(Collected(), JSON, channel, channel, TOPIC)
    replay = Replay(attachment, Serial(LIFE, 0, next_offset - 1))
    replay.partition, replay.next_offset = 0, next_offset
    hub.replay(replay)
    return replay


def test_who_lacks_what_was_passed_waits_for_the_next_pass() -> None:
    hub = forgetful_bench().hub
    ride = ride_of(hub, 4)

    assert ride.board(rider(hub, 4))
    ride.reach(6)

    assert not ride.board(rider(hub, 5))
    assert ride.board(rider(hub, 6))


def test_a_record_is_for_those_who_lack_it() -> None:
    hub = forgetful_bench().hub
    early, late, other = rider(hub, 4), rider(hub, 6), rider(hub, 4, "account:2")
    ride = ride_of(hub, 4)
    for replay in (early, late, other):
        ride.board(replay)

    assert ride.channel_of(b"1") == "account:1"
    assert ride.channel_of(b"7") is None
    assert ride.lacking("account:1", 5) == [early]
    assert ride.lacking("account:1", 6) == [early, late]


def test_a_rider_gets_off_where_the_window_holds_the_rest_of_its_channel() -> None:
    """Not where it holds the rest of the partition: that may be much later."""
    hub = Hub(Window(max_bytes=1 << 30, max_seconds=10.0, remembered_channels=100), Duplicates(1000))
    hub.begin(TOPIC, LIFE, {0: 0}, now=0.0)
    hub.catcher = Catcher()
    for offset in range(100):
        channel = "account:1" if offset == 5 else "account:2"
        hub.accept(TOPIC, 0, offset, channel, Message(id=f"{TOPIC}:0:{offset}", timestamp=1, data="x"), 10, 0.0)
    hub.accept(TOPIC, 0, 100, "account:3", Message(id=f"{TOPIC}:0:100", timestamp=1, data="x"), 10, 1000.0)
    early, late = rider(hub, 2, "account:1"), rider(hub, 2, "account:2")
    ride = ride_of(hub, 2)
    ride.board(early)
    ride.board(late)

    ride.reach(5)
    nobody = ride.arrived()
    ride.reach(6)
    first = ride.arrived()

    assert (nobody, first, ride.arrived()) == (None, early, None)
    assert early.position == Serial(LIFE, 0, 5)
    assert land(hub, early)
    assert ride.riders == [late]


def test_who_gets_off_a_full_socket_keeps_its_place() -> None:
    hub = forgetful_bench().hub
    replay = rider(hub, 4)
    replay.attachment.outlet.capacity = 0
    ride = ride_of(hub, 4)
    ride.board(replay)

    entry = Entry(TOPIC, Serial(LIFE, 0, 5), "account:1", Message(id="x", timestamp=1), 0)
    is_handed = [hand(hub, one, entry) for one in ride.lacking("account:1", 5)]

    assert is_handed == [False]
    assert replay.position == Serial(LIFE, 0, 3)
    assert replay.is_paused
