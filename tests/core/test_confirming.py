"""What is known to have arrived: never too much, whatever happens between a PING and its PONG."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.attachment import Attachment
from gateway.core.confirming import Advance, confirm, mark, settle
from gateway.core.serial import Serial, is_beyond, parse_serial
from gateway.core.wire import Action, Flag
from tests.core.bench import LIFE, TOPIC, Bench, serial_at
from tests.core.outlet import read_frame

CHANNEL, OTHER = "account:1", "account:2"


class Advances(list[Advance]):
    """Who is told."""

    def advanced(self, advance: Advance) -> None:
        self.append(advance)


class Line(Bench):
    """A session on two channels, whose PINGs and PONGs come when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.advances = Advances()
        self.terms.confirmations = (self.advances,)
        self.terms.receipt_namespaces = frozenset({"account"})

    def ping(self) -> None:
        mark(self.hub, self.outlet)

    def pong(self, now: float = 0.0) -> None:
        confirm(self.session, now)

    def attachment(self, channel: str = CHANNEL) -> Attachment:
        return self.hub.attachments.of(self.outlet)[channel]

    def confirmed(self, channel: str = CHANNEL) -> str:
        return str(settle(self.hub.window, self.attachment(channel)))


def test_what_was_written_before_the_ping_is_confirmed_by_its_pong() -> None:
    line = Line()
    line.attach(channel_serial=f"{LIFE}-v-AA")
    line.say(CHANNEL, 0)
    line.ping()
    line.say(CHANNEL, 1)

    before = line.confirmed()
    line.pong(now=7.0)

    assert before == f"{LIFE}-v-AA"
    assert line.confirmed() == serial_at(0)
    assert line.advances == [
        Advance("bank", "ada", "conn-1", None, "account", CHANNEL, f"{LIFE}-v-AA", serial_at(0), 7000)
    ]


def test_a_quiet_channel_is_confirmed_up_to_the_present() -> None:
    """Others' messages cannot be the client's, so an edge that starts later can prove its position."""
    line = Line()
    line.attach()
    line.say(CHANNEL, 0)
    line.ping()
    line.say(OTHER, 1)

    line.pong()

    assert line.confirmed() == serial_at(1)


def test_who_attached_after_the_ping_is_not_confirmed_by_its_pong() -> None:
    line = Line()
    line.ping()
    line.say(CHANNEL, 0)
    line.attach(params={"rewind": "1"})

    line.pong()

    assert line.confirmed() == f"{LIFE}-v-AA"


def test_a_client_that_lags_is_confirmed_up_to_what_it_was_given() -> None:
    line = Line()
    line.attach()
    line.say(CHANNEL, 0)
    line.outlet.capacity = 0
    line.hub.suspend(line.outlet)
    line.say(CHANNEL, 1)
    line.ping()

    line.pong()

    assert line.confirmed() == serial_at(0)


def test_where_the_window_has_forgotten_what_came_next_the_older_position_stands() -> None:
    line = Line()
    line.attach()
    line.say(CHANNEL, 0)
    line.ping()
    line.pong()
    line.ping()
    line.say(CHANNEL, 1)
    line.hub.window.evict(now=1000.0)

    line.pong()

    assert line.confirmed() == serial_at(0)


def test_nor_is_a_channel_confirmed_whose_newest_message_nobody_remembers() -> None:
    line = Line()
    line.hub.window._remembered_channels = 1
    line.attach()
    line.ping()
    line.say(CHANNEL, 0)
    line.say(OTHER, 1)
    line.hub.window.evict(now=1000.0)

    line.pong()

    assert line.confirmed() == f"{LIFE}-v-AA"


def test_a_loss_that_may_not_have_been_heard_is_told_again() -> None:
    """What the client confirmed before stands until the ATTACHED that told of the loss has arrived."""
    line = Line()
    line.attach()
    line.say(CHANNEL, 0)
    line.ping()
    line.pong()
    line.ping()
    line.hub.interrupt(TOPIC, 0, 50, now=0.0)

    line.pong()
    unheard = line.confirmed()
    line.ping()
    line.pong()

    assert unheard == serial_at(0)
    assert line.confirmed() == str(line.hub.window.position(TOPIC, CHANNEL)) != unheard


def test_an_advance_never_covers_what_was_lost() -> None:
    line = Line()
    line.attach()
    line.hub.interrupt(TOPIC, 0, 50, now=0.0)
    line.say(CHANNEL, 50)
    line.ping()
    line.pong()

    (advance,) = line.advances
    assert is_beyond(parse_serial(advance.upto), Serial(LIFE, 0, 49))
    assert not is_beyond(Serial(LIFE, 0, 49), parse_serial(advance.after))
    assert not is_beyond(parse_serial(advance.after), Serial(LIFE, 0, 49))


