"""Clients that ask a real edge for more of the past than its window holds."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.conftest import Produce, StartEdge
from tests.e2e.replaying import CHANNEL, NO_HISTORY, SHORT, numbers, texts, until_forgotten, until_written
from tests.testbed.follower import HAS_BACKLOG, Follower


def aged(count: int, age_seconds: float) -> list[int]:
    return [int((time.time() - age_seconds) * 1000)] * count


@pytest.mark.parametrize("rewind", ["300", "10m"])
async def test_rewind_goes_back_beyond_the_window(rewind: str, edge: StartEdge, topic: str, produce: Produce) -> None:
    """By count and by time out of the history; with what is in the window, and live from there."""
    served = edge({"account": {"topic": topic}}, window=SHORT)
    produce(topic, numbers(300))
    until_forgotten(served, 300)
    until_written(served)

    async with Follower(served, CHANNEL, params={"rewind": rewind}) as client:
        answer = await client.until_answered()
        await asyncio.to_thread(produce, topic, numbers(10, 300))
        await client.until_got(310)

        assert client.data == texts(310)
        assert answer["flags"] & HAS_BACKLOG
        assert answer["params"] == {"rewind": rewind}


async def test_rewind_by_time_without_history_asks_kafkas_time_index(
    edge: StartEdge, topic: str, produce: Produce
) -> None:
    served = edge({"account": {"topic": topic, **NO_HISTORY}}, window=SHORT)
    produce(topic, numbers(300))
    until_forgotten(served, 300)

    async with Follower(served, CHANNEL, params={"rewind": "10m"}) as client:
        await client.until_got(300)

        assert client.data == texts(300)
        assert client.answers[0]["flags"] & HAS_BACKLOG


async def test_rewind_limit_bounds_a_rewind_by_time(edge: StartEdge, topic: str, produce: Produce) -> None:
    served = edge({"account": {"topic": topic}}, window=SHORT)
    produce(topic, numbers(300))
    until_forgotten(served, 300)
    until_written(served)

    async with Follower(served, CHANNEL, params={"rewind": "10m", "rewindLimit": "20"}) as client:
        await asyncio.to_thread(produce, topic, numbers(1, 300))
        await client.until_got(21)

        assert client.data == texts(21, 280)
        assert client.answers[0]["params"] == {"rewind": "10m", "rewindLimit": "20"}


async def test_a_rewind_of_nothing_begins_now(edge: StartEdge, topic: str, produce: Produce) -> None:
    served = edge({"account": {"topic": topic}}, window=SHORT)

    async with Follower(served, CHANNEL, params={"rewind": "10"}) as client:
        answer = await client.until_answered()
        await asyncio.to_thread(produce, topic, numbers(1))
        await client.until_got(1)

        assert not answer["flags"] & HAS_BACKLOG
        assert answer["params"] == {"rewind": "10"}


async def test_a_rewind_can_be_broken_off_and_resumed(edge: StartEdge, topic: str, produce: Produce) -> None:
    """ATTACHED tells the position before the backlog, so nothing is skipped wherever it ends."""
    served = edge({"account": {"topic": topic}}, window=SHORT)
    produce(topic, numbers(300))
    until_forgotten(served, 300)
    until_written(served)
    async with Follower(served, CHANNEL, params={"rewind": "300"}) as client:
        answer = await client.until_answered()

    async with Follower(served, CHANNEL, answer["channelSerial"]) as client:
        await client.until_got(300)

        assert client.is_resumed
        assert client.data == texts(300)
