"""What happens on an account: it must add up, or nobody can tell by it whether something was lost."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dev.books import BALANCE, CHAT, FRAUD_ALERT, TRANSACTION, TRANSACTIONS_PER_BALANCE, Books, Event
from gateway.dev.customers import CUSTOMERS, Currency, Customer
from gateway.dev.stories import AFTER_FRAUD

NOW = 1_790_000_000.5

customers = st.sampled_from(CUSTOMERS)
seeds = st.integers(0, 2**32)


def life_of(customer: Customer, seed: int, events: int = 400) -> list[Event]:
    books = Books(customer, Random(seed))
    return [books.next_event(NOW + at) for at in range(events)]


def of_kind(events: list[Event], *kinds: str) -> list[Event]:
    return [event for event in events if event.name in kinds]


@given(customers, seeds)
def test_the_events_of_an_account_are_numbered_without_a_gap(customer: Customer, seed: int) -> None:
    """From 1 on, over all kinds."""
    events = life_of(customer, seed)

    assert [event.value["number"] for event in events] == list(range(1, len(events) + 1))
    assert {event.account for event in events} == {customer.account}


@given(customers, seeds)
def test_each_payment_leaves_the_balance_that_it_names(customer: Customer, seed: int) -> None:
    """Exact in decimals, beginning with what the customer had."""
    payments = of_kind(life_of(customer, seed), TRANSACTION)

    balance = Decimal(customer.currency.text(customer.opening))
    for payment in payments:
        balance += Decimal(payment.value["amount"])
        assert Decimal(payment.value["balance"]) == balance


@given(customers, seeds)
def test_no_account_is_overdrawn(customer: Customer, seed: int) -> None:
    """The salary comes before the money runs out."""
    payments = of_kind(life_of(customer, seed), TRANSACTION)

    assert all(Decimal(payment.value["balance"]) >= 0 for payment in payments)


@given(customers, seeds)
def test_a_balance_is_that_of_the_last_payment_and_counts_those_since_the_one_before(
    customer: Customer, seed: int
) -> None:
    """So it can be checked against what was received."""
    payments = 0
    last = customer.currency.text(customer.opening)
    for event in of_kind(life_of(customer, seed), TRANSACTION, BALANCE):
        if event.name == TRANSACTION:
            payments, last = payments + 1, event.value["balance"]
        else:
            assert event.value["transactions"] == payments == TRANSACTIONS_PER_BALANCE
            assert event.value["balance"] == last
            payments = 0


@given(customers, seeds)
def test_a_stopped_fraud_moves_no_money_and_is_talked_about(customer: Customer, seed: int) -> None:
    """The alert says declined; support speaks first, about that very payment."""
    events = life_of(customer, seed)
    for alert, line in pairwise(of_kind(events, FRAUD_ALERT, CHAT)):
        if alert.name == FRAUD_ALERT:
            assert alert.value["outcome"] == "declined"
            assert line.value["speaker"] == AFTER_FRAUD[0].speaker
            assert f"{alert.value['amount']} {customer.currency.code}" in line.value["text"]
            assert alert.value["merchant"] in line.value["text"]


@given(customers, seeds)
def test_a_talk_is_finished_before_the_next_begins(customer: Customer, seed: int) -> None:
    """Lines of one conversation are neighbours among the lines."""
    lines = of_kind(life_of(customer, seed), CHAT)

    ids = [line.value["conversationId"] for line in lines]
    turns = [later for earlier, later in pairwise(ids) if later != earlier]
    assert len(turns) == len(set(turns))
    assert all("{" not in line.value["text"] for line in lines)


@pytest.mark.parametrize("customer", CUSTOMERS, ids=lambda customer: customer.account)
def test_everything_happens_within_a_few_minutes(customer: Customer) -> None:
    """Most of all payments; but nobody who watches waits long for the rest."""
    kinds = Counter(event.name for event in life_of(customer, seed=1, events=200))

    assert set(kinds) == {TRANSACTION, BALANCE, FRAUD_ALERT, CHAT}
    assert kinds[TRANSACTION] > kinds[CHAT] > kinds[FRAUD_ALERT]


def test_the_same_chance_brings_the_same_life() -> None:
    """A fault that somebody saw can be seen again."""
    assert life_of(CUSTOMERS[0], seed=7) == life_of(CUSTOMERS[0], seed=7)
    assert life_of(CUSTOMERS[0], seed=7) != life_of(CUSTOMERS[0], seed=8)


def test_an_event_tells_its_time_as_programs_read_it() -> None:
    """RFC 3339, in UTC, to the millisecond."""
    (event,) = life_of(CUSTOMERS[0], seed=1, events=1)

    assert event.value["at"] == "2026-09-21T14:13:20.500Z"


@pytest.mark.parametrize(
    ("minor", "decimals", "text"),
    [(480, 2, "4.80"), (-480, 2, "-4.80"), (5, 2, "0.05"), (-5, 2, "-0.05"), (0, 2, "0.00"), (480, 0, "480"), (-7, 0, "-7")],
)  # fmt: skip
def test_sums_are_exact_text(minor: int, decimals: int, text: str) -> None:
    """In the decimals of the currency; no float ever holds money."""
    assert Currency("XXX", decimals).text(minor) == text
