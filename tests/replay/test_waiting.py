"""Queues that anybody can leave, and deadlines that all share."""

from __future__ import annotations

import asyncio

from gateway.core.attachment import Attachment
from gateway.core.replay import Replay
from gateway.core.serial import Serial
from gateway.core.wire import JSON
from gateway.replay.deadlines import Deadlines
from gateway.replay.queue import Queue
from tests.core.outlet import Collected


def replays(count: int) -> list[Replay]:
    attachments = [Attachment(Collected(), JSON, f"account:{n}", f"account:{n}", "t") for n in range(count)]
    return [Replay(attachment, Serial("aaaaaaaa", 0, 0)) for attachment in attachments]


async def test_a_queue_gives_the_first_ones_and_keeps_the_rest() -> None:
    queue, those = Queue(), replays(5)
    for replay in those:
        queue.add(replay)

    assert await queue.take(3) == those[:3]
    assert await queue.take(3) == those[3:]
    assert len(queue) == 0


async def test_who_is_in_a_queue_twice_is_in_it_once() -> None:
    queue, (replay,) = Queue(), replays(1)
    queue.add(replay)
    queue.add(replay)

    assert await queue.take(3) == [replay]


async def test_who_left_a_queue_is_not_given_and_nobody_is_woken_for_it() -> None:
    queue, (gone, there) = Queue(), replays(2)
    queue.add(gone)
    queue.drop(gone)
    queue.drop(gone)
    taking = asyncio.create_task(queue.take(3))
    await asyncio.sleep(0)
    is_waiting = not taking.done()

    queue.add(there)

    assert is_waiting
    assert await taking == [there]


def test_those_are_late_whose_time_is_up() -> None:
    deadlines, (early, late, gone) = Deadlines(10.0), replays(3)
    deadlines.start(early, 0.0)
    deadlines.start(gone, 1.0)
    deadlines.start(late, 5.0)
    deadlines.stop(gone)

    assert list(deadlines.expired(9.0)) == []
    assert list(deadlines.expired(11.0)) == [early]
    assert list(deadlines.expired(15.0)) == [late]


def test_a_time_that_begins_anew_ends_later() -> None:
    deadlines, (one, other) = Deadlines(10.0), replays(2)
    deadlines.start(one, 0.0)
    deadlines.start(other, 1.0)
    deadlines.start(one, 5.0)

    assert list(deadlines.expired(12.0)) == [other]
    assert list(deadlines.expired(15.0)) == [one]
