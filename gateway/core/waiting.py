"""What waits for the tail to come as far as another edge was."""

from __future__ import annotations

from collections.abc import Callable

Retry = Callable[[float], bool]


class Waiting:
    """Asked again after each batch of the tail."""

    __slots__ = ("_retries",)

    def __init__(self) -> None:
        self._retries: dict[object, Retry] = {}

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
