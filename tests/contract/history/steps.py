"""What the contract of the history is tried with: steps of one partition, in short words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gateway.core.message import Message
from gateway.core.retention import Retention
from gateway.core.routing import Router
from gateway.errors import HistoryUnproven
from gateway.settings import Namespace
from gateway.store.history import HistoryStore
from gateway.store.history_keys import HistoryPlace
from gateway.store.history_writer import Chapter, HistoryWriter, Step
from gateway.store.redis import Client
from tests.contract.conftest import names_of

PLACE = HistoryPlace("edge.accounts", 0, "aaaaaaaa")
LEASE_SECONDS = 30.0


def retention_of(**settings: Any) -> Retention:
    """The rules of one namespace, `account`."""
    namespaces = {"account": Namespace(topic=PLACE.topic, **settings)}
    return Retention(namespaces, Router(namespaces))


RETENTION = retention_of(history_messages=5)


def message(text: str) -> Message:
    return Message(id=text, timestamp=1, data=text)


def step(first: int, end: int, channels: Sequence[str] = ("account:1",), place: HistoryPlace = PLACE) -> Step:
    """Messages at all offsets from *first* to before *end*, for the channels in turn."""
    chapters = []
    for offset in range(first, end):
        channel = channels[offset % len(channels)]
        keep = RETENTION.keep_of_channel(channel)
        assert keep is not None
        chapters.append(Chapter(offset, channel, message(f"{channel} {offset}"), keep))
    return Step(place, first, end, chapters)


async def begin(writer: HistoryWriter, floor: int = 0, place: HistoryPlace = PLACE) -> None:
    """Become the writer of a new history."""
    assert await writer.take(place) == (True, None)
    assert (await writer.begin(place, floor, expected=None)).kind == "written"


async def write(writer: HistoryWriter, *steps: Step) -> list[str]:
    return [answer.kind for answer in await writer.write(steps)]


async def reason_of(store: HistoryStore, after: int, channel: str = "account:1", place: HistoryPlace = PLACE) -> str:
    """Why a history proves nothing from an offset on."""
    with pytest.raises(HistoryUnproven) as refused:
        await store.read(place, channel, after, 100)
    return refused.value.reason


async def offsets(store: HistoryStore, after: int, channel: str = "account:1", limit: int = 100) -> list[int]:
    return [entry.offset for entry in (await store.read(PLACE, channel, after, limit)).entries]


async def dump(redis: Client) -> dict[bytes, bytes | None]:
    """All that there is."""
    return {name: await redis.dump(name) for name in sorted(await names_of(redis))}
