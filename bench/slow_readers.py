"""Target 7, first half: one of ten clients stops reading; what do the others notice?"""

from __future__ import annotations

from bench.crowd import Crowd, Delivered
from bench.figures import Figure, at_most, ratios
from bench.ground import Ground, Lastmile, account_names
from bench.load import write_all, write_paced
from bench.scale import Scale
from tests.testbed.process import wait_until

CHANNELS = 18
READERS_OF_EACH = 50
STALLED = 100  # on one channel of their own, so that what the others get stays the same
PER_SECOND = 190.0
SECONDS = 6.0
FILLING = 4000  # records of 280 bytes: more than any buffer takes
WAIT_SECONDS = 60.0


class _Readers:
    """An edge, those who always read, and the channel of those who may not."""

    def __init__(self, ground: Ground) -> None:
        *self.accounts, self.slow_account = account_names(CHANNELS + 1)
        self.ground = ground
        self.edge: Lastmile = ground.lastmile()
        self.readers: Crowd = ground.crowd(self.edge, self.accounts * READERS_OF_EACH)
        self.readers.open(CHANNELS * READERS_OF_EACH)

    def deliver(self, seconds: float) -> Delivered:
        """Records to all channels."""
        records = int(PER_SECOND / (CHANNELS + 1) * seconds) * (CHANNELS + 1)
        self.readers.reset()
        write_paced(self.ground.records, self.edge.topic, [*self.accounts, self.slow_account], records, PER_SECOND)
        self.readers.wait(records // (CHANNELS + 1) * CHANNELS * READERS_OF_EACH, WAIT_SECONDS)
        return self.readers.report()

    def measure(self, seconds: float, *, is_stalled: bool) -> Delivered:
        """The same with one in ten who reads, or does not."""
        slow = self.ground.crowd(self.edge, [self.slow_account] * STALLED)
        slow.open(STALLED)
        if is_stalled:
            slow.stall(STALLED)
        write_all(self.ground.records, self.edge.topic, [self.slow_account], FILLING)
        if is_stalled:
            wait_until(self._all_lag, "the stalled clients lag")
        else:
            slow.wait(FILLING * STALLED, WAIT_SECONDS)
        delivered = self.deliver(seconds)
        slow.close()
        wait_until(self._are_gone, "the slow ones are gone")
        return delivered

    def _all_lag(self) -> bool:
        return self.edge.edge.metrics()["lastmile_attachments_lagging"] >= STALLED

    def _are_gone(self) -> bool:
        return self.edge.edge.metrics()["lastmile_connections"] == CHANNELS * READERS_OF_EACH


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """p99 of those who read, with a tenth that does not, of the same with a tenth that does."""
    readers = _Readers(ground)
    readers.deliver(scale.seconds(SECONDS))  # warm
    stalled: list[float] = []
    reading: list[float] = []
    for _ in scale.runs("slow_readers"):
        reading.append(readers.measure(scale.seconds(SECONDS), is_stalled=False).p99_ms)
        stalled.append(readers.measure(scale.seconds(SECONDS), is_stalled=True).p99_ms)
    return [
        Figure(
            7,
            "10 % stalled readers, others' p99, of the same when all read",
            "",
            ratios(stalled, reading),
            at_most(1.2),
        ),
        Figure(0, "10 % stalled readers, others' p99", "ms", stalled),
        Figure(0, "all read, the same clients' p99", "ms", reading),
    ]
