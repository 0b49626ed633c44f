"""
How long a fetch may wait for more, by what has flowed lately.

On a prototype, a fetch cost aiokafka 0.3 to 0.6 ms of CPU, whatever it brought. While little flows, the broker answers
as soon as there is anything: nothing is delayed, and few fetches are made. While much flows, that was a thousand fetches
a second, most of a core for nothing; so the broker is asked to wait for as much as comes in a few milliseconds: one for
each `RECORDS_PER_MILLISECOND` that come in a second, and three at most: some 330 fetches a second of a broker, and 1.5 ms
more for a record on average.

What is asked for is bytes, and the time is only for when they do not come: the broker answers a fetch that has enough from
where it takes in what is written, and one whose time is over from a timer, which on a busy machine was late by tens of
milliseconds.

Source: docs/performance.md; KIP-74 and FetchRequest's min_bytes and max_wait.
"""

from __future__ import annotations

from typing import NamedTuple

PERIOD_SECONDS = 0.25
RECORDS_PER_MILLISECOND = 700.0
MAX_WAIT_MS = 3
MARGIN_MS = 2  # beyond which what was expected has not come
IDLE_WAIT_MS = 500
BYTES_DIGITS = 2  # rounded away, so that a steady flow changes nothing
MOST_BYTES = 65536  # a backlog has as much at once, and is not held up


class Patience(NamedTuple):
    """What a fetch asks of the broker: answer once there is so much, or after so long."""

    min_bytes: int
    max_wait_ms: int


IDLE = Patience(1, IDLE_WAIT_MS)
PATIENT = Patience(65536, 250)  # for who need not be the first to know


class Pace:
    """
    Counts what comes, and says how patient the next fetches are to be.

    Args:
        now: Seconds of any clock that only goes forward.

    Attributes:
        patience: With `min_bytes` of all brokers together.
    """

    __slots__ = ("_began_at", "_bytes", "_bytes_per_second", "_per_second", "_records", "patience")

    def __init__(self, now: float) -> None:
        self._began_at = now
        self._records = self._bytes = 0
        self._per_second = self._bytes_per_second = 0.0
        self.patience = IDLE

    def note(self, records: int, size_bytes: int, now: float) -> bool:
        """
        Take in that so many records came, about so long.

        Returns:
            Whether `patience` has changed.
        """
        self._records += records
        self._bytes += size_bytes
        elapsed = now - self._began_at
        if elapsed < PERIOD_SECONDS:
            return False
        # Half of it is the last period's, so one burst or one pause changes little, and a second changes everything.
        self._per_second += (self._records / elapsed - self._per_second) / 2
        self._bytes_per_second += (self._bytes / elapsed - self._bytes_per_second) / 2
        self._records, self._bytes, self._began_at = 0, 0, now
        before, self.patience = self.patience, _patience_at(self._per_second, self._bytes_per_second)
        return self.patience != before


def _patience_at(per_second: float, bytes_per_second: float) -> Patience:
    wait_ms = min(MAX_WAIT_MS, round(per_second / RECORDS_PER_MILLISECOND))
    if not wait_ms:
        return IDLE
    wanted_bytes = min(MOST_BYTES, round(bytes_per_second * wait_ms / 1000, -BYTES_DIGITS))
    return Patience(max(1, int(wanted_bytes)), wait_ms + MARGIN_MS)
