"""
One account of the demo bank: what happens on it next.

Every event has the account's next number, and every transaction the balance after it, so whoever receives them can tell
by arithmetic alone whether one is missing. Given the same random source and times, the same happens again.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from gateway.dev.customers import Customer
from gateway.dev.stories import AFTER_FRAUD, AGENTS, ATTEMPTS, CONVERSATIONS, CUSTOMER, Line

TRANSACTION, BALANCE, FRAUD_ALERT, CHAT = "transaction", "balance", "fraud_alert", "chat"
TRANSACTIONS_PER_BALANCE = 4
SHARE_OF_FRAUD, SHARE_OF_CHAT = 0.05, 0.08
LINE_AFTER = 0.55  # how often the next event of an account whose customer talks to support is a line of that talk


class Event(NamedTuple):
    """What happened on an account. *value* becomes JSON."""

    account: str
    name: str
    value: dict[str, Any]


class Books:
    """
    The books of one customer.

    Args:
        customer: Whose.
        random: Decides what happens.
    """

    def __init__(self, customer: Customer, random: Random) -> None:
        self._customer = customer
        self._random = random
        self._balance = customer.opening
        self._number = 0
        self._since_balance = 0
        self._talk: deque[Line] = deque()
        self._talk_about: dict[str, str] = {}
        self._last_paid = (customer.shops[0].merchant, self._money(customer.shops[0].most))

    def next_event(self, now: float) -> Event:
        """
        Let one thing happen.

        Args:
            now: Seconds since the epoch.
        """
        chance = self._random.random()
        if self._talk:
            if chance < LINE_AFTER:
                return self._say(now)
        elif chance < SHARE_OF_FRAUD:
            return self._stop_fraud(now)
        elif chance < SHARE_OF_FRAUD + SHARE_OF_CHAT:
            self._begin_talk(self._random.choice(CONVERSATIONS), *self._last_paid)
            return self._say(now)
        if self._since_balance >= TRANSACTIONS_PER_BALANCE:
            return self._tell_balance(now)
        return self._pay(now)

    def _pay(self, now: float) -> Event:
        merchant, category, amount = self._payment()
        self._balance += amount
        self._since_balance += 1
        amount_text = self._customer.currency.text(amount)
        if amount < 0:
            self._last_paid = (merchant, self._money(-amount))
        return self._event(
            TRANSACTION,
            now,
            transactionId=self._id("tx"),
            merchant=merchant,
            category=category,
            city=self._customer.city,
            amount=amount_text,
            balance=self._customer.currency.text(self._balance),
        )

    def _payment(self) -> tuple[str, str, int]:
        """Merchant, category and amount; the salary comes before the money runs out."""
        customer = self._customer
        if self._balance < customer.opening // 3:
            return customer.employer, "salary", customer.salary
        shop = self._random.choice(customer.shops)
        amount = self._random.randint(shop.least, shop.most)
        if amount > self._balance:
            return customer.employer, "salary", customer.salary
        if shop.category == "shopping" and self._random.random() < 0.2:
            return shop.merchant, "refund", amount
        return shop.merchant, shop.category, -amount

    def _tell_balance(self, now: float) -> Event:
        booked, self._since_balance = self._since_balance, 0
        return self._event(BALANCE, now, balance=self._customer.currency.text(self._balance), transactions=booked)

    def _stop_fraud(self, now: float) -> Event:
        attempt = self._random.choice(ATTEMPTS)
        amount = self._customer.salary * attempt.salary_percent // 100
        self._begin_talk(AFTER_FRAUD, attempt.merchant, self._money(amount))
        return self._event(
            FRAUD_ALERT,
            now,
            alertId=self._id("fraud"),
            severity=attempt.severity,
            reason=attempt.reason,
            merchant=attempt.merchant,
            place=attempt.place,
            amount=self._customer.currency.text(amount),
            outcome="declined",
        )

    def _begin_talk(self, lines: tuple[Line, ...], merchant: str, amount: str) -> None:
        self._talk.extend(lines)
        self._talk_about = {
            "conversationId": self._id("chat"),
            "agent": self._random.choice(AGENTS),
            "name": self._customer.name.partition(" ")[0],
            "merchant": merchant,
            "amount": amount,
        }

    def _say(self, now: float) -> Event:
        line, about = self._talk.popleft(), self._talk_about
        author = self._customer.name if line.speaker == CUSTOMER else about["agent"]
        return self._event(
            CHAT,
            now,
            conversationId=about["conversationId"],
            speaker=line.speaker,
            author=author,
            text=line.text.format(**about),
        )

    def _event(self, event_name: str, now: float, **value: Any) -> Event:
        self._number += 1
        at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        common = {"number": self._number, "at": at, "currency": self._customer.currency.code}
        return Event(self._customer.account, event_name, common | value)

    def _money(self, minor: int) -> str:
        currency = self._customer.currency
        return f"{currency.text(minor)} {currency.code}"

    def _id(self, kind: str) -> str:
        return f"{kind}-{self._random.getrandbits(40):010x}"
