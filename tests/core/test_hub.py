"""Who gets what, in which order, and what slow ones cost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.attachment import Attachment
from gateway.core.duplicates import Duplicates
from gateway.core.hub import Hub
from gateway.core.message import Message
from gateway.core.window import Window
from gateway.core.wire import JSON, MSGPACK, Flag, Format
from tests.core.outlet import Collected

TOPIC = "edge.accounts"


def make_hub(max_seconds: float = 1000.0) -> Hub:
    hub = Hub(Window(max_bytes=1 << 30, max_seconds=max_seconds, remembered_channels=1000), Duplicates(1000))
    hub.begin(TOPIC, "aaaaaaaa", {0: 0}, now=0.0)
    return hub


def attach(hub: Hub, outlet: Collected, channel: str, wire: Format = JSON, name: str | None = None) -> Attachment:
    attachment = Attachment(outlet, wire, channel, name or channel, TOPIC)
    attachment.flags = Flag.SUBSCRIBE
    hub.join(attachment, hub.window.sequence)
    return attachment


def say(hub: Hub, channel: str, offset: int, data: str | bytes = "x", now: float = 0.0) -> None:
    message = Message(id=f"{TOPIC}:0:{offset}", timestamp=1, data=data)
    hub.accept(TOPIC, 0, offset, channel, message, 10, now)


def ids(outlet: Collected) -> list[str]:
    return [message["messages"][0]["id"].rpartition(":")[2] for message in outlet.messages() if "messages" in message]


def test_hands_the_same_bytes_to_everybody_of_one_name_and_format() -> None:
    hub = make_hub()
    one, other = Collected(), Collected()
    attach(hub, one, "account:1")
    attach(hub, other, "account:1")

    say(hub, "account:1", 0)

    assert one.frames[0] is other.frames[0]


@pytest.mark.parametrize("wire", [JSON, MSGPACK])
def test_a_message_carries_channel_serial_and_itself(wire: Format) -> None:
    hub = make_hub()
    outlet = Collected()
    attach(hub, outlet, "account:1", wire)

    say(hub, "account:1", 12, data='{"a":1}')

    assert outlet.messages() == [
        {
            "action": 15,
            "channel": "account:1",
            "channelSerial": "aaaaaaaa-00000-0000000000000012",
            "messages": [
                {"id": f"{TOPIC}:0:12", "timestamp": 1, "data": '{"a":1}', "serial": "aaaaaaaa-00000-0000000000000012"}
            ],
        }
    ]


def test_bytes_are_base64_in_json_and_raw_in_msgpack() -> None:
    hub = make_hub()
    as_json, as_msgpack = Collected(), Collected()
    attach(hub, as_json, "account:1", JSON)
    attach(hub, as_msgpack, "account:1", MSGPACK)

    say(hub, "account:1", 0, data=b"\xff\x00")

    in_json, in_msgpack = as_json.messages()[0]["messages"][0], as_msgpack.messages()[0]["messages"][0]
    assert (in_json["data"], in_json["encoding"]) == ("/wA=", "base64")
    assert (in_msgpack["data"], in_msgpack.get("encoding")) == (b"\xff\x00", None)


def test_a_client_hears_the_name_that_it_used() -> None:
    hub = make_hub()
    outlet = Collected()
    attach(hub, outlet, "account:1", name="[?rewind=1]account:1")

    say(hub, "account:1", 0)

    assert outlet.messages()[0]["channel"] == "[?rewind=1]account:1"


def test_nobody_gets_another_channels_messages() -> None:
    hub = make_hub()
    outlet = Collected()
    attach(hub, outlet, "account:1")

    say(hub, "account:2", 0)

    assert outlet.frames == []


def test_who_left_gets_nothing_more() -> None:
    hub = make_hub()
    outlets = [Collected() for _ in range(3)]
    attachments = [attach(hub, outlet, "account:1") for outlet in outlets]
    hub.leave(attachments[0])
    hub.leave(attachments[0])

    say(hub, "account:1", 0)

    assert [len(outlet.frames) for outlet in outlets] == [0, 1, 1]


def test_a_full_outlet_lags_and_catches_up_whole() -> None:
    hub = make_hub()
    slow, quick = Collected(capacity=2), Collected()
    slow.on_full = hub.suspend
    attach(hub, slow, "account:1")
    attach(hub, quick, "account:1")
    for offset in range(10):
        say(hub, "account:1", offset)
    served_while_full = len(slow.frames)

    slow.capacity = None
    while hub.serve(slow):
        pass
    say(hub, "account:1", 10)

    assert served_while_full == 2
    assert ids(slow) == ids(quick) == [str(offset) for offset in range(11)]


def test_who_comes_back_far_behind_is_served_to_the_end() -> None:
    """The bug: a backlog of more than one share got its first share only, and then nothing for ever."""
    hub = make_hub()
    outlet = Collected()
    for offset in range(300):
        say(hub, "account:1", offset)
    attachment = Attachment(outlet, JSON, "account:1", "account:1", TOPIC)
    attachment.flags = Flag.SUBSCRIBE

    hub.join(attachment, 0)
    say(hub, "account:1", 300)
    outlet.have_turns(hub)

    assert ids(outlet) == [str(offset) for offset in range(301)]
    assert not attachment.is_lagging


def test_an_outlet_with_two_names_for_one_channel_misses_nothing_when_it_fills() -> None:
    hub = make_hub()
    slow = Collected(capacity=1)
    slow.on_full = hub.suspend
    attach(hub, slow, "account:1")
    attach(hub, slow, "account:1", name="[?x=1]account:1")
    for offset in range(3):
        say(hub, "account:1", offset)

    slow.capacity = None
    while hub.serve(slow):
        pass

    by_name: dict[str, list[str]] = {}
    for message in slow.messages():
        by_name.setdefault(message["channel"], []).append(message["messages"][0]["id"][-1])
    assert by_name == {"account:1": ["0", "1", "2"], "[?x=1]account:1": ["0", "1", "2"]}


def test_who_is_full_when_its_topic_is_recreated_still_gets_nothing_before_it_drains() -> None:
    """The bug: being told made it live, and what flowed then piled up in memory."""
    hub = make_hub()
    slow = Collected(capacity=1)
    slow.on_full = hub.suspend
    attach(hub, slow, "account:1")
    say(hub, "account:1", 0)
    hub.begin(TOPIC, "bbbbbbbb", {0: 0}, now=0.0)
    for offset in range(5):
        say(hub, "account:1", offset)
    frames_while_full = len(slow.frames)

    slow.capacity = None
    while hub.serve(slow):
        pass

    assert frames_while_full == 2  # the message that filled it, and what it was told
    assert ids(slow) == ["0", "0", "1", "2", "3", "4"]


def test_who_is_too_slow_is_told_and_goes_on_from_now() -> None:
    """RTL12: ATTACHED without RESUMED, with the reason."""
    hub = make_hub(max_seconds=10)
    slow = Collected(capacity=1)
    slow.on_full = hub.suspend
    attach(hub, slow, "account:1")
    for offset in range(5):
        say(hub, "account:1", offset, now=offset * 100.0)
    slow.take()

    slow.capacity = None
    hub.serve(slow)
    say(hub, "account:1", 5, now=500.0)

    attached, message = slow.messages()
    assert attached["action"] == 11
    assert attached["error"]["code"] == 90003
    assert not attached["flags"] & Flag.RESUMED
    assert message["messages"][0]["id"].endswith(":5")


def test_a_recreated_topic_is_told_to_everybody_on_it() -> None:
    hub = make_hub()
    outlet = Collected()
    attach(hub, outlet, "account:1")

    hub.begin(TOPIC, "bbbbbbbb", {0: 0}, now=0.0)

    (attached,) = outlet.messages()
    assert (attached["action"], attached["error"]["code"]) == (11, 90003)
    assert attached["channelSerial"].startswith("bbbbbbbb-")


def test_added_partitions_disturb_nobody() -> None:
    hub = make_hub()
    outlet = Collected()
    attach(hub, outlet, "account:1")

    hub.extend(TOPIC, "bbbbbbbb", {1: 0}, now=0.0)
    hub.accept(TOPIC, 1, 0, "account:1", Message(id="x:1:0", timestamp=1, data="x"), 10, 0.0)

    assert ids(outlet) == ["0"]


def test_records_lost_to_retention_are_told() -> None:
    hub = make_hub()
    outlet = Collected()
    attach(hub, outlet, "account:1")

    hub.interrupt(TOPIC, 0, 50, now=0.0)

    (attached,) = outlet.messages()
    assert attached["error"]["code"] == 90003


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_attachment_gets_every_message_of_its_channel_once_and_in_order(data: st.DataObject) -> None:  # noqa: C901
    """Whoever joins, leaves, fills up and drains meanwhile."""
    hub = make_hub()
    attached: list[tuple[Collected, Attachment, list[str]]] = []
    for offset in range(data.draw(st.integers(1, 40))):
        step: Any = data.draw(st.sampled_from(["say", "say", "join", "leave", "drain", "fill"]))
        channel = data.draw(st.sampled_from(["account:1", "account:2"]))
        if step == "say":
            say(hub, channel, offset)
            for _, attachment, expected in attached:
                if attachment.channel == channel:
                    expected.append(str(offset))
        elif step == "join":
            outlet = Collected()
            outlet.on_full = hub.suspend
            attached.append((outlet, attach(hub, outlet, channel, data.draw(st.sampled_from([JSON, MSGPACK]))), []))
        elif attached:
            outlet, attachment, expected = data.draw(st.sampled_from(attached))
            if step == "leave" and not attachment.is_lagging:
                hub.leave(attachment)
                attached = [other for other in attached if other[1] is not attachment]
                assert ids(outlet) == expected
            elif step == "fill":
                outlet.capacity = len(outlet.frames) + data.draw(st.integers(1, 3))
            elif step == "drain":
                outlet.capacity = None
                while hub.serve(outlet):
                    pass

    for outlet, _, expected in attached:
        outlet.capacity = None
        while hub.serve(outlet):
            pass
        assert ids(outlet) == expected
