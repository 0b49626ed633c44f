"""What clients publish: which record counts, what it looks like, and what may be said of it."""

from __future__ import annotations

import pytest

from tests.checker.claims import Auditor, Claim
from tests.checker.messages import Record, message_of
from tests.checker.truth import COPY_SECONDS, Truth
from tests.checker.verdicts import Judgement, Verdict
from tests.checker.world import HERE, NAMESPACE, OTHER, TOPIC, serial

MINE = ("phone", "mine")


def published(
    offset: int, message_id: str = "mine", *, at_ms: int = 0, client_id: str = "phone", connection_id: str = "conn-1"
) -> Record:
    stamps = (("lastmile", b"1 text"), ("id", message_id.encode()), ("clientId", client_id.encode()))
    stamps += (("connectionId", connection_id.encode()), ("lastmile-app", b"bank"), ("lastmile-key", b"bank.server"))
    headers = (*stamps, ("extras", b'{"by": "me"}'), ("number", b"7"))
    return Record(TOPIC, 0, offset, at_ms, HERE.partition(":")[2], b"x", headers)


def truth_of(*records: Record) -> Truth:
    truth = Truth({NAMESPACE: TOPIC})
    for record in records:
        truth.add(record)
    return truth


def faults(truth: Truth, *claims: Claim) -> int:
    judgement = Judgement()
    Auditor(truth, judgement).hear("phone", claims)
    assert judgement.answers == len(claims)
    return judgement.counts[Verdict.UNTRUE]


# ---------------------------------------------------------------------- records


def test_what_an_edge_has_written_is_read_by_its_headers() -> None:
    found = message_of(published(3))

    assert (found.id, found.data, found.client_id, found.connection_id) == ("mine", "x", "phone", "conn-1")
    assert found.extras == {
        "kafka": {"topic": TOPIC, "partition": 0, "offset": 3, "key": "here"},
        "by": "me",
        "headers": {"number": "7"},
    }


@pytest.mark.parametrize(
    ("second", "copies"),
    [
        (published(2), 1),
        (published(2, at_ms=COPY_SECONDS * 1000), 1),
        (published(2, at_ms=COPY_SECONDS * 1000 + 1), 0),
        (published(2, "another"), 0),
        (published(2, client_id="another"), 0),
        (published(2, connection_id="conn-2"), 1),
    ],
)
def test_a_copy_has_the_same_id_and_client_within_two_minutes(second: Record, copies: int) -> None:
    assert truth_of(published(1), second).copies == copies


def test_an_id_that_an_edge_made_is_the_same_for_everybody() -> None:
    truth = truth_of(published(1, "conn-1:0:0"), published(2, "conn-1:0:0", client_id="another"))

    assert (truth.copies, truth.offset_of(HERE, (None, "conn-1:0:0"))) == (1, 1)


# ---------------------------------------------------------------------- claims


def test_true_answers_are_no_faults() -> None:
    truth = truth_of(published(1), published(2, "next"), published(3))

    answers = [
        Claim(1, HERE, MINE, is_stored=True, serial=serial(1)),
        Claim(2, HERE, ("phone", "next"), is_stored=True),
        Claim(3, HERE, ("phone", "refused"), is_stored=False),
    ]

    assert faults(truth, *answers) == 0


@pytest.mark.parametrize(
    "answer",
    [
        Claim(1, HERE, ("phone", "nowhere"), is_stored=True, serial=serial(1)),
        Claim(1, OTHER, MINE, is_stored=True, serial=serial(1)),
        Claim(1, HERE, MINE, is_stored=True, serial=serial(2)),  # its copy's
        Claim(1, HERE, MINE, is_stored=False),
    ],
)
def test_an_untrue_answer_is_found(answer: Claim) -> None:
    assert faults(truth_of(published(1), published(2)), answer) == 1


@pytest.mark.parametrize(("is_in_order", "count"), [(True, 1), (False, 0)])
def test_what_was_published_later_lies_behind_unless_it_was_published_anew(is_in_order: bool, count: int) -> None:
    truth = truth_of(published(1, "second"), published(2, "first"))
    first = Claim(1, HERE, ("phone", "first"), is_stored=True, is_in_order=is_in_order)

    assert faults(truth, Claim(2, HERE, ("phone", "second"), is_stored=True), first) == count
