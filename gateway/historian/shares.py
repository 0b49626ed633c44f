"""
Which partitions' histories are this edge's to write.

Every edge says that it is there, counts the others, and takes free leases up to its fair share: ceil(partitions / edges).
Who has more than that, because another edge came, gives the rest back. Free ones are tried in random order, so that edges
do not all run after the same. Nobody decides for the others, so nobody's death stops anything: leases end by themselves.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

from gateway.errors import StoreUnavailable
from gateway.store.history_keys import HistoryPlace
from gateway.store.history_writer import HistoryWriter
from gateway.stream.topics import TopicLife


class Shares:
    """
    The leases of one edge.

    Args:
        writer: Holds them.
    """

    def __init__(self, writer: HistoryWriter) -> None:
        self._writer = writer
        self.held: set[HistoryPlace] = set()

    async def settle(self, lives: Mapping[str, TopicLife]) -> dict[HistoryPlace, int | None]:
        """
        Hold what is ours, and no more.

        Args:
            lives: The topics that have histories, as they are now; what is of another life is let go.

        Returns:
            What was taken now, and where its history goes on; None if there is none.

        Raises:
            StoreUnavailable: If Redis does not answer in time.
        """
        places = [
            HistoryPlace(topic, partition, life.generation)
            for topic, life in lives.items()
            for partition in range(life.partitions)
        ]
        share = -(-len(places) // max(1, await self._writer.attend()))
        for place in self._surplus(places, share):
            await self.let_go(place)
        return await self._take([place for place in places if place not in self.held], share)

    async def let_go(self, place: HistoryPlace) -> None:
        """
        Give a lease back.

        Raises:
            StoreUnavailable: If Redis does not answer in time; the lease ends by itself then.
        """
        self.held.discard(place)
        await self._writer.release(place)

    async def let_all_go(self) -> None:
        """Give all leases back, as far as Redis answers; never raises."""
        try:
            for place in list(self.held):
                await self.let_go(place)
            await self._writer.leave()
        except StoreUnavailable:
            self.held.clear()

    def _surplus(self, places: Collection[HistoryPlace], share: int) -> list[HistoryPlace]:
        gone = [place for place in self.held if place not in places]
        ours = [place for place in places if place in self.held]
        return gone + ours[share:]

    async def _take(self, free: list[HistoryPlace], share: int) -> dict[HistoryPlace, int | None]:
        taken: dict[HistoryPlace, int | None] = {}
        random.shuffle(free)
        for place in free:
            if len(self.held) >= share:
                break
            is_ours, next_offset = await self._writer.take(place)
            if is_ours:
                self.held.add(place)
                taken[place] = next_offset
        return taken
