"""How far the histories that this edge writes are behind Kafka: for the metrics, for a line now and then, and to see a standstill."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from gateway.stream.reader import Partition

_log = logging.getLogger("gateway.historian")
LOOK_SECONDS = 5.0  # asking Kafka for ends waits behind the fetch that is under way
WORTH_A_LINE = 10_000  # records behind
LINE_SECONDS = 10.0
STANDSTILL_SECONDS = 60.0  # a partition that is behind has its turn sooner, however much the others have to read


class Progress:
    """Compares where partitions end with where their histories do."""

    def __init__(self) -> None:
        self._lags: dict[str, int] = {}
        self._stuck: dict[Partition, tuple[int, float]] = {}
        self._look_at = 0.0
        self._line_at = 0.0
        self._is_behind = False

    @property
    def lags(self) -> Mapping[str, int]:
        """Records behind, by topic, at the last look."""
        return self._lags

    @property
    def is_due(self) -> bool:
        """Whether the next look is."""
        return time.monotonic() >= self._look_at

    def look(self, ends: Mapping[Partition, int], positions: Mapping[Partition, int]) -> bool:
        """
        Take in how it is now, and say so if it is worth a line.

        Returns:
            Whether a partition has had something to read for long, and nothing of it was read.
        """
        now = time.monotonic()
        self._look_at = now + LOOK_SECONDS
        behind = {partition: max(0, end - positions[partition]) for partition, end in ends.items()}
        self._lags = {}
        for partition, records in behind.items():
            self._lags[partition[0]] = self._lags.get(partition[0], 0) + records
        self._tell(sum(behind.values()), len(behind), now)
        before, self._stuck = self._stuck, {}
        for partition, records in behind.items():
            if records:
                position, since = before.get(partition, (-1, now))
                at = positions[partition]
                self._stuck[partition] = (at, since if at == position else now)
        return any(now - since >= STANDSTILL_SECONDS for _, since in self._stuck.values())

    def forget(self) -> None:
        """Nothing is written here any more."""
        self._lags, self._stuck, self._look_at = {}, {}, 0.0

    def _tell(self, records: int, partitions: int, now: float) -> None:
        if records >= WORTH_A_LINE and now >= self._line_at:
            self._is_behind, self._line_at = True, now + LINE_SECONDS
            _log.info("the history catches up", extra={"lag_records": records, "partitions": partitions})
        elif self._is_behind and records < WORTH_A_LINE:
            self._is_behind, self._line_at = False, 0.0
            _log.info("the history has caught up", extra={"lag_records": records, "partitions": partitions})
