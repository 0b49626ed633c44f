"""
The seam between the past and the window: whoever comes back gets every message once and in order, or is told.

A small world: a log with gaps, a tail that lags, a window that forgets, a history that lags, began late and was trimmed,
passes that are under way while others get on and off, clients that drop, stall and come back with what an SDK keeps.
"""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.attaching import Behind, start_of
from gateway.core.attachment import Attachment
from gateway.core.continuity import Gap, gaps_after
from gateway.core.duplicates import Duplicates
from gateway.core.entry import Entry
from gateway.core.hub import Hub
from gateway.core.message import Message
from gateway.core.passes import Pass
from gateway.core.replay import Replay
from gateway.core.replaying import advance, announce, begin, feed, give_up, hand, land
from gateway.core.routing import Router
from gateway.core.serial import Position, Serial, parse_serial
from gateway.core.window import Window
from gateway.core.wire import JSON, Flag
from gateway.errors import ContinuityLost, PositionExpired
from tests.core.bench import LIFE, TOPIC, Rule
from tests.core.outlet import Collected

CHANNELS = [f"account:{number}" for number in range(4)]


class Log:
    """One partition of Kafka, and its history in Redis."""

    def __init__(self) -> None:
        self.records: list[tuple[int, str]] = []
        self.next_offset = 0
        self.start = 0
        self.history_floor = 0
        self.history_next = 0
        self.history_keeps = 3

    def messages(self, channel: str, after: int, before: int) -> list[tuple[int, Message]]:
        return [
            (offset, message(self, offset)) for offset, of in self.records if of == channel and after < offset < before
        ]


def message(log: Log, offset: int) -> Message:
    return Message(id=str(offset), timestamp=0, data="x")


