"""Who is told that a channel is stale, and when it is fresh again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from auth.capability import Capability
from gateway.core.attachment import Attachment
from gateway.core.freshness import EVENT_NAME, TOLD_PER_LOOK, Freshness, wished_freshness
from gateway.core.hub import Hub
from gateway.core.wire import JSON, MSGPACK, Action, Flag, Format, Lag
from gateway.errors import BadParameter
from tests.core.bench import Bench
from tests.core.outlet import Collected
from tests.core.test_hub import TOPIC, attach, make_hub, say


def told(outlet: Collected) -> list[dict[str, Any]]:
    """What the events said that came since the last call."""
    messages = [inner for frame in outlet.take() for inner in frame.get("messages", ())]
    return [json.loads(message["data"]) for message in messages if message.get("name") == EVENT_NAME]


def watching(hub: Hub, wire: Format = JSON, seconds: int = 5) -> tuple[Collected, Attachment]:
    outlet = Collected()
    attachment = attach(hub, outlet, "account:1", wire)
    hub.freshness.watch(attachment, seconds)
    return outlet, attachment


def look(hub: Hub, now_ms: int, as_of_ms: int) -> None:
    hub.freshness.look(now_ms, lambda _topic, _partition: as_of_ms)


@pytest.mark.parametrize("wire", [JSON, MSGPACK])
def test_is_told_once_when_too_old_and_once_when_fresh_again(wire: Format) -> None:
    hub = make_hub()
    outlet, _ = watching(hub, wire)
    heard = []

    for now_ms, as_of_ms in [(10_000, 5_000), (10_001, 5_000), (12_000, 5_000), (13_000, 12_900), (14_000, 13_900)]:
        look(hub, now_ms, as_of_ms)
        heard.append(told(outlet))

    assert heard == [[], [{"fresh": False, "asOf": 5_000}], [], [{"fresh": True, "asOf": 12_900}], []]


def test_the_event_is_at_the_position_that_the_client_has() -> None:
    """RTL15b: the SDK takes the serial of each MESSAGE for its own."""
    hub = make_hub()
    outlet, attachment = watching(hub)
    say(hub, "account:1", 41)
    outlet.take()

    look(hub, 10_000, 1)

    (event,) = outlet.take()
    assert event["action"] == Action.MESSAGE
    assert event["channelSerial"] == str(hub.window.position(TOPIC, "account:1"))
    assert "serial" not in event["messages"][0]
    assert attachment.group is not None


def test_what_never_was_known_has_no_time() -> None:
    hub = make_hub()
    outlet, _ = watching(hub)

    look(hub, 10_000, 0)

    assert told(outlet) == [{"fresh": False}]


def test_who_comes_while_it_is_stale_is_told_too_and_who_left_is_not() -> None:
    hub = make_hub()
    gone, attachment = watching(hub)
    look(hub, 10_000, 1)
    gone.take()
    late, _ = watching(hub)
    hub.leave(attachment)

    look(hub, 10_100, 1)
    look(hub, 10_200, 10_200)

    assert [event["fresh"] for event in told(late)] == [False, True]
    assert gone.take() == []


def test_who_lags_is_told_when_it_has_caught_up() -> None:
    hub = make_hub()
    outlet, _ = watching(hub)
    outlet.capacity, outlet.on_full = 1, hub.suspend
    say(hub, "account:1", 0)
    say(hub, "account:1", 1)
    look(hub, 10_000, 1)
    before = told(outlet)

    outlet.capacity = None
    while hub.serve(outlet):
        pass
    look(hub, 10_100, 1)

    assert before == []
    assert [event["fresh"] for event in told(outlet)] == [False]


def test_many_are_told_some_at_a_time() -> None:
    """Ten thousand writes in one turn would stop the loop for a tenth of a second."""
    hub = make_hub()
    outlets = [watching(hub)[0] for _ in range(TOLD_PER_LOOK + 1)]
    heard = []

    for now_ms in (10_000, 10_100, 10_200):
        look(hub, now_ms, 1)
        heard.append(sum(len(outlet.take()) for outlet in outlets))

    assert heard == [TOLD_PER_LOOK, 1, 0]


def test_a_flap_shorter_than_the_telling_tells_nobody_twice() -> None:
    hub = make_hub()
    outlets = [watching(hub)[0] for _ in range(TOLD_PER_LOOK + 1)]

    look(hub, 10_000, 1)
    look(hub, 10_100, 10_100)
    look(hub, 10_200, 10_200)

    heard = [[event["fresh"] for event in told(outlet)] for outlet in outlets]
    assert heard[:-1] == [[False, True]] * TOLD_PER_LOOK
    assert heard[-1] == []


def test_a_channel_goes_by_its_own_partition_once_that_is_known() -> None:
    hub = make_hub()
    asked = []
    _, unknown = watching(hub)
    say(hub, "account:1", 0)
    watching(hub)

    hub.freshness.look(1, lambda topic, partition: asked.append((topic, partition)) or 0)

    assert asked == [(TOPIC, None), (TOPIC, 0)]
    assert unknown.channel == "account:1"


def test_attached_echoes_it_and_attach_again_changes_it() -> None:
    bench = Bench()

    first = bench.attach(params={"freshness": "5s", "rewind": "1"})
    look(bench.hub, 10_000, 1)
    stale = told(bench.outlet)
    second = bench.attach()
    look(bench.hub, 10_100, 10_100)

    assert first["params"] == {"freshness": "5s", "rewind": "1"}
    assert [event["fresh"] for event in stale] == [False]
    assert second["params"] == {"rewind": "1"}
    assert told(bench.outlet) == []


@pytest.mark.parametrize(("text", "seconds"), [("2s", 2), ("90s", 90), ("2m", 120), ("60m", 3600)])
def test_reads_seconds_and_minutes(text: str, seconds: int) -> None:
    assert wished_freshness({"freshness": text}) == seconds


@pytest.mark.parametrize("text", ["", "5", "1s", "0s", "61m", "-5s", "5 s", "5h", "99999s", "٥s", "1e3s"])
def test_anything_else_is_refused_with_what_it_can_be(text: str) -> None:
    answer = Bench().attach(params={"freshness": text})

    assert (answer["action"], answer["error"]["code"]) == (Action.ERROR, BadParameter.code)
    assert "5s" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("capability", "shown"),
    [
        ({"*": ["*"]}, {"account", "default"}),
        ({"[*]*": ["*"]}, {"account", "default"}),
        ({"*:cards": ["*"]}, {"account", "default"}),
        ({"account:1": ["subscribe"]}, {"account"}),
        ({"account:*": ["subscribe"], "news": ["subscribe"]}, {"account", "default"}),
        ({"chat:7": ["subscribe"]}, {"default"}),
    ],
)
def test_connected_shows_the_lag_of_what_the_capability_reaches(
    capability: dict[str, list[str]], shown: set[str]
) -> None:
    """The names of other namespaces are nobody's business."""
    freshness = Freshness(make_hub().window)
    freshness.lags = {"account": Lag(3, 40), "default": Lag(0, 0)}

    lags = freshness.lags_for(Capability.parse(capability))

    assert lags is not None
    assert lags.keys() == shown


def test_connected_carries_records_and_milliseconds() -> None:
    bench = Bench({"account:*": ["subscribe"]})
    bench.hub.freshness.lags = {"account": Lag(3, 40), "secret": Lag(0, 0)}

    bench.session.open()

    (connected,) = bench.outlet.messages()
    assert connected["connectionDetails"]["lag"] == {"account": {"records": 3, "milliseconds": 40}}


def test_publishers_are_not_deaf_to_it() -> None:
    """echo=false is about one's own messages."""
    bench = Bench()
    bench.session.wants_echo = False
    bench.attach(params={"freshness": "5s"}, flags=int(Flag.SUBSCRIBE))

    look(bench.hub, 10_000, 1)

    assert len(told(bench.outlet)) == 1