def test_a_position_that_could_not_be_proven_is_not_confirmed_before_the_client_has_heard_so() -> None:
    line = Line()
    answer = line.attach(channel_serial="zzzzzzzz-00000-0000000000000001")

    assert answer["error"]["code"] == 90003
    assert settle(line.hub.window, line.attachment()) is None


def test_who_only_publishes_confirms_nothing() -> None:
    line = Line()
    line.attach(flags=int(Flag.PUBLISH))
    line.say(CHANNEL, 0)
    line.ping()

    line.pong()

    assert line.advances == []


class Witness(Line):
    """Knows what was written before which PING, and what the client was told to be lost."""

    def __init__(self) -> None:
        super().__init__()
        self.hub.window._remembered_channels = 1
        self.offset = 0
        self.now = 0.0
        self.said: list[int] = []
        self.written: set[int] = set()
        self.excused = -1  # the client was told that it may lack what lies up to here
        self.marked: tuple[set[int], int] | None = None
        self.arrived: tuple[set[int], int] = (set(), -1)
        self.outlet.on_full = self.hub.suspend

    def read(self) -> None:
        for frame in self.outlet.frames:
            message = read_frame(frame)
            if message["action"] == Action.MESSAGE and message["channel"] == CHANNEL:
                self.written.add(int(message["messages"][0]["id"].rpartition(":")[2]))
            elif message["action"] == Action.ATTACHED and not message.get("flags", 0) & Flag.RESUMED:
                self.excused = self.offset - 1
        self.outlet.frames = []

    def step(self, action: str, data: st.DataObject) -> None:  # noqa: C901
        match action:
            case "say":
                channel = data.draw(st.sampled_from([CHANNEL, CHANNEL, OTHER, "account:3", "account:4"]))
                self.say(channel, self.offset, self.now)
                if channel == CHANNEL:
                    self.said.append(self.offset)
                self.offset += 1
            case "age":
                self.now += data.draw(st.sampled_from([10.0, 35.0, 70.0]))
                self.hub.window.evict(self.now)
            case "fill":
                self.outlet.capacity = len(self.outlet.frames) + data.draw(st.integers(1, 3))
            case "drain":
                self.read()
                self.outlet.capacity = None
                while self.hub.serve(self.outlet):
                    pass
            case "lose":
                self.offset += 3
                self.hub.interrupt(TOPIC, 0, self.offset, self.now)
            case "ping" if not self.outlet.is_full:
                self.read()
                self.ping()
                self.marked = (set(self.written), self.excused)
            case "pong" if self.marked is not None:
                self.pong(self.now)
                self.arrived, self.marked = self.marked, None
        if not self.outlet.is_full:
            self.read()


@given(data=st.data(), is_eager=st.booleans())
def test_nothing_is_confirmed_that_had_not_arrived_and_nothing_goes_back(data: st.DataObject, is_eager: bool) -> None:
    """Whatever fills up, drains, ages, is forgotten or lost between; worked out at once or much later."""
    line = Witness()
    line.terms.receipt_namespaces = frozenset({"account"} if is_eager else ())
    line.attach()
    positions: list[Any] = [line.attachment().confirmed]
    steps = st.sampled_from(["say", "say", "say", "ping", "pong", "age", "fill", "drain", "lose"])
    for action in data.draw(st.lists(steps, max_size=60)):
        line.step(action, data)
        if is_eager or data.draw(st.booleans()):
            position = settle(line.hub.window, line.attachment())
            arrived, excused = line.arrived
            lacking = [at for at in line.said if at not in arrived and at > excused]
            for offset in lacking:
                assert is_beyond(Serial(LIFE, 0, offset), position), f"{offset} had not arrived"
            assert not is_beyond(positions[-1], position)
            positions.append(position)
    for earlier, later in zip(line.advances, line.advances[1:], strict=False):
        assert not is_beyond(parse_serial(earlier.upto), parse_serial(later.after)), "told twice"


def test_advances_adjoin_though_others_messages_moved_the_position_between() -> None:
    """And those messages alone are nobody's news."""
    line = Line()
    line.attach()
    for offset, channel in enumerate([CHANNEL, OTHER, OTHER, CHANNEL]):
        line.say(channel, offset)
        line.ping()
        line.pong()
        line.confirmed()

    assert [(advance.after, advance.upto) for advance in line.advances] == [
        (f"{LIFE}-v-AA", serial_at(0)),
        (serial_at(0), serial_at(3)),
    ]
