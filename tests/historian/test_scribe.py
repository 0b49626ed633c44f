"""Records → steps: small enough, without a gap between them, and nothing twice."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.duplicates import Duplicates
from gateway.core.interpreter import Interpreter
from gateway.core.retention import Retention
from gateway.core.routing import Router
from gateway.core.serial import Serial
from gateway.historian.scribe import STEP_BYTES, STEP_RECORDS, Scribe
from gateway.settings import Namespace
from gateway.store.history_keys import HistoryPlace

PLACE = HistoryPlace("edge.accounts", 0, "aaaaaaaa")
SHORT, LONG = b"x" * 10, b"x" * (STEP_BYTES // 3)
NAMESPACES = {
    "account": Namespace(topic=PLACE.topic, key="a{rest}"),
    "quiet": Namespace(topic=PLACE.topic, key="q{rest}", history_messages=0),
}
ROUTER = Router(NAMESPACES)
SCRIBE = Scribe(Interpreter(ROUTER, NAMESPACES, 2 * STEP_BYTES), Retention(NAMESPACES, ROUTER), Duplicates(10).was_copy)


@dataclass
class Record:
    """As Kafka's client gives it."""

    offset: int
    key: bytes | None = b"a1"
    value: bytes | None = b"x"
    topic: str = PLACE.topic
    partition: int = 0
    timestamp: int = 0
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)


def test_poison_and_what_has_no_history_are_passed() -> None:
    records = [
        Record(5),
        Record(6, key=None),
        Record(7, key=b"q1"),
        Record(8, headers=[("name", b"\xff")]),
        Record(9, value=b"x" * (2 * STEP_BYTES + 1)),
        Record(10, key=b"a2"),
    ]

    (step,) = SCRIBE.steps(PLACE, 5, records, 14)

    assert (step.from_offset, step.next_offset) == (5, 14)
    assert [(chapter.offset, chapter.channel) for chapter in step.chapters] == [(5, "account:1"), (10, "account:2")]


def test_a_copy_whose_first_lies_before_what_is_read_is_left_out() -> None:
    """Its first was read by the tail, which knows."""
    tail = Duplicates(10)
    scribe = Scribe(Interpreter(ROUTER, NAMESPACES, STEP_BYTES), Retention(NAMESPACES, ROUTER), tail.was_copy)
    for offset in (3, 6):
        tail.is_copy("account:1", "m-3", str(Serial(PLACE.generation, 0, offset)), 0)
    headers: list[tuple[str, bytes | None]] = [("lastmile", b"1 text"), ("id", b"m-3")]

    (step,) = scribe.steps(PLACE, 5, [Record(5), Record(6, headers=headers)], 7)

    assert [chapter.offset for chapter in step.chapters] == [5]


def test_what_was_written_already_is_not_written_again() -> None:
    (step,) = SCRIBE.steps(PLACE, 7, [Record(offset) for offset in range(5, 9)], 9)

    assert [chapter.offset for chapter in step.chapters] == [7, 8]


def test_where_nothing_moves_there_is_no_step() -> None:
    assert list(SCRIBE.steps(PLACE, 7, [], 7)) == []
    assert list(SCRIBE.steps(PLACE, 7, [Record(3)], 4)) == []


def test_steps_are_bounded_in_records_and_bytes() -> None:
    """A record that is longer than a step goes alone."""
    many = list(
        SCRIBE.steps(PLACE, 0, [Record(offset) for offset in range(2 * STEP_RECORDS + 1)], 2 * STEP_RECORDS + 1)
    )
    long = list(SCRIBE.steps(PLACE, 0, [Record(offset, value=b"x" * STEP_BYTES) for offset in range(3)], 3))

    assert [len(step.chapters) for step in many] == [STEP_RECORDS, STEP_RECORDS, 1]
    assert [len(step.chapters) for step in long] == [1, 1, 1]


@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from([b"a1", b"q1", None]), st.sampled_from([SHORT, LONG]))),
    st.integers(0, 40),
    st.integers(0, 9),
)
def test_steps_follow_each_other_and_hold_each_message_once(
    shapes: list[tuple[int, bytes | None, bytes]], from_offset: int, beyond: int
) -> None:
    """Whatever is read, in whatever pieces: from where the history ends to where reading goes on."""
    records, offset = [], 0
    for gap, key, value in shapes:
        offset += gap
        records.append(Record(offset, key=key, value=value))
    end = offset + 1 + beyond

    steps = list(SCRIBE.steps(PLACE, from_offset, records, end))

    if steps:
        assert (steps[0].from_offset, steps[-1].next_offset) == (from_offset, end)
    assert all(one.next_offset == other.from_offset for one, other in itertools.pairwise(steps))
    assert [chapter.offset for step in steps for chapter in step.chapters] == [
        record.offset for record in records if record.key == b"a1" and record.offset >= from_offset
    ]
    assert all(step.from_offset <= chapter.offset < step.next_offset for step in steps for chapter in step.chapters)
