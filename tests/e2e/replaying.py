"""What tests of replays say and wait for: messages of one channel that leave the window of an edge."""

from __future__ import annotations

import asyncio

from tests.conftest import Produce
from tests.testbed.edge import EdgeProcess
from tests.testbed.follower import Follower
from tests.testbed.process import wait_until

CHANNEL, KEY, OTHER = "account:1", "1", "2"
SHORT = {"max_seconds": 1}  # the shortest window there is
NO_HISTORY = {"history_seconds": 0}


def numbers(count: int, begin: int = 0) -> list[tuple[str, str]]:
    return [(KEY, str(number)) for number in range(begin, begin + count)]


def texts(count: int, begin: int = 0) -> list[str]:
    return [str(number) for number in range(begin, begin + count)]


def until_forgotten(edge: EdgeProcess, count: int) -> None:
    """Wait until so many messages were read, and none of them is in the window any more."""

    def is_forgotten() -> bool:
        metrics = edge.metrics()
        return metrics["lastmile_messages_total"] >= count and metrics["lastmile_window_messages"] == 0

    wait_until(is_forgotten, f"{count} messages have come and gone")


def until_written(edge: EdgeProcess) -> None:
    """Wait until the history has everything."""

    def is_written() -> bool:
        metrics = edge.metrics()
        lags = [value for name, value in metrics.items() if name.startswith("lastmile_history_lag_records")]
        return metrics["lastmile_history_partitions"] > 0 and bool(lags) and not any(lags)

    wait_until(is_written, "the history is written")


async def resumes_whole(edge: EdgeProcess, serial: str, count: int) -> None:
    """Whoever comes back to it with *serial* gets the messages from 0 on, so many, in order, and is told RESUMED."""
    async with Follower(edge, CHANNEL, serial) as client:
        await client.until_got(count)

        assert client.data == texts(count)
        assert client.is_resumed


async def quiet_one_resumes(edge: EdgeProcess, topic: str, produce: Produce, serial: str) -> None:
    """Whoever comes back to a channel that said nothing is told RESUMED, and gets what is said then."""
    async with Follower(edge, "account:quiet", serial) as client:
        await client.until_answered()
        await asyncio.to_thread(produce, topic, [("quiet", "first")])
        await client.until_got(1)

        assert client.is_resumed
        assert client.data == ["first"]


async def position_of(edge: EdgeProcess, channel: str = CHANNEL, count: int = 0) -> str:
    """What a client keeps that attached, had so many messages and went away."""
    async with Follower(edge, channel, params={"rewind": "1000"} if count else None) as client:
        await client.until_answered()
        await client.until_got(count)
        assert client.serial is not None
        return client.serial
