"""Records that go on and on while something is broken, and the proof that each arrived once and in order."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence

from tests.testbed.records import Records
from tests.testbed.sdk import Sdk

SLICE_SECONDS = 0.05
PADDING = "x" * 120  # about as long as a payment


class Flow:
    """
    Numbered records for some keys in turn, at a pace.

    Args:
        records: Where they are written.
        topic: Its topic.
        keys: Their keys; channel ``account:KEY`` each.
        total: How many.
        per_second: The pace, at most.
        limit: How many may have been written by now, so that a flow does not run away from what is broken meanwhile.
    """

    def __init__(
        self,
        records: Records,
        topic: str,
        keys: Sequence[str],
        *,
        total: int,
        per_second: float,
        limit: Callable[[], int] | None = None,
    ) -> None:
        self.sent = 0
        self.total = total
        self._records = records
        self._topic = topic
        self._keys = keys
        self._per_slice = max(1, int(per_second * SLICE_SECONDS))
        self._limit = limit or (lambda: total)

    @property
    def is_over(self) -> bool:
        """Whether all of them were written."""
        return self.sent >= self.total

    async def run(self) -> None:
        """Write them all; Kafka has taken them when this returns."""
        while not self.is_over:
            due = min(self.total, self._limit(), self.sent + self._per_slice)
            for number in range(self.sent, due):
                key = self._keys[number % len(self._keys)]
                self._records.send(self._topic, (key, json.dumps({"n": number, "padding": PADDING})))
            self.sent = due
            await asyncio.sleep(SLICE_SECONDS)  # the pace, not a wait for something
        await asyncio.to_thread(self._records.flush)

    async def prove(self, client: Sdk, *, deadline_seconds: float) -> None:
        """
        Wait until a client that listens to all keys has as many messages as there were records; then compare.

        Raises:
            AssertionError: With what is missing, doubled or out of order, per channel.
        """
        wanted = {f"account:{key}": list(range(at, self.total, len(self._keys))) for at, key in enumerate(self._keys)}

        def is_complete() -> bool:
            return all(len(client.messages[channel]) >= len(numbers) for channel, numbers in wanted.items())

        await client.until(is_complete, "every record", deadline_seconds=deadline_seconds)
        for channel, numbers in wanted.items():
            got = [data["n"] for data in client.data(channel)]
            assert got == numbers, f"{client.kind} {channel}: {differences(got, numbers)}"


def differences(got: Sequence[int], wanted: Sequence[int]) -> str:
    """In words, what is wrong with a sequence of numbers."""
    missing = sorted(set(wanted) - set(got))
    doubled = sorted(number for number, times in Counter(got).items() if times > 1)
    backwards = [later for earlier, later in itertools.pairwise(got) if later <= earlier]
    return f"{len(missing)} missing {missing[:10]}, {len(doubled)} doubled {doubled[:10]}, {len(backwards)} backwards {backwards[:10]}"
