"""What happens at the demo bank beside payments: conversations with support, and attempts at fraud."""

from __future__ import annotations

from typing import NamedTuple

CUSTOMER, SUPPORT = "customer", "support"
AGENTS = ("Imani", "Tomasz", "Leila", "Henrik")


class Line(NamedTuple):
    """One line of a conversation. *text* may name ``{name}``, ``{agent}``, ``{merchant}`` and ``{amount}``."""

    speaker: str
    text: str


class Attempt(NamedTuple):
    """A payment that the bank stops. *salary_percent*: how large it is, so that it stands out in any currency."""

    merchant: str
    place: str
    reason: str
    severity: str
    salary_percent: int


CONVERSATIONS = (
    (
        Line(CUSTOMER, "Hi, I see two payments to {merchant}. Was I charged twice?"),
        Line(SUPPORT, "Hello {name}, {agent} here. Let me look."),
        Line(SUPPORT, "They are separate visits, a few hours apart. Only one is for {amount}."),
        Line(CUSTOMER, "Ah, breakfast and lunch. Thank you!"),
    ),
    (
        Line(CUSTOMER, "Can I raise my card limit for one week? I am going to a wedding."),
        Line(SUPPORT, "Of course. Raised until next Monday, it goes back by itself."),
        Line(CUSTOMER, "Perfect, that was quick."),
    ),
    (
        Line(SUPPORT, "Hello {name}, your new card left our office this morning."),
        Line(CUSTOMER, "Does the old one still work until it is here?"),
        Line(SUPPORT, "Yes, until you use the new one for the first time."),
    ),
    (
        Line(CUSTOMER, "How do I get a statement for my landlord?"),
        Line(SUPPORT, "Under Documents. I have just put a signed one there for the last three months."),
    ),
)

AFTER_FRAUD = (
    Line(SUPPORT, "{name}, we have stopped a payment of {amount} to {merchant}. Was it you?"),
    Line(CUSTOMER, "No! I am at home and the card is in my bag."),
    Line(SUPPORT, "Good that you told us. Nothing was taken, and this card number is blocked now."),
)

ATTEMPTS = (
    Attempt("Voltline Electronics", "Lagos", "Card present in two countries within four minutes", "high", 64),
    Attempt("GiftCards24", "online", "Nine gift cards in a row, from a device never seen before", "high", 38),
    Attempt("Aurum Watches", "Dubai", "Amount far outside anything this account has paid", "critical", 142),
    Attempt("QuickCrypto", "online", "Recipient was reported by six other customers today", "high", 51),
)
