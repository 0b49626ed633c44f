"""What may be gone by age, and how a history knows it without trusting anybody's timestamps."""

from __future__ import annotations

import pytest
from fakeredis import FakeAsyncRedis

from gateway.core.message import Message
from gateway.core.retention import Retention
from gateway.core.routing import Router
from gateway.errors import HistoryUnproven
from gateway.settings import Namespace
from gateway.store.history import HistoryStore
from gateway.store.history_keys import HistoryPlace, mark_ms, patience_ms, slack_ms
from gateway.store.history_writer import Chapter, HistoryWriter, Step
from tests.store.conftest import Clock

PLACE = HistoryPlace("edge.accounts", 0, "aaaaaaaa")
SHORT, LONG = 600.0, 7200.0
NAMESPACES = {
    "account": Namespace(topic=PLACE.topic, key="a{rest}", history_seconds=SHORT),
    "card": Namespace(topic=PLACE.topic, key="c{rest}", history_seconds=LONG),
}
RETENTION = Retention(NAMESPACES, Router(NAMESPACES))
MARK, SLACK, PATIENCE = (of(int(LONG * 1000)) / 1000 for of in (mark_ms, slack_ms, patience_ms))


class Book:
    """A history, its only writer, and the clock."""

    def __init__(self, redis: FakeAsyncRedis, clock: Clock) -> None:
        self.redis = redis
        self.clock = clock
        self.store = HistoryStore(redis, 5, RETENTION)
        self.writer = HistoryWriter(redis, 5, RETENTION, 100 * LONG)
        self.next = 0

    async def write(self, *channels: str) -> None:
        """One message for each, of a producer whose clock is wrong by years."""
        start, self.next = self.next, self.next + len(channels)
        chapters = []
        for offset, channel in enumerate(channels, start):
            keep = RETENTION.keep_of_channel(channel)
            assert keep is not None
            chapters.append(Chapter(offset, channel, Message(id=channel, timestamp=(-1) ** offset * 10**13), keep))
        (answer,) = await self.writer.write([Step(PLACE, start, self.next, chapters)])
        assert answer.kind == "written"

    async def attend(self, seconds: float) -> None:
        """Time passes while the writer takes steps without messages."""
        until = self.clock.passed + seconds
        while self.clock.passed < until:
            self.clock.passed = min(until, self.clock.passed + MARK)
            await self.write()

    async def look(self, channel: str, after: int) -> list[int] | str:
        """What is proven to lie after an offset, or why nothing is."""
        try:
            return [entry.offset for entry in (await self.store.read(PLACE, channel, after, 100)).entries]
        except HistoryUnproven as refused:
            return refused.reason


@pytest.fixture
async def book(redis: FakeAsyncRedis, clock: Clock) -> Book:
    """A history that was just begun."""
    book = Book(redis, clock)
    assert await book.writer.take(PLACE) == (True, None)
    await book.writer.begin(PLACE, 0, expected=None)
    return book


async def test_what_is_younger_than_promised_is_proven_to_the_last_second(book: Book) -> None:
    """Ten minutes for accounts, two hours for cards of the same topic."""
    await book.write("account:1", "card:1")

    await book.attend(SHORT - 1)

    assert await book.look("account:1", -1) == [0]
    await book.attend(LONG - SHORT)
    assert await book.look("card:1", -1) == [1]


async def test_what_is_older_is_not(book: Book) -> None:
    """It may be there still, or not: nobody is told that it was complete. What came after it is proven."""
    await book.write("account:1", "card:1")
    await book.attend(SHORT + 2 * MARK)
    await book.write("account:1")

    assert await book.look("account:1", -1) == "expired"
    assert await book.look("account:1", 1) == [2]
    assert await book.look("card:1", -1) == [1]
    await book.attend(LONG)
    assert await book.look("card:1", -1) == "expired"


async def test_a_quiet_channel_stays_proven_however_long_it_is_quiet(book: Book) -> None:
    """Its stream is long gone; nothing came since."""
    await book.write("account:1")
    await book.attend(SHORT + SLACK + MARK)

    assert await book.look("account:1", book.next - 1) == []
    assert await book.redis.keys("*channel:account:1") == []


async def test_a_busy_channel_does_not_keep_what_is_too_old(book: Book) -> None:
    """Its stream never expires, so it is trimmed."""
    for _ in range(20):
        await book.write("account:1")
        await book.attend(SHORT / 4)

    (stream,) = await book.redis.keys("*channel:account:1")
    assert 4 <= await book.redis.xlen(stream) <= 5
    assert await book.look("account:1", book.next - 4) == [17, 18, 19]


async def test_a_history_that_nobody_writes_proves_nothing_after_a_while(book: Book) -> None:
    """Its streams expire by themselves, and its books stand still; they are right again with the next step."""
    await book.write("card:1")
    book.clock.passed += PATIENCE
    assert await book.look("card:1", -1) == [0]

    book.clock.passed += 1
    assert await book.look("card:1", -1) == "unattended"

    await book.write()
    assert await book.look("card:1", -1) == [0]


@pytest.mark.parametrize("paused", [SLACK * 0.9, SLACK - 1, SLACK + 1, SLACK + SHORT, SLACK * 3])
async def test_a_pause_of_the_writer_makes_nothing_look_younger(book: Book, paused: float) -> None:
    """All edges were down: what expired meanwhile is known to be gone, at whatever moment one looks after it."""
    await book.write("account:1")
    book.clock.passed += paused

    for _ in range(60):
        await book.write()
        assert await book.look("account:1", -1) in ([0], "expired")
        book.clock.passed += SHORT / 50

    assert await book.look("account:1", -1) == "expired"


@pytest.mark.parametrize("back", [MARK / 2, SHORT / 2, SLACK / 2, LONG])
async def test_a_clock_that_is_set_back_makes_nothing_look_whole(book: Book, back: float) -> None:
    """Redis fails over to a machine whose clock is behind."""
    await book.attend(3 * MARK)
    await book.write("account:1")
    await book.attend(3 * MARK)
    book.clock.passed -= back
    await book.write("account:2")
    first, second = 0, 1

    for _ in range(int((SHORT + SLACK + LONG) / MARK)):
        await book.attend(MARK)
        assert await book.look("account:1", first - 1) in ([first], "expired")
        assert await book.look("account:2", second - 1) in ([second], "expired")


async def test_what_was_gone_before_a_clock_was_set_back_stays_gone(book: Book) -> None:
    """It was trimmed; that it would be young again by the new time brings nothing back."""
    for _ in range(8):
        await book.write("account:1")
        await book.attend(MARK)
    await book.attend(SHORT - 2 * MARK)
    await book.write("account:1")
    (stream,) = await book.redis.keys("*channel:account:1")
    left = await book.redis.xlen(stream)
    assert 0 < left < 8

    book.clock.passed -= 4 * MARK
    await book.attend(MARK)

    assert await book.look("account:1", 7 - left) == "expired"


async def test_books_stay_short(book: Book, redis: FakeAsyncRedis) -> None:
    """A mark a minute, until it is older than the longest time."""
    await book.attend(1.5 * LONG)

    (marks,) = await redis.keys("*:marks")
    assert await redis.llen(marks) <= LONG / MARK + 1


async def test_a_history_that_nobody_goes_on_with_is_gone_in_the_end(book: Book, redis: FakeAsyncRedis) -> None:
    """Another life of the topic, other settings: nothing stays behind but the lease of this test."""
    await book.write("account:1", "card:1")
    await book.attend(SHORT)

    book.clock.passed += LONG + 2 * SLACK + 1

    assert [name for name in await redis.keys() if not name.endswith(b":lease")] == []
