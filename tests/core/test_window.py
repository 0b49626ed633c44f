"""What the window holds, and what it proves."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.continuity import cursor_at
from gateway.core.entry import ENTRY_OVERHEAD_BYTES, Entry
from gateway.core.message import Message
from gateway.core.serial import Front, Position, Serial, parse_serial
from gateway.core.window import Window
from gateway.errors import BadSerial, ContinuityLost, PositionExpired

TOPIC = "edge.accounts"
LIFE = "aaaaaaaa"


def make_window(
    max_bytes: int = 1 << 20, max_seconds: float = 100.0, remembered: int = 1000, partitions: int = 2
) -> Window:
    window = Window(max_bytes=max_bytes, max_seconds=max_seconds, remembered_channels=remembered)
    window.begin(TOPIC, LIFE, dict.fromkeys(range(partitions), 0), now=0.0)
    return window


def put(window: Window, channel: str, partition: int, offset: int, now: float = 0.0, generation: str = LIFE) -> Entry:
    message = Message(id=f"{TOPIC}:{partition}:{offset}", timestamp=0, data="x")
    return window.append(Entry(TOPIC, Serial(generation, partition, offset), channel, message, 100), now)


def offsets_after(window: Window, channel: str, position: Position) -> list[int]:
    cursor = cursor_at(window, TOPIC, channel, position)
    return [entry.offset for entry in window.after(channel, cursor, 1 << 30)]


def test_serves_exactly_what_lies_after_a_position() -> None:
    window = make_window()
    for offset in range(10):
        put(window, "account:1" if offset % 2 else "account:2", 0, offset)

    assert offsets_after(window, "account:1", Serial(LIFE, 0, 4)) == [5, 7, 9]


def test_a_channel_that_has_not_spoken_has_a_front_as_its_position() -> None:
    window = make_window()
    put(window, "account:1", 1, 7)

    position = window.position(TOPIC, "account:2")

    assert position == Front(LIFE, (0, 8))
    assert parse_serial(str(position)) == position


def test_a_front_proves_what_came_after_it_in_whatever_partition() -> None:
    window = make_window()
    front = window.position(TOPIC, "account:1")
    put(window, "account:2", 0, 0)
    put(window, "account:1", 1, 0)
    put(window, "account:1", 1, 1)

    assert offsets_after(window, "account:1", front) == [0, 1]


def test_a_quiet_channel_is_proven_whole_after_everything_else_left_the_window() -> None:
    window = make_window(max_seconds=10)
    position = str(window.position(TOPIC, "account:1"))
    for offset in range(100):
        put(window, "account:2", 0, offset, now=float(offset))

    assert offsets_after(window, "account:1", parse_serial(position)) == []


def test_a_message_that_left_the_window_expires_positions_before_it() -> None:
    window = make_window(max_seconds=10)
    put(window, "account:1", 0, 0, now=0)
    put(window, "account:2", 0, 1, now=50)

    with pytest.raises(PositionExpired):
        cursor_at(window, TOPIC, "account:1", Front(LIFE, (0, 0)))
    assert offsets_after(window, "account:1", Serial(LIFE, 0, 0)) == []


def test_what_is_no_longer_remembered_of_channels_raises_the_floor_for_all() -> None:
    window = make_window(max_seconds=1, remembered=2)
    for offset in range(4):
        put(window, f"account:{offset}", 0, offset, now=offset * 10.0)

    with pytest.raises(PositionExpired):
        cursor_at(window, TOPIC, "account:9", Front(LIFE, (0, 0)))
    assert offsets_after(window, "account:9", Front(LIFE, (1, 0))) == []


def test_a_position_of_another_life_is_refused() -> None:
    window = make_window()
    put(window, "account:1", 0, 5)
    window.begin(TOPIC, "bbbbbbbb", {0: 0, 1: 0}, now=0.0)

    with pytest.raises(ContinuityLost):
        cursor_at(window, TOPIC, "account:1", Serial(LIFE, 0, 5))
    assert list(window.entries("account:1")) == []


def test_a_position_of_the_future_is_ahead_and_then_refused() -> None:
    window = make_window()

    assert window.is_ahead(TOPIC, Serial(LIFE, 0, 0))
    with pytest.raises(BadSerial):
        cursor_at(window, TOPIC, "account:1", Serial(LIFE, 0, 0))


@pytest.mark.parametrize("position", [Serial(LIFE, 7, 0), Front(LIFE, (0,)), Front(LIFE, (0, 0, 0))])
def test_a_position_that_does_not_fit_the_topic_is_refused(position: Position) -> None:
    window = make_window()

    with pytest.raises(BadSerial):
        cursor_at(window, TOPIC, "account:1", position)


def test_a_channel_in_two_partitions_proves_nothing() -> None:
    window = make_window()
    put(window, "account:1", 0, 0)
    put(window, "account:1", 1, 0)

    with pytest.raises(ContinuityLost):
        cursor_at(window, TOPIC, "account:1", Serial(LIFE, 1, 0))


def test_added_partitions_keep_what_is_held_and_refuse_positions_of_before() -> None:
    window = make_window()
    put(window, "account:1", 0, 0)
    window.extend(TOPIC, "bbbbbbbb", {2: 0}, now=0.0)

    assert [entry.offset for entry in window.entries("account:1")] == [0]
    assert window.position(TOPIC, "account:1") == Front("bbbbbbbb", (1, 0, 0))
    with pytest.raises(ContinuityLost):
        cursor_at(window, TOPIC, "account:1", Serial(LIFE, 0, 0))


def test_after_added_partitions_a_channel_may_lie_elsewhere() -> None:
    window = make_window()
    put(window, "account:1", 0, 5)
    window.extend(TOPIC, "bbbbbbbb", {2: 0}, now=0.0)
    front = window.position(TOPIC, "account:1")
    put(window, "account:1", 2, 0, generation="bbbbbbbb")

    assert offsets_after(window, "account:1", front) == [0]


def test_what_is_evicted_after_partitions_were_added_does_not_say_where_its_channel_lies() -> None:
    """The bug: a position in the old partition was issued, which proves nothing of the new one."""
    window = make_window(max_seconds=10)
    put(window, "account:1", 0, 5, now=0.0)
    window.extend(TOPIC, "bbbbbbbb", {2: 0}, now=1.0)

    window.evict(now=20.0)

    assert window.position(TOPIC, "account:1") == Front("bbbbbbbb", (6, 0, 0))


def test_a_log_that_ends_before_what_was_read_takes_positions_back() -> None:
    """The bug: the old end stayed the position of who attached, and what was written below it was skipped."""
    window = make_window()
    put(window, "account:1", 0, 9)
    window.interrupt(TOPIC, 0, 4, now=0.0)
    attached_at = window.position(TOPIC, "account:1")
    put(window, "account:1", 0, 4)

    assert offsets_after(window, "account:1", attached_at) == [4]


def test_records_lost_to_retention_expire_what_came_before_them() -> None:
    window = make_window()
    put(window, "account:1", 0, 3)
    window.interrupt(TOPIC, 0, 10, now=0.0)

    with pytest.raises(PositionExpired):
        cursor_at(window, TOPIC, "account:1", Serial(LIFE, 0, 3))
    assert offsets_after(window, "account:1", Serial(LIFE, 0, 9)) == []


def test_gaps_of_compaction_and_transactions_are_no_losses() -> None:
    window = make_window()
    put(window, "account:1", 0, 3)
    window.advance(TOPIC, 0, 90)
    put(window, "account:1", 0, 95)

    assert offsets_after(window, "account:1", Serial(LIFE, 0, 3)) == [95]


def test_memory_is_bounded_over_all_channels_together() -> None:
    window = make_window(max_bytes=20 * (100 + ENTRY_OVERHEAD_BYTES))
    for offset in range(500):
        put(window, f"account:{offset % 7}", 0, offset)

    assert len(window) == 20
    assert window.size_bytes <= 20 * (100 + ENTRY_OVERHEAD_BYTES)


def test_a_slow_reader_of_a_quiet_channel_is_not_told_of_a_loss() -> None:
    window = make_window(max_seconds=10)
    window.watch("account:1")
    for offset in range(100):
        put(window, "account:2", 0, offset, now=float(offset))

    assert window.holds_after("account:1", 0)


def test_a_slow_reader_whose_messages_left_is_told() -> None:
    window = make_window(max_seconds=10)
    window.watch("account:1")
    put(window, "account:1", 0, 0, now=0)
    put(window, "account:2", 0, 1, now=100)

    assert not window.holds_after("account:1", 0)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_position_is_served_whole_or_refused(data: st.DataObject) -> None:
    """Whatever flows, ages and is forgotten: a resume gives exactly what came after its position, or says that it cannot."""
    partitions = data.draw(st.integers(1, 3))
    window = make_window(max_seconds=20, remembered=data.draw(st.integers(1, 4)), partitions=partitions)
    log: list[tuple[str, int, int]] = []
    issued: list[tuple[str, str, int]] = []
    next_offsets = [0] * partitions
    for step in range(data.draw(st.integers(1, 60))):
        now = step * data.draw(st.sampled_from([0.0, 1.0, 3.0]))
        channel_number = data.draw(st.integers(0, 5))
        channel = f"account:{channel_number}"
        if data.draw(st.booleans()):
            partition = channel_number % partitions
            next_offsets[partition] += data.draw(st.integers(0, 2))  # compaction
            put(window, channel, partition, next_offsets[partition], now=now)
            log.append((channel, partition, next_offsets[partition]))
            next_offsets[partition] += 1
        else:
            issued.append((channel, str(window.position(TOPIC, channel)), len(log)))

    for channel, serial, read in issued:
        expected = [offset for name, _, offset in log[read:] if name == channel]
        try:
            served = offsets_after(window, channel, parse_serial(serial))
        except PositionExpired:
            continue
        assert served == expected


@given(st.text(max_size=60))
def test_any_text_is_a_serial_or_refused(text: str) -> None:
    try:
        position = parse_serial(text)
    except BadSerial:
        return
    assert parse_serial(str(position)) == position


@given(st.integers(0, 99999), st.integers(0, 10**16 - 1), st.integers(0, 10**16 - 1))
def test_serials_of_a_channel_sort_as_text(partition: int, one: int, other: int) -> None:
    serials = [str(Serial(LIFE, partition, one)), str(Serial(LIFE, partition, other))]

    assert (serials[0] < serials[1]) == (one < other)


@given(st.lists(st.integers(0, 10**16 - 1), min_size=1, max_size=200))
def test_a_front_survives_its_text(offsets: list[int]) -> None:
    front = Front(LIFE, tuple(offsets))

    assert parse_serial(str(front)) == front
