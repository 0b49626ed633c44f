"""ATTACH with a cursor: who may, from where it is served, and what it waits for."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.attachment import Attachment
from gateway.core.confirming import confirm, mark, settle
from gateway.core.look_ups import Found, Kept, Settle
from gateway.core.session import Session
from gateway.core.wire import JSON, Action, Flag
from gateway.errors import StoreUnavailable, TooManyCursors
from tests.core.bench import LIFE, Bench, principal_of, serial_at
from tests.core.outlet import Collected

CHANNEL = "account:1"
PHONE = {"cursor": "phone-7"}
AWAY = StoreUnavailable("away")


class Shelf:
    """Where positions are kept: looked up when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, Settle]] = []
        self.kept: list[Attachment] = []
        self.left: list[Attachment] = []

    def look_up(self, session: Session, cursor: str, channel: str, begin: str, settle: Settle) -> None:
        self.asked.append((cursor, channel, begin, settle))

    def keep(self, session: Session, attachment: Attachment) -> None:
        self.kept.append(attachment)

    def let_go(self, session: Session, attachment: Attachment) -> None:
        self.left.append(attachment)


class Desk(Bench):
    """A session whose cursors lie on a shelf."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.shelf = self.terms.cursors = Shelf()

    def find(self, found: Found, now: float = 0.0) -> list[dict[str, Any]]:
        *_, settle = self.shelf.asked.pop()
        settle(found, now)
        self.outlet.have_turns(self.hub)
        return self.outlet.take()


def test_it_waits_for_the_stored_position_and_is_served_from_there() -> None:
    """Like any serial: RESUMED, and everything after it."""
    desk = Desk()
    for offset in range(3):
        desk.say(CHANNEL, offset)

    at_once = desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE)
    attached, *messages = desk.find(Kept(serial_at(0)))

    assert at_once == []
    assert attached["flags"] & Flag.RESUMED
    assert (attached["channelSerial"], attached["params"]) == (serial_at(0), PHONE)
    assert [message["channelSerial"] for message in messages] == [serial_at(1), serial_at(2)]
    assert desk.shelf.kept[0].confirmed is not None


def test_with_none_stored_it_begins_now() -> None:
    """The place is kept before the device is told, and is its own once it is known to have heard so."""
    desk = Desk()
    desk.say(CHANNEL, 0)
    desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE)
    begins = [begin for _, _, begin, _ in desk.shelf.asked]

    (attached,) = desk.find(None)
    before = [attachment.confirmed for attachment in desk.shelf.kept]
    mark(desk.hub, desk.outlet)
    confirm(desk.session, 0.0)

    assert not attached["flags"] & Flag.RESUMED
    assert "error" not in attached
    assert begins == [attached["channelSerial"]] == [serial_at(0)]
    assert before == [None]
    assert [str(attachment.confirmed) for attachment in desk.shelf.kept] == [serial_at(0)]


def test_what_only_began_is_served_from_there_and_not_called_resumed() -> None:
    """Its device never heard ATTACHED, as far as is known: nothing is skipped, and nothing claimed."""
    desk = Desk()
    for offset in range(3):
        desk.say(CHANNEL, offset)
    desk.send(Action.ATTACH, channel=CHANNEL, params={**PHONE, "rewind": "1"})

    attached, *messages = desk.find(Kept(serial_at(0), is_begun=True))

    assert not attached["flags"] & Flag.RESUMED
    assert "error" not in attached
    assert attached["params"] == PHONE
    assert [message["channelSerial"] for message in messages] == [serial_at(1), serial_at(2)]
    assert [attachment.confirmed for attachment in desk.shelf.kept] == [None]


def test_what_only_began_on_an_edge_that_is_ahead_waits_for_the_tail() -> None:
    desk = Desk()
    desk.say(CHANNEL, 0)
    desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE)

    at_once = desk.find(Kept(serial_at(1), is_begun=True))
    desk.say(CHANNEL, 1)
    desk.say(CHANNEL, 2)
    desk.hub.waiting.settle(0.0)
    desk.outlet.have_turns(desk.hub)
    attached, message = desk.outlet.take()

    assert at_once == []
    assert not attached["flags"] & Flag.RESUMED
    assert message["channelSerial"] == serial_at(2)


@pytest.mark.parametrize(
    ("fields", "begins"),
    [
        ({}, serial_at(2)),
        ({"params": {**PHONE, "rewind": "2"}}, serial_at(0)),
        ({"channel_serial": serial_at(1)}, serial_at(1)),
        ({"channel_serial": serial_at(1), "params": {**PHONE, "rewind": "2"}}, serial_at(1)),
        ({"channel_serial": serial_at(7)}, ""),
        ({"channel_serial": "zzzzzzzz-00000-0000000000000001"}, ""),
        ({"channel_serial": "nonsense"}, ""),
    ],
)
def test_a_cursor_begins_where_its_device_will_be_served_from(fields: dict[str, Any], begins: str) -> None:
    """And nowhere, where nothing can prove what the client has itself: it must hear so first."""
    desk = Desk()
    for offset in range(3):
        desk.say(CHANNEL, offset)

    desk.send(Action.ATTACH, channel=CHANNEL, **{"params": PHONE, **fields})

    assert [begin for _, _, begin, _ in desk.shelf.asked] == [begins]


def test_an_absurd_rewind_is_refused_before_anything_is_kept() -> None:
    desk = Desk()

    (answer,) = desk.send(Action.ATTACH, channel=CHANNEL, params={**PHONE, "rewind": "for ever"})

    assert (answer["action"], answer["error"]["code"]) == (Action.ERROR, 40003)
    assert desk.shelf.asked == []


def test_with_none_stored_it_rewinds_where_that_is_asked_for() -> None:
    desk = Desk()
    desk.say(CHANNEL, 0)
    desk.send(Action.ATTACH, channel=CHANNEL, params={**PHONE, "rewind": "1"})

    attached, message = desk.find(None)

    assert attached["params"] == {**PHONE, "rewind": "1"}
    assert message["channelSerial"] == serial_at(0)


def test_a_stored_position_that_cannot_be_proven_is_told_and_nothing_is_kept_before_the_client_has_heard_it() -> None:
    desk = Desk()
    desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE)

    (attached,) = desk.find(Kept("zzzzzzzz-00000-0000000000000001"))

    assert (attached["error"]["code"], attached["params"]) == (90003, PHONE)
    assert [attachment.confirmed for attachment in desk.shelf.kept] == [None]


@pytest.mark.parametrize(
    "found",
    [Kept(serial_at(2)), Kept(serial_at(2), is_begun=True), None, AWAY],
    ids=["another", "begun", "none", "away"],
)
def test_the_serial_that_the_client_has_itself_counts(found: Found) -> None:
    desk = Desk()
    for offset in range(3):
        desk.say(CHANNEL, offset)
    desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE, channel_serial=serial_at(1))

    attached, message = desk.find(found)

    assert attached["channelSerial"] == serial_at(1)
    assert message["channelSerial"] == serial_at(2)


def test_redis_away_is_detached_so_that_the_sdk_tries_again() -> None:
    """RTL13b."""
    desk = Desk()
    desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE)

    (answer,) = desk.find(AWAY)

    assert (answer["action"], answer["error"]["code"]) == (Action.DETACHED, 50003)
    assert len(desk.hub.attachments) == 0


def test_who_listens_no_more_stands_where_it_was_known_to_be() -> None:
    """What was under way when the modes changed may not have come: it is not skipped."""
    desk = Desk()
    desk.say(CHANNEL, 0)
    desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE)
    desk.find(Kept(serial_at(0)))
    desk.say(CHANNEL, 1)
    desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE, flags=int(Flag.PUBLISH))
    mark(desk.hub, desk.outlet)
    confirm(desk.session, 0.0)

    (attachment,) = desk.shelf.kept
    assert str(settle(desk.hub.window, attachment)) == serial_at(0)


def test_one_cursor_too_many_is_refused() -> None:
    desk = Desk()
    desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE)

    (answer,) = desk.find(TooManyCursors("remove some"))

    assert (answer["action"], answer["error"]["code"]) == (Action.ERROR, 90010)


@pytest.mark.parametrize("name", ["", "a b", "ä", "x" * 65, "a/b", "a\n"])
def test_a_malformed_name_is_refused(name: str) -> None:
    desk = Desk()

    (answer,) = desk.send(Action.ATTACH, channel=CHANNEL, params={"cursor": name})

    assert (answer["action"], answer["error"]["code"]) == (Action.ERROR, 40003)
    assert desk.shelf.asked == []


@pytest.mark.parametrize("is_wildcard", [False, True], ids=["anonymous", "wildcard"])
def test_a_client_without_an_id_of_its_own_has_no_cursor(is_wildcard: bool) -> None:
    desk = Desk()
    principal = principal_of({"*": ["*"]}, client_id=None)
    object.__setattr__(principal, "is_wildcard", is_wildcard)
    desk.session = Session(desk.terms, desk.outlet, JSON, principal, "conn-2", "conn-2!key")

    (answer,) = desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE)

    assert (answer["action"], answer["error"]["code"]) == (Action.ERROR, 40012)
    assert "token" in answer["error"]["message"]


def test_who_detaches_meanwhile_is_not_attached_later() -> None:
    desk = Desk()
    desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE)
    (detached,) = desk.send(Action.DETACH, channel=CHANNEL)

    assert detached["action"] == Action.DETACHED
    assert desk.find(None) == []
    assert len(desk.hub.attachments) == 0


def test_who_is_gone_meanwhile_is_not_attached_later() -> None:
    desk = Desk()
    desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE)
    desk.session.over()

    assert desk.find(None) == []
    assert len(desk.hub.attachments) == 0


def test_what_waits_counts_as_a_channel() -> None:
    desk = Desk(channels=1)
    desk.send(Action.ATTACH, channel=CHANNEL, params=PHONE)

    (answer,) = desk.send(Action.ATTACH, channel="account:2")

    assert answer["error"]["code"] == 90010


def test_detach_and_the_end_of_the_transport_let_go() -> None:
    desk = Desk()
    for channel in (CHANNEL, "account:2"):
        desk.send(Action.ATTACH, channel=channel, params=PHONE)
        desk.find(None)

    desk.send(Action.DETACH, channel=CHANNEL)
    desk.session.over()

    assert [attachment.channel for attachment in desk.shelf.left] == [CHANNEL, "account:2"]


def test_a_resumed_connection_goes_on_where_its_record_says_if_it_asks_to() -> None:
    """ATTACH_RESUME without a channelSerial: of a client that keeps nothing."""
    desk = Desk()
    for offset in range(3):
        desk.say(CHANNEL, offset)
    desk.session.known = {CHANNEL: serial_at(1)}

    attached, message = desk.send(Action.ATTACH, channel=CHANNEL, flags=int(Flag.ATTACH_RESUME))

    assert attached["flags"] & Flag.RESUMED
    assert message["channelSerial"] == serial_at(2)


@pytest.mark.parametrize("fields", [{}, {"flags": int(Flag.ATTACH_RESUME), "channel_serial": serial_at(0)}])
def test_else_the_record_is_not_asked(fields: dict[str, Any]) -> None:
    desk = Desk()
    for offset in range(3):
        desk.say(CHANNEL, offset)
    desk.session.known = {CHANNEL: serial_at(1)}

    attached, *_ = desk.send(Action.ATTACH, channel=CHANNEL, **fields)

    assert attached["channelSerial"] in (serial_at(2), serial_at(0))


def test_a_channel_that_the_client_left_is_not_in_the_record_any_more() -> None:
    desk = Desk()
    desk.session.known = {CHANNEL: serial_at(1)}

    desk.send(Action.DETACH, channel=CHANNEL)
    desk.session.over()

    assert desk.session.known == {}


def test_the_end_notes_where_each_channel_stands() -> None:
    """Also those to which the client has not come back yet since its last drop."""
    desk = Desk()
    desk.session.known = {"account:9": f"{LIFE}-v-AA"}
    desk.attach(CHANNEL)
    desk.outlet = Collected()

    desk.session.over()

    assert desk.session.known == {"account:9": f"{LIFE}-v-AA", CHANNEL: f"{LIFE}-v-AA"}
