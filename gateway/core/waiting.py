"""What waits for the tail to come as far as another edge was."""

from __future__ import annotations

import sys
from collections.abc import Callable

from gateway.core.freshness import AsOf

Retry = Callable[[float], bool]


class Waiting:
    """
    Asked again after each batch of the tail.

    Attributes:
        complete_ms: Topic and partition → up to when the tail has read all that Kafka had; for ever, unless it is set.
    """

    __slots__ = ("_retries", "complete_ms")

    def __init__(self) -> None:
        self.complete_ms: AsOf = _for_ever
        self._retries: dict[object, Retry] = {}

    def __len__(self) -> int:
        return len(self._retries)

    def add(self, key: object, retry: Retry) -> None:
        """Call *retry* with the time after each batch until it returns True; *key* cancels it in `drop`."""
        self._retries[key] = retry

    def drop(self, key: object) -> None:
        """Forget what *key* waited for."""
        self._retries.pop(key, None)

    def settle(self, now: float) -> None:
        """Let go on what need not wait any more. Call after each batch."""
        if self._retries:
            for key, retry in list(self._retries.items()):
                if retry(now):
                    self._retries.pop(key, None)


def _for_ever(_topic: str, _partition: int | None) -> int:
    return sys.maxsize
