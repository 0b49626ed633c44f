"""How long replays may take: one deadline for the answer to ATTACH, another for the whole."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.replay import Replay


class Deadlines:
    """
    Replays by the time at which they must have got somewhere; all have the same time for it.

    Args:
        seconds: How long.
    """

    __slots__ = ("_due", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[Replay, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def start(self, replay: Replay, now: float) -> None:
        """The time begins, or begins anew."""
        self._due.pop(replay, None)
        self._due[replay] = now + self._seconds

    def stop(self, replay: Replay) -> None:
        """It is in time; idempotent."""
        self._due.pop(replay, None)

    def expired(self, now: float) -> Iterator[Replay]:
        """Those that are late; each is forgotten as it is given."""
        while self._due:
            replay, due_at = next(iter(self._due.items()))
            if due_at > now:
                return
            del self._due[replay]
            yield replay