class Client:
    """What an SDK knows of one channel, and what its app has heard since it was last told to load its state."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.serial: str | None = None
        self.baseline: Position | None = None
        self.got: list[int] = []
        self.losses = 0
        self.attachment: Attachment | None = None
        self.outlet = Collected()

    def read(self) -> None:
        """Take in all that arrived, as SDKs do (RTL15b, RTL12)."""
        for frame in self.outlet.take():
            if frame["action"] == 11 and not frame.get("flags", 0) & Flag.RESUMED:
                self.losses += self.baseline is not None
                self.baseline, self.got = parse_serial(frame["channelSerial"]), []
            elif frame["action"] == 15:
                self.got.append(int(frame["messages"][0]["id"]))
            self.serial = frame["channelSerial"]


class World:
    """Kafka, an edge and its clients."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.logs = [Log() for _ in range(chance.randint(1, 3))]
        self.now = 0.0
        self.hub = Hub(
            Window(max_bytes=1 << 30, max_seconds=10.0, remembered_channels=chance.randint(1, 4)), Duplicates(1000)
        )
        self.hub.begin(TOPIC, LIFE, dict.fromkeys(range(len(self.logs)), 0), now=0.0)
        self.hub.catcher = self
        self.router = Router({"account": Rule()})
        self.wanted: dict[Replay, None] = {}
        self.passes: dict[int, Pass] = {}
        self.clients: list[Client] = []

    # what the hub calls

    def want(self, replay: Replay) -> None:
        self.wanted[replay] = None

    def drop(self, replay: Replay) -> None:
        self.wanted.pop(replay, None)
        for ride in self.passes.values():
            ride.drop(replay)

    # what happens

    def home(self, channel: str) -> int:
        return CHANNELS.index(channel) % len(self.logs)

    def produce(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            channel = self.chance.choice(CHANNELS)
            log = self.logs[self.home(channel)]
            log.next_offset += self.chance.choice([0, 0, 1])  # what transactions leave behind
            log.records.append((log.next_offset, channel))
            log.next_offset += 1

    def tail(self) -> None:
        number = self.chance.randrange(len(self.logs))
        log, window = self.logs[number], self.hub.window
        unread = [record for record in log.records if record[0] >= window.next_offset(TOPIC, number)]
        for offset, channel in unread[: self.chance.randint(1, 6)]:
            self.hub.accept(TOPIC, number, offset, channel, message(log, offset), 10, self.now)

    def age(self) -> None:
        self.now += self.chance.choice([1.0, 4.0, 11.0])
        self.hub.window.evict(self.now)

    def write_history(self) -> None:
        log = self.chance.choice(self.logs)
        log.history_next = self.chance.randint(log.history_next, log.next_offset)

    def lose_history(self) -> None:
        log = self.chance.choice(self.logs)
        log.history_floor = log.history_next = self.chance.randint(log.history_next, log.next_offset)

    def retain(self) -> None:
        log = self.chance.choice(self.logs)
        log.start = self.chance.randint(log.start, log.next_offset)

    def attach(self) -> None:
        gone = [client for client in self.clients if client.attachment is None]
        client = (
            self.chance.choice(gone) if gone and self.chance.random() < 0.7 else Client(self.chance.choice(CHANNELS))
        )
        if client not in self.clients:
            self.clients.append(client)
        client.outlet = Collected(self.chance.choice([None, None, 2, 4]))
        client.outlet.on_full = self.hub.suspend
        attachment = client.attachment = Attachment(client.outlet, JSON, client.channel, client.channel, TOPIC)
        attachment.flags = Flag.SUBSCRIBE
        window = self.hub.window
        start = start_of(window, TOPIC, client.channel, client.serial, None)
        if isinstance(start, Behind):
            self.hub.replay(Replay(attachment, start.position, serial=start.serial))
        else:
            begin(self.hub, attachment, start)

    def leave(self) -> None:
        client = self.some_client()
        if client is not None:
            client.read()
            self.hub.leave(client.attachment)
            client.attachment = None

    def stall(self) -> None:
        client = self.some_client()
        if client is not None:
            client.outlet.capacity = len(client.outlet.frames) + self.chance.randint(0, 3)
            if client.outlet.is_full:
                self.hub.suspend(client.outlet)

    def drain(self) -> None:
        client = self.some_client()
        if client is not None:
            self.let_read(client)

    def let_read(self, client: Client) -> None:
        client.outlet.capacity = None
        while self.hub.serve(client.outlet):
            pass
        client.read()

    def some_client(self) -> Client | None:
        there = [client for client in self.clients if client.attachment is not None]
        return self.chance.choice(there) if there else None

    # who reads the past

    def replay(self) -> None:
        if not self.wanted:
            return
        replay = self.chance.choice(list(self.wanted))
        try:
            if land(self.hub, replay):
                return
            gaps = gaps_after(self.hub.window, TOPIC, replay.attachment.channel, replay.position)
            if self.chance.random() < 0.5 and self.read_history(replay, gaps):
                return
        except ContinuityLost as error:
            give_up(self.hub, replay, error)
            return
        if any(gap.next_offset < self.logs[gap.partition].start for gap in gaps):
            give_up(self.hub, replay, PositionExpired("gone"))
            return
        announce(self.hub, replay)
        del self.wanted[replay]
        replay.partition, replay.next_offset = gaps[0].partition, gaps[0].next_offset
        ride = self.passes.get(replay.partition)
        if ride is None:
            ride = self.passes[replay.partition] = Pass(
                self.hub.window, self.router, TOPIC, replay.partition, replay.next_offset
            )
        if not ride.board(replay):
            self.wanted[replay] = None

    def read_history(self, replay: Replay, gaps: list[Gap]) -> bool:
        """Returns: whether the history could prove anything."""
        channel = replay.attachment.channel
        found = []
        for gap in gaps:
            log = self.logs[gap.partition]
            kept = log.messages(channel, log.history_floor - 1, log.history_next)[-log.history_keeps :]
            lacking = log.messages(channel, gap.next_offset - 1, log.history_next)
            if gap.next_offset < log.history_floor or len(lacking) > len(kept):
                return False
            page = lacking[: self.chance.randint(1, 4)]
            next_offset = max(log.history_next, gap.next_offset) if len(page) == len(lacking) else page[-1][0] + 1
            found.append((gap.partition, page, next_offset, bool(kept) and kept[-1][0] < log.history_next))
        if len(gaps) > 1 and any(page for _, page, _, _ in found):
            found = [part for part in found if part[1]]
        for partition, page, next_offset, is_home in found:
            feed(self.hub, replay, partition, page, next_offset, is_home=is_home)
        if replay.is_paused:
            del self.wanted[replay]
        return True

    def ride(self) -> None:
        if not self.passes:
            return
        number = self.chance.choice(list(self.passes))
        ride, log = self.passes[number], self.logs[number]
        if log.start > ride.next_offset:
            self.end(number)
            return
        bound = ride.bound
        ahead = [record for record in log.records if ride.next_offset <= record[0] < bound]
        piece = ahead[: self.chance.randint(1, 4)]
        for offset, channel in piece:
            if ride.channel_of(channel.partition(":")[2].encode()) == channel:
                self.hand_out(ride, Entry(TOPIC, Serial(LIFE, number, offset), channel, message(log, offset), 0))
        ride.reach(bound if len(piece) == len(ahead) else piece[-1][0] + 1)
        while (replay := ride.arrived()) is not None:
            self.wanted[replay] = None
            self.land(replay)
        if ride.is_empty or ride.next_offset >= ride.bound:
            self.end(number)

    def hand_out(self, ride: Pass, entry: Entry) -> None:
        for replay in ride.lacking(entry.channel, entry.offset):
            if not hand(self.hub, replay, entry):
                ride.drop(replay)
                advance(replay, entry.partition, entry.offset)

    def land(self, replay: Replay) -> None:
        try:
            land(self.hub, replay)
        except ContinuityLost as error:
            give_up(self.hub, replay, error)

    def end(self, number: int) -> None:
        for replay in self.passes.pop(number).disembark():
            self.wanted[replay] = None

    # and how it must end

    def live(self, steps: dict[str, float], count: int) -> None:
        for step in self.chance.choices(list(steps), list(steps.values()), k=count):
            getattr(self, step)()
        self.settle()

    def settle(self) -> None:
        """Let everything come to rest: everybody reads, the tail is at the end, nobody is replayed any more."""
        for number, log in enumerate(self.logs):
            for offset, channel in log.records:
                if offset >= self.hub.window.next_offset(TOPIC, number):
                    self.hub.accept(TOPIC, number, offset, channel, message(log, offset), 10, self.now)
        for _ in range(5000):
            for client in self.clients:
                if client.attachment is not None:
                    self.let_read(client)
            if not self.hub.attachments.replaying:
                return
            self.replay()
            self.ride()
        raise AssertionError("a replay does not come to its end")

    def check(self) -> None:
        for client in self.clients:
            if client.baseline is None:
                continue
            home = self.home(client.channel)
            of = client.baseline
            after = of.offset if isinstance(of, Serial) else of.next_offsets[home] - 1
            expected = [
                offset for offset, channel in self.logs[home].records if channel == client.channel and offset > after
            ]
            if client.attachment is None:  # it has what came until it left
                expected = expected[: len(client.got)]
            assert client.got == expected


STEPS = {
    "produce": 6,
    "tail": 6,
    "age": 2,
    "write_history": 2,
    "lose_history": 0.2,
    "retain": 0.1,
    "attach": 4,
    "leave": 3,
    "stall": 1.5,
    "drain": 1.5,
    "replay": 6,
    "ride": 6,
}


@settings(max_examples=600, deadline=None)
@given(st.integers(0, 2**32), st.integers(20, 300))
def test_every_message_after_a_position_comes_once_and_in_order_or_the_client_is_told(seed: int, steps: int) -> None:
    world = World(random.Random(seed))

    world.live(STEPS, steps)

    world.check()


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(20, 300))
def test_nobody_is_told_of_a_loss_while_kafka_has_everything(seed: int, steps: int) -> None:
    world = World(random.Random(seed))

    world.live(STEPS | {"retain": 0}, steps)

    world.check()
    assert sum(client.losses for client in world.clients) == 0
