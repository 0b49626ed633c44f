"""What the clients in the terminal do alike: show who calls, wait between attempts, say why one failed."""

from __future__ import annotations

import random
import time

from auth.ably_token import mint
from auth.keys import Key

TOKEN_SECONDS = 3600.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0

Credentials = str | Key | None  # a token, a key to make tokens from, or nothing: the edge will refuse


def token_of(credentials: Credentials, client_id: str | None) -> str | None:
    """A token to show. A key never leaves this machine: a token is made from it here."""
    if isinstance(credentials, Key):
        return mint(credentials, now=time.time(), ttl_seconds=TOKEN_SECONDS, client_id=client_id)
    return credentials


def pause_seconds(failures: int) -> float:
    """How long to wait after so many failures in a row: further and further apart, not all clients at the same time."""
    if not failures:
        return 0.0
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (failures - 1))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  # spreads clients, hides nothing


def reason_of(error: Exception) -> str:
    """A few words, without addresses that hold credentials."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
