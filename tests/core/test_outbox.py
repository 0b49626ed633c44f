"""ACK and NACK: in the order of msgSerial, whatever the order in which Kafka answers."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.wire import Action
from gateway.errors import PublishUnconfirmed
from tests.core.bench import Bench

ONE = msgspec.Raw(b'[{"data":"x"}]')


def publish(bench: Bench, msg_serial: int, raw: bytes = ONE) -> list[dict[str, object]]:
    return bench.send(Action.MESSAGE, channel="account:1", msg_serial=msg_serial, messages=msgspec.Raw(raw))


def test_an_ack_comes_when_kafka_has_it_and_says_where() -> None:
    """RTN7a, TR4s."""
    bench = Bench()
    assert publish(bench, 0) == []

    bench.submitted.settles[0](["life-0-1"])

    assert bench.outlet.take() == [
        {"action": Action.ACK, "msgSerial": 0, "count": 1, "res": [{"serials": ["life-0-1"]}]}
    ]


def test_acks_wait_for_those_before_them_and_then_come_together() -> None:
    bench = Bench()
    for msg_serial in range(3):
        publish(bench, msg_serial)
    for index in (2, 1):
        bench.submitted.settles[index]([f"s{index}"])
    assert bench.outlet.take() == []

    bench.submitted.settles[0](["s0"])

    (ack,) = bench.outlet.take()
    assert (ack["msgSerial"], ack["count"]) == (0, 3)
    assert [result["serials"] for result in ack["res"]] == [["s0"], ["s1"], ["s2"]]


def test_a_refusal_waits_for_its_turn_too() -> None:
    bench = Bench()
    publish(bench, 0)
    assert publish(bench, 1, b"[]") == []

    bench.submitted.settles[0](["s0"])

    ack, nack = bench.outlet.take()
    assert (ack["action"], ack["msgSerial"]) == (Action.ACK, 0)
    assert (nack["action"], nack["msgSerial"], nack["error"]["code"]) == (Action.NACK, 1, 40000)


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_every_publication_is_answered_once_and_in_order(order: list[int], failing: set[int]) -> None:
    bench = Bench()
    for msg_serial in range(6):
        publish(bench, msg_serial)

    for index in order:
        bench.submitted.settles[index](PublishUnconfirmed("later") if index in failing else [str(index)])

    answered = [
        (msg_serial, answer["action"] == Action.NACK)
        for answer in bench.outlet.take()
        for msg_serial in range(answer["msgSerial"], answer["msgSerial"] + answer["count"])
    ]
    assert answered == [(msg_serial, msg_serial in failing) for msg_serial in range(6)]


def test_who_publishes_more_than_kafka_takes_is_not_read_on_and_then_refused() -> None:
    bench = Bench()
    bench.submitted.pending_per_connection = 4
    publish(bench, 0)
    assert bench.outlet.is_reading
    publish(bench, 1)
    assert not bench.outlet.is_reading
    for msg_serial in (2, 3, 4):
        publish(bench, msg_serial)

    for settle in bench.submitted.settles:
        settle(["s"])

    *_, nack = bench.outlet.take()
    assert (nack["msgSerial"], nack["error"]["code"]) == (4, 42911)
    assert len(bench.submitted.publications) == 4
    assert bench.outlet.is_reading


def test_an_answer_after_the_end_goes_nowhere() -> None:
    bench = Bench()
    publish(bench, 0)
    bench.session.over()

    bench.submitted.settles[0](["s0"])

    assert bench.outlet.take() == []
