"""Receipts: joined where one goes on where the other ended, bounded, and never about what was not confirmed."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.confirming import Advance
from gateway.core.receipts import Receipt, Unsent, receipt_value

MANY = 1 << 30


def advance(after: int, upto: int, connection_id: str = "one", channel: str = "account:1") -> Advance:
    """From one number to another, confirmed at that second."""
    return Advance("bank", "alice", connection_id, "phone-7", "account", channel, str(after), str(upto), upto * 1000)


def ranges(receipts: list[Receipt]) -> list[tuple[str, int, int]]:
    """Whose, from, to."""
    return [(one.advance.connection_id, int(one.advance.after), int(one.advance.upto)) for one in receipts]


def test_advances_that_go_on_are_one_receipt() -> None:
    """However many there are while nobody takes it; the newest time counts, and since when is known."""
    unsent = Unsent(10, MANY)
    for number in range(5):
        unsent.add(advance(number, number + 1))

    assert unsent.oldest_ms == 1000
    (receipt,) = unsent.take(10)
    assert receipt.advance == advance(0, 5)
    assert unsent.oldest_ms is None
    assert unsent.size_bytes == len(unsent) == 0


def test_a_gap_is_not_covered() -> None:
    """An attachment that lost continuity, or was made anew: nothing is said of what lies between."""
    unsent = Unsent(10, MANY)
    for one in (advance(0, 5), advance(7, 9), advance(9, 10)):
        unsent.add(one)

    assert ranges(unsent.take(10)) == [("one", 0, 5), ("one", 7, 10)]


def test_attachments_are_kept_apart() -> None:
    """Of other connections and channels."""
    unsent = Unsent(10, MANY)
    for one in (advance(0, 1), advance(1, 2, "two"), advance(1, 2, channel="account:2"), advance(1, 2)):
        unsent.add(one)

    assert ranges(unsent.take(10)) == [("one", 0, 2), ("two", 1, 2), ("one", 1, 2)]


def test_what_was_taken_is_not_joined_to() -> None:
    """It is on its way; what comes then goes on where it ends."""
    unsent = Unsent(10, MANY)
    unsent.add(advance(0, 1))
    unsent.take(1)
    unsent.add(advance(1, 2))

    assert ranges(unsent.take(10)) == [("one", 1, 2)]


def test_without_room_the_oldest_is_dropped_and_covered_by_the_next() -> None:
    """A bound in count: Kafka was away for too long."""
    unsent = Unsent(2, MANY)
    for one in (advance(0, 1), advance(0, 1, "two"), advance(0, 1, "three"), advance(1, 2)):
        unsent.add(one)

    assert unsent.dropped == 2
    assert ranges(unsent.take(10)) == [("three", 0, 1), ("one", 0, 2)]
    unsent.add(advance(4, 5, "two"))  # not where the dropped one ended
    assert ranges(unsent.take(10)) == [("two", 4, 5)]


def test_memory_is_bounded_too() -> None:
    """Names may be long, so a count alone bounds nothing."""
    unsent = Unsent(1_000_000, 100_000)
    for number in range(1000):
        unsent.add(advance(0, 1, f"{number}", channel="x" * 2000))
        assert unsent.size_bytes <= 100_000

    assert 10 < len(unsent) < 100
    assert unsent.dropped == 1000 - len(unsent)


@given(
    st.lists(
        st.tuples(st.sampled_from(["one", "two", "three"]), st.integers(0, 2), st.integers(1, 3))
        | st.integers(1, 3)  # so many are taken
    ),
    st.integers(1, 4),
)
def test_whatever_happens_receipts_are_of_what_was_confirmed_once(
    steps: list[tuple[str, int, int] | int], max_count: int
) -> None:
    """
    No number is in two receipts, none in any that was not confirmed, and without drops all are.

    Each connection's numbers ascend; some are skipped, as by a loss of continuity.
    """
    unsent, at, confirmed, taken = Unsent(max_count, MANY), dict.fromkeys(["one", "two", "three"], 0), set(), []
    for step in steps:
        if isinstance(step, int):
            taken += ranges(unsent.take(step))
            continue
        who, skipped, count = step
        after = at[who] + skipped
        at[who] = after + count
        unsent.add(advance(after, after + count, who))
        confirmed |= {(who, number) for number in range(after, after + count)}
        assert len(unsent) <= max_count
    taken += ranges(unsent.take(max_count))

    covered = [(who, number) for who, after, upto in taken for number in range(after, upto)]
    assert len(covered) == len(set(covered))
    assert set(covered) <= confirmed
    assert unsent.dropped or set(covered) == confirmed
    for who in at:
        theirs = [(after, upto) for name, after, upto in taken if name == who]
        assert theirs == sorted(theirs)


def test_a_receipt_says_who_got_what_and_when() -> None:
    """JSON without what is not known."""
    unsent = Unsent(10, MANY)
    unsent.add(advance(0, 5))
    unsent.add(Advance("bank", None, "two", None, "account", "account:ü", "a", "b", 7))
    named, anonymous = (json.loads(receipt_value(one, "lastmile-1")) for one in unsent.take(2))

    assert named == {
        "v": 1,
        "app": "bank",
        "channel": "account:1",
        "clientId": "alice",
        "connectionId": "one",
        "cursor": "phone-7",
        "after": "0",
        "upto": "5",
        "confirmedAt": 5000,
        "edge": "lastmile-1",
    }
    assert set(named) - set(anonymous) == {"clientId", "cursor"}
    assert anonymous["channel"] == "account:ü"
