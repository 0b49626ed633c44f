"""Pages of the past: what they hold, how they adjoin, and what they say is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import history
from gateway.core.entry import ENTRY_OVERHEAD_BYTES, Entry
from gateway.core.history import Page, Query, page_of, parse_query
from gateway.core.message import Message
from gateway.core.serial import Front, Serial, parse_serial
from gateway.core.window import Window
from gateway.errors import BadParameter, BadSerial, ContinuityLost, KafkaUnavailable, PositionExpired

TOPIC = "edge.accounts"
LIFE = "aaaaaaaa"
CHANNEL = "account:1"


def make_window(*, begin_at: int = 0, max_bytes: int = 1 << 30, remembered: int = 1000, now: float = 0.0) -> Window:
    window = Window(max_bytes=max_bytes, max_seconds=100.0, remembered_channels=remembered)
    window.begin(TOPIC, LIFE, {0: begin_at, 1: 0}, now=now)
    return window


def put(
    window: Window, offset: int, *, channel: str = CHANNEL, timestamp_ms: int = 0, now: float = 0.0, size: int = 10
) -> None:
    message = Message(id=f"{TOPIC}:0:{offset}", timestamp=timestamp_ms, data="x")
    window.append(Entry(TOPIC, Serial(LIFE, 0, offset), channel, message, size), now)


def filled(count: int, **how: int) -> Window:
    window = make_window(**how)
    for offset in range(count):
        put(window, offset, timestamp_ms=offset)
    return window


def page(window: Window, **query: object) -> Page:
    return page_of(window, TOPIC, CHANNEL, Query()._replace(**query))


def offsets(page: Page) -> list[int]:
    return [entry.offset for entry in page.entries]


def walk(window: Window, query: Query, between: Callable[[], None] = lambda: None) -> Iterator[list[int]]:
    """The offsets of page after page, as a client follows the links."""
    while True:
        page = page_of(window, TOPIC, CHANNEL, query)
        yield offsets(page)
        if page.next_page is None:
            return
        query = query._replace(page=parse_serial(page.next_page))
        between()


def test_begins_with_the_newest() -> None:
    """RSL2b2: backwards is the default."""
    assert offsets(page(filled(5), limit=2)) == [4, 3]


def test_begins_with_the_oldest_that_is_held_if_asked_for() -> None:
    assert offsets(page(filled(5), limit=2, is_forwards=True)) == [0, 1]


def test_takes_what_lies_within_start_and_end_inclusive() -> None:
    """RSL2b1."""
    assert offsets(page(filled(10), start_ms=3, end_ms=5)) == [5, 4, 3]


def test_names_no_next_page_where_nothing_more_is_wanted() -> None:
    window = filled(5)

    assert page(window, limit=5).next_page is None
    assert page(window, limit=2, start_ms=3).next_page is None
    assert page(make_window()).next_page is None


@given(
    count=st.integers(0, 30),
    limit=st.integers(1, 12),
    is_forwards=st.booleans(),
    start_ms=st.one_of(st.none(), st.integers(0, 30)),
    end_ms=st.one_of(st.none(), st.integers(0, 30)),
    attached_at=st.one_of(st.none(), st.integers(-1, 29)),
)
def test_a_walk_gives_everything_that_is_asked_for_once_and_in_order(
    count: int, limit: int, is_forwards: bool, start_ms: int | None, end_ms: int | None, attached_at: int | None
) -> None:
    window = filled(count)
    position = None if attached_at is None else Serial(LIFE, 0, min(attached_at, count - 1))
    expected = [
        offset
        for offset in range(count)
        if offset >= (start_ms or 0)
        and (end_ms is None or offset <= end_ms)
        and (attached_at is None or offset <= attached_at)
    ]

    walked = list(walk(window, Query(limit, is_forwards, start_ms, end_ms, position)))

    assert [offset for part in walked for offset in part] == (expected if is_forwards else expected[::-1])
    assert all(len(part) == limit for part in walked[:-1])


@given(limit=st.integers(1, 5), arriving=st.integers(0, 5), evicted=st.integers(0, 12))
def test_a_walk_backwards_is_undisturbed_by_what_comes_and_goes(limit: int, arriving: int, evicted: int) -> None:
    """New messages are not in it, and where old ones are gone it ends: there is never a gap inside it."""
    window = Window(max_bytes=12 * (10 + ENTRY_OVERHEAD_BYTES), max_seconds=1000.0, remembered_channels=1000)
    window.begin(TOPIC, LIFE, {0: 0}, now=0.0)
    for offset in range(12):
        put(window, offset)
    window.evict(0.0)

    def go_on() -> None:
        for _ in range(arriving):
            put(window, window.position(TOPIC, CHANNEL).offset + 1)  # type: ignore[union-attr]

    walked = [offset for part in walk(window, Query(limit), go_on) for offset in part]

    assert walked == list(range(11, 11 - len(walked), -1))


def test_a_walk_forwards_that_memory_overtakes_is_ended_not_patched() -> None:
    """What left the window between two pages is missing: the client is told (80006)."""
    window = filled(10, max_bytes=10 * (10 + ENTRY_OVERHEAD_BYTES))
    first = page(window, limit=2, is_forwards=True)
    for offset in range(10, 13):
        put(window, offset)
    assert first.next_page is not None

    with pytest.raises(PositionExpired):
        page(window, limit=2, is_forwards=True, page=parse_serial(first.next_page))


def test_a_client_may_go_on_after_any_message_that_it_has() -> None:
    """What comes after it is all there, or it is told."""
    window = filled(10, max_bytes=6 * (10 + ENTRY_OVERHEAD_BYTES))

    assert offsets(page(window, is_forwards=True, page=Serial(LIFE, 0, 6))) == [7, 8, 9]
    with pytest.raises(PositionExpired):
        page(window, is_forwards=True, page=Serial(LIFE, 0, 2))


def test_until_attach_is_what_came_before_the_attachment() -> None:
    """RTL10b: up to and including the position that ATTACHED named."""
    window = make_window()
    silent = window.position(TOPIC, CHANNEL)
    for offset in range(5):
        put(window, offset)

    assert isinstance(silent, Front)
    assert offsets(page(window, attached_at=silent)) == []
    assert offsets(page(window, attached_at=Serial(LIFE, 0, 2))) == [2, 1, 0]


def test_positions_that_mean_nothing_here_are_refused() -> None:
    window = filled(5)

    for query in (Query(attached_at=Serial("bbbbbbbb", 0, 1)), Query(page=Serial("bbbbbbbb", 0, 1))):
        with pytest.raises(ContinuityLost):
            page_of(window, TOPIC, CHANNEL, query)
    for query in (Query(attached_at=Serial(LIFE, 0, 99)), Query(page=Serial(LIFE, 7, 1))):
        with pytest.raises(BadSerial):
            page_of(window, TOPIC, CHANNEL, query)


def test_a_topic_that_is_not_read_yet_has_no_past_to_show() -> None:
    window = Window(max_bytes=1 << 20, max_seconds=100.0, remembered_channels=10)

    with pytest.raises(KafkaUnavailable):
        page(window)


def test_messages_of_before_added_partitions_are_left_out() -> None:
    """Their serials are of another generation, so no walk could go on from them."""
    window = filled(3)
    window.extend(TOPIC, "bbbbbbbb", {2: 0}, now=50.0)
    message = Message(id="m", timestamp=0, data="x")
    window.append(Entry(TOPIC, Serial("bbbbbbbb", 0, 3), CHANNEL, message, 10), now=51.0)

    found = page(window)

    assert offsets(found) == [3]
    assert found.whole_since == 50.0


# ---------------------------------------------------------------------- what may be missing


def test_a_topic_read_from_its_beginning_misses_nothing() -> None:
    assert page(filled(3)).whole_since == 0.0


def test_what_was_written_before_the_edge_began_to_read_may_be_missing() -> None:
    window = make_window(begin_at=500, now=1000.0)
    put(window, 500, now=1001.0)

    assert page(window).whole_since == 1000.0


def test_what_left_memory_is_missing_from_then_on() -> None:
    window = filled(3)
    put(window, 3, now=60.0)
    put(window, 4, now=130.0)

    found = page(window)

    assert offsets(found) == [4, 3]
    assert found.whole_since == 0.0  # the moment at which the newest forgotten message came

    put(window, 5, now=200.0)
    assert page(window).whole_since == 60.0


def test_a_quiet_channel_is_whole_although_others_left_memory() -> None:
    window = filled(1)
    put(window, 1, channel="account:2", now=60.0)
    put(window, 2, now=150.0)

    assert page_of(window, TOPIC, "account:3", Query()).whole_since == 0.0


def test_a_channel_that_is_no_longer_remembered_is_not_called_whole() -> None:
    """Of the channel that fell out of the memory of the forgotten ones nothing is known any more."""
    window = make_window(remembered=1)
    put(window, 0, now=10.0)
    put(window, 1, channel="account:2", now=20.0)
    put(window, 2, channel="account:3", now=500.0)

    assert page(window).whole_since == 20.0


def test_records_that_were_lost_unread_are_not_called_whole() -> None:
    window = filled(3)
    window.interrupt(TOPIC, 0, 10, now=70.0)

    found = page(window)

    assert offsets(found) == []
    assert found.whole_since == 70.0


def test_a_log_that_was_cut_to_nothing_is_not_called_whole() -> None:
    """Reading goes on at offset 0, as at the very beginning, but this is none."""
    window = filled(3)
    window.interrupt(TOPIC, 0, 0, now=70.0)

    assert page(window).whole_since == 70.0


@given(st.data())
def test_all_that_came_after_the_said_time_is_held(data: st.DataObject) -> None:
    """Whatever flows, ages, is forgotten, lost or repartitioned."""
    now, offset = 1000.0, data.draw(st.sampled_from([0, 7]))
    window = Window(max_bytes=5 * (10 + ENTRY_OVERHEAD_BYTES), max_seconds=20.0, remembered_channels=2)
    window.begin(TOPIC, LIFE, {0: offset}, now=now)
    came: list[tuple[float, str, int]] = []
    for _ in range(data.draw(st.integers(1, 40))):
        now += data.draw(st.sampled_from([0.0, 1.0, 15.0]))
        if data.draw(st.integers(0, 20)) == 0:
            offset += 3
            window.interrupt(TOPIC, 0, offset, now)
        channel = f"account:{data.draw(st.integers(1, 4))}"
        put(window, offset, channel=channel, now=now)
        came.append((now, channel, offset))
        offset += 1

    for channel in {channel for _, channel, _ in came}:
        found = page_of(window, TOPIC, channel, Query(is_forwards=True))
        owed = [offset for at, of, offset in came if of == channel and at > found.whole_since]
        assert set(owed) <= set(offsets(found))


# ---------------------------------------------------------------------- bounds


def test_a_page_is_bounded_in_bytes() -> None:
    """At least one message, and then no more than about a megabyte; the next page goes on."""
    window = make_window()
    for offset in range(4):
        put(window, offset, size=history.PAGE_BYTES * 2 // 3)

    assert list(walk(window, Query())) == [[3, 2], [1, 0]]


def test_a_page_is_bounded_in_steps() -> None:
    """Looking for what is hardly there takes several pages, maybe empty ones, and never the loop for long."""
    window = make_window()
    for offset in range(history.PAGE_STEPS + 5):
        put(window, offset, timestamp_ms=offset)

    assert list(walk(window, Query(end_ms=2))) == [[], [2, 1, 0]]


# ---------------------------------------------------------------------- params


def test_params_are_read_as_sdks_write_them() -> None:
    point = f"{LIFE}-00000-0000000000000007"

    assert parse_query({}) == Query(100, is_forwards=False)
    assert parse_query({"limit": "7", "direction": "forwards", "start": "1", "end": "2", "unknown": "x"}) == Query(
        7, is_forwards=True, start_ms=1, end_ms=2
    )
    for name in ("fromSerial", "from_serial"):
        assert parse_query({name: point}).attached_at == Serial(LIFE, 0, 7)
    assert parse_query({"page": point}).page == Serial(LIFE, 0, 7)


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "ten"},
        {"limit": "-1"},
        {"limit": "１"},
        {"direction": "sideways"},
        {"start": "yesterday"},
        {"end": "9" * 17},
        {"start": "2", "end": "1"},
    ],
    ids=str,
)
def test_a_value_that_cannot_be_is_refused(params: dict[str, str]) -> None:
    """RSL2b3 for the bound of limit; the client hears 40003."""
    with pytest.raises(BadParameter):
        parse_query(params)


@pytest.mark.parametrize("name", ["fromSerial", "page"])
def test_a_position_of_another_server_is_refused(name: str) -> None:
    with pytest.raises(BadSerial):
        parse_query({name: "108hJ9IGwBZ8nh@1"})
