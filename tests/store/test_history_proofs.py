"""
What a history proves, against what a log that forgets nothing would say.

Writers die, come late, repeat themselves; Redis forgets a little or everything; Kafka
loses records. A page must hold exactly what the log has, or there must be no page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fakeredis import FakeAsyncRedis, FakeServer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.core.message import Message
from gateway.core.retention import Retention
from gateway.core.routing import Router
from gateway.errors import HistoryUnproven
from gateway.settings import Namespace
from gateway.store.history import HistoryStore
from gateway.store.history_keys import HistoryPlace, patience_ms
from gateway.store.history_writer import Chapter, HistoryWriter, Step
from tests.store.conftest import CLOCK

_T = TypeVar("_T")
PLACE = HistoryPlace("edge.accounts", 3, "aaaaaaaa")
NAMESPACES = {
    "account": Namespace(topic=PLACE.topic, key="a{rest}", history_seconds=600, history_messages=4),
    "card": Namespace(topic=PLACE.topic, key="c{rest}", history_seconds=7200, history_messages=7),
    "chat": Namespace(topic=PLACE.topic, key="x{rest}", history_seconds=0),
}
ROUTER = Router(NAMESPACES)
RETENTION = Retention(NAMESPACES, ROUTER)
CHANNELS = ["account:1", "account:2", "card:1", "card:2"]
LEASE_SECONDS = 10.0
LONGEST_MS = 7200 * 1000
channels = st.sampled_from(CHANNELS)
bursts = st.lists(st.tuples(channels, st.integers(1, 3)), min_size=1, max_size=8)


class Histories(RuleBasedStateMachine):
    """A partition's log, its history, and writers."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        CLOCK.passed = 0.0
        self.redis = FakeAsyncRedis(server=FakeServer())
        self.store = HistoryStore(self.redis, 5, RETENTION)
        self.log: list[tuple[int, str]] = []
        self.end = 0
        self.writers = [HistoryWriter(self.redis, 5, RETENTION, LEASE_SECONDS) for _ in range(3)]
        self.knows: dict[int, int] = {}
        self.past: list[tuple[int, Step]] = []
        self.floor: int | None = None
        self.reached_at: dict[int, float] = {}
        self.stepped_at = 0.0
        self.has_gone_back = False

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return self.loop.run_until_complete(coroutine)

    def teardown(self) -> None:
        self.run(self.redis.aclose())
        self.loop.close()

    # ------------------------------------------------------------------ Kafka

    @rule(many=bursts)
    def produce(self, many: list[tuple[str, int]]) -> None:
        """Records; some offsets hold what is nobody's."""
        for channel, step in many:
            self.end += step
            self.log.append((self.end - 1, channel))

    @rule(many=bursts, number=st.integers(0, 2))
    def flow(self, many: list[tuple[str, int]], number: int) -> None:
        """What goes on nearly always: records come, and whoever is the writer writes them."""
        self.produce(many)
        self.take(number)
        for writer in list(self.knows):
            self.write(writer, self.end, is_repeated=False)

    # ------------------------------------------------------------------ writers

    @rule(number=st.integers(0, 2))
    def take(self, number: int) -> None:
        """One tries to become the writer; where there is no history it begins one as far back as Kafka has records."""
        is_ours, next_offset = self.run(self.writers[number].take(PLACE))
        if not is_ours:
            return
        if next_offset is None:
            floor = max(0, self.end - 20)
            assert self.run(self.writers[number].begin(PLACE, floor, expected=None)).kind == "written"
            self.began(floor)
            next_offset = floor
        self.knows[number] = next_offset

    @rule(number=st.integers(0, 2), upto=st.integers(1, 12), is_repeated=st.booleans())
    def write(self, number: int, upto: int, is_repeated: bool) -> None:
        """A step of one who has, or had, the lease; perhaps sent twice."""
        if number not in self.knows:
            return
        start = self.knows[number]
        step = self.step(start, min(self.end, start + upto))
        (answer,) = self.run(self.writers[number].write([step]))
        self.past.append((number, step))
        if answer.kind == "written":
            self.wrote(step)
            self.knows[number] = step.next_offset
            if is_repeated:
                self.run(self.writers[number].write([step]))
        else:
            del self.knows[number]

    @precondition(lambda self: self.past)
    @rule(which=st.integers(0, 10**6))
    def arrive_late(self, which: int) -> None:
        """A step that was sent long ago arrives now: it changes nothing, unless it is just what comes next."""
        number, step = self.past[which % len(self.past)]
        (answer,) = self.run(self.writers[number].write([step]))
        if answer.kind == "written":
            self.wrote(step)
            if number in self.knows:
                self.knows[number] = step.next_offset

    @rule(number=st.integers(0, 2), lost=st.integers(1, 10))
    def be_overtaken(self, number: int, lost: int) -> None:
        """Kafka lost what comes next: the history begins anew behind the gap."""
        if number not in self.knows:
            return
        expected = self.knows[number]
        floor = min(self.end, expected + lost)
        answer = self.run(self.writers[number].begin(PLACE, floor, expected=expected))
        if answer.kind == "written":
            self.began(floor)
            self.knows[number] = floor

    # ------------------------------------------------------------------ Redis

    @rule(seconds=st.sampled_from([1, 11, 61, 300, 599, 700, 1700, 2100, 4000, 7300, 12000, 40000]))
    def pass_time(self, seconds: int) -> None:
        """Nobody does anything."""
        CLOCK.passed += seconds

    @rule(seconds=st.sampled_from([300, 700, 4000, 8000, 12000]), steps=st.integers(1, 20), number=st.integers(0, 2))
    def pass_time_attended(self, seconds: int, steps: int, number: int) -> None:
        """The writer takes its empty steps, well or badly timed, as long as it has the lease."""
        for _ in range(steps):
            CLOCK.passed += seconds / steps
            self.take(number)
            self.write(number, 0, is_repeated=False)

    @rule(seconds=st.sampled_from([1, 100, 1500]))
    def set_clock_back(self, seconds: int) -> None:
        """As a fail-over to another machine may."""
        CLOCK.passed -= seconds
        self.has_gone_back = True

    @rule()
    def flush(self) -> None:
        """FLUSHALL."""
        self.run(self.redis.flushall())
        self.floor = None

    @rule(kinds=st.sampled_from([["lease"], ["state", "marks"]]))
    def lose_keys(self, kinds: list[str]) -> None:
        """Somebody deletes what is no stream; state and marks live equally long."""
        for kind in kinds:
            for name in self.run(self.redis.keys(f"*:{kind}")):
                self.run(self.redis.delete(name))
        if "state" in kinds:
            self.floor = None

    # ------------------------------------------------------------------ what must be so

    @rule(channel=channels, behind=st.integers(0, 60), limit=st.integers(1, 9))
    def read(self, channel: str, behind: int, limit: int) -> None:
        """A page is exactly what the log has between; a refusal has its reason."""
        after = max(-1, self.end - 1 - behind)
        must_be_proven = self.must_be_proven(channel, after)
        try:
            page = self.run(self.store.read(PLACE, channel, after, limit))
        except HistoryUnproven:
            if must_be_proven:
                raise
            return
        wanted = [offset for offset, of in self.log if of == channel and after < offset < page.next_offset]
        assert [entry.offset for entry in page.entries] == wanted
        assert [entry.message.id for entry in page.entries] == [f"{channel} {offset}" for offset in wanted]
        assert page.next_offset > after
        assert page.is_whole or page.entries

    @rule(channel=channels, behind=st.integers(0, 60), limit=st.integers(1, 9), is_newest=st.booleans())
    def read_back(self, channel: str, behind: int, limit: int, is_newest: bool) -> None:
        """The newest are the log's newest, without a hole, and what is said of older ones is true."""
        before = None if is_newest else max(0, self.end - behind)
        try:
            page = self.run(self.store.newest(PLACE, channel, limit, before_offset=before))
        except HistoryUnproven:
            return
        end = page.next_offset if before is None else min(page.next_offset, before)
        ours = [offset for offset, of in self.log if of == channel and offset < end][::-1]
        got = [entry.offset for entry in page.entries]
        assert got == ours[: len(got)]
        older = ours[len(got) :]
        if page.older == "none":
            assert older == []
        elif page.older == "trimmed":
            assert older
        elif page.older == "more":
            following = self.run(self.store.newest(PLACE, channel, limit, before_offset=got[-1]))
            assert [entry.offset for entry in following.entries][:1] == older[:1]

    @rule(channel=channels)
    def read_around(self, channel: str) -> None:
        """From the place of each of its newest messages, and from just before it."""
        newest = [offset for offset, of in self.log if of == channel][-8:]
        for after in sorted({at for offset in newest for at in (offset - 1, offset)}):
            self.read(channel, self.end - 1 - after, 9)

    @invariant()
    def nothing_lives_for_ever(self) -> None:
        """Every key ends by itself."""
        assert all(self.run(self.redis.ttl(name)) >= 0 for name in self.run(self.redis.keys()))

    # ------------------------------------------------------------------ inside

    def step(self, start: int, end: int) -> Step:
        chapters = [
            Chapter(offset, of, Message(id=f"{of} {offset}", timestamp=0), RETENTION.keep_of_channel(of))
            for offset, of in self.log
            if start <= offset < end
        ]
        return Step(PLACE, start, max(start, end), chapters)

    def began(self, floor: int) -> None:
        self.floor = floor
        self.stepped_at = CLOCK.time()

    def wrote(self, step: Step) -> None:
        self.stepped_at = CLOCK.time()
        self.reached_at.setdefault(step.next_offset, self.stepped_at)

    def must_be_proven(self, channel: str, after: int) -> bool:
        """Written without a gap, by a writer who is there, younger than promised, and not too many."""
        if self.floor is None or self.has_gone_back or after + 1 < self.floor:
            return False
        if CLOCK.time() - self.stepped_at > patience_ms(LONGEST_MS) / 1000:
            return False
        keep = RETENTION.keep_of_channel(channel)
        young = CLOCK.time() - keep.milliseconds / 1000
        # Offsets without a message count too: that there was none is known no longer than messages are kept.
        old = [offset for offset, at in self.reached_at.items() if offset > after + 1 and at <= young]
        count = sum(1 for offset, of in self.log if of == channel and offset > after)
        return not old and count <= keep.messages


TestHistories = Histories.TestCase
TestHistories.settings = settings(stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
