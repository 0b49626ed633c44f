"""
Whether Kafka has everything that a replay lacks, before anything is read.

It has, if the topic still lives the same life, is not compacted, its log begins before the position, and there is not
more to read than is allowed. Then the client can be told at once that it resumes, however long it waits for a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.core.continuity import EXPIRED, Gap, gaps_after
from gateway.core.replay import Replay
from gateway.core.window import Window
from gateway.errors import ContinuityLost, PositionExpired, TooManyMissed
from gateway.stream.past import Past
from gateway.stream.reader import Partition


class Proving:
    """
    Asks Kafka for the proof.

    Args:
        past: Answers.
        window: Knows where channels lie, and from where on it holds them.
        max_records: More than this, of all channels of a partition together, is not read for one client.
    """

    def __init__(self, past: Past, window: Window, max_records: int) -> None:
        self._past = past
        self._window = window
        self._max_records = max_records

    async def prove_all(self, replays: Sequence[Replay]) -> list[ContinuityLost | None]:
        """
        Why what is lacking cannot be read, for each; None: it can.

        Raises:
            KafkaUnavailable: If Kafka does not answer.
        """
        verdicts: dict[tuple[str, str], ContinuityLost | None] = {}
        for topic, generation in {(r.attachment.topic, r.position.generation) for r in replays}:
            try:
                await self._past.check(topic, generation)
            except ContinuityLost as error:
                verdicts[topic, generation] = error
        gaps = [self._gaps(replay) for replay in replays]
        beginnings = await self._past.beginnings(
            {
                (replay.attachment.topic, gap.partition)
                for replay, found in zip(replays, gaps, strict=True)
                if not isinstance(found, ContinuityLost)
                for gap in found
            }
        )
        return [
            verdicts.get((replay.attachment.topic, replay.position.generation))
            or (
                found
                if isinstance(found, ContinuityLost)
                else self._verdict(replay.attachment.topic, found, beginnings)
            )
            for replay, found in zip(replays, gaps, strict=True)
        ]

    def _gaps(self, replay: Replay) -> list[Gap] | ContinuityLost:
        try:
            return gaps_after(self._window, replay.attachment.topic, replay.attachment.channel, replay.position)
        except ContinuityLost as error:
            return error

    def _verdict(self, topic: str, gaps: Sequence[Gap], beginnings: Mapping[Partition, int]) -> ContinuityLost | None:
        if any(gap.next_offset < beginnings[topic, gap.partition] for gap in gaps):
            return PositionExpired(EXPIRED)
        if sum(gap.until - gap.next_offset for gap in gaps) > self._max_records:
            return TooManyMissed("more records came since this channelSerial than are read again; load the state anew")
        return None
