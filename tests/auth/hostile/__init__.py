"""
Tokens that somebody might try, by what a client and an operator hear: (code, reason) → what is tried → the token.

There are three ways in: the tests' own key, an identity provider with its RSA key in a file, and one that publishes keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.auth.hostile import algorithms, claims, forms, keys


class Attempt(NamedTuple):
    """What is tried, with which token, and what comes of it."""

    what: str
    token: str
    code: int
    reason: str


def attempts() -> Iterator[Attempt]:
    """All of them."""
    for table in (algorithms.REFUSED, keys.REFUSED, forms.REFUSED, claims.REFUSED):
        for (code, reason), tokens in table.items():
            for what, token in tokens.items():
                yield Attempt(what, token, code, reason)
