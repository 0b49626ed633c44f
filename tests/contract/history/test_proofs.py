"""What proves nothing: histories that are young, trimmed, of another life or of other settings."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.store.history import HistoryStore
from gateway.store.history_writer import Chapter, HistoryWriter, Step
from gateway.store.redis import Client
from tests.contract.conftest import TIMEOUT_SECONDS, names_of
from tests.contract.history.steps import PLACE, RETENTION, begin, message, offsets, reason_of, retention_of, step, write


async def test_where_there_is_no_history_nothing_is_proven(store: HistoryStore) -> None:
    """Not written yet, or Redis forgot it."""
    assert await reason_of(store, -1) == "missing"


async def test_what_was_before_a_history_is_not_proven(store: HistoryStore, writer: HistoryWriter) -> None:
    """It begins somewhere; who has everything before that is served."""
    await begin(writer, floor=100)
    await write(writer, step(100, 103))

    assert await reason_of(store, 98) == "young"
    assert await offsets(store, 99) == [100, 101, 102]


async def test_what_was_trimmed_is_not_proven_missing(store: HistoryStore, writer: HistoryWriter) -> None:
    """Of nine messages the newest five are kept; who has the four before them lacks nothing."""
    await begin(writer)
    await write(writer, step(0, 9))

    assert await reason_of(store, 2) == "trimmed"
    assert await offsets(store, 3) == [4, 5, 6, 7, 8]
    assert (await store.read(PLACE, "account:2", -1, 9)).entries == []


async def test_trimming_counts_each_channel_for_itself(store: HistoryStore, writer: HistoryWriter) -> None:
    """A busy channel takes nothing from a quiet one."""
    await begin(writer)
    keep = RETENTION.keep_of("account")
    assert keep is not None
    await write(writer, Step(PLACE, 0, 1, [Chapter(0, "account:2", message("quiet"), keep)]), step(1, 400))

    assert await offsets(store, -1, "account:2") == [0]


async def test_another_life_of_the_topic_is_another_history(store: HistoryStore, writer: HistoryWriter) -> None:
    """Its offsets mean other records."""
    await begin(writer)
    await write(writer, step(0, 5))

    assert await reason_of(store, 2, place=PLACE._replace(generation="bbbbbbbb")) == "missing"
    assert await reason_of(store, 2, place=PLACE._replace(partition=1)) == "missing"


@pytest.mark.parametrize(
    "settings",
    [{"key": "x{rest}"}, {"name_header": "kind"}, {"extras_header": "extras"}, {"history_seconds": 3600}],
)
async def test_other_settings_make_another_history(
    writer: HistoryWriter, redis: Client, settings: dict[str, Any]
) -> None:
    """What would be written differently is not taken for the same."""
    await begin(writer)
    await write(writer, step(0, 5))

    other = HistoryStore(redis, TIMEOUT_SECONDS, retention_of(**settings))

    assert await reason_of(other, 2) == "missing"


async def test_keeping_more_messages_goes_on_with_the_same_history(writer: HistoryWriter, redis: Client) -> None:
    """The entries themselves tell what was trimmed."""
    await begin(writer)
    await write(writer, step(0, 9))

    assert await offsets(HistoryStore(redis, TIMEOUT_SECONDS, retention_of(history_messages=900)), 3) == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("settings", [{"history_seconds": 0}, {"history_messages": 0}])
async def test_it_can_be_off(redis: Client, settings: dict[str, Any]) -> None:
    """By age or by count."""
    store = HistoryStore(redis, TIMEOUT_SECONDS, retention_of(**settings))

    assert await reason_of(store, -1) == "off"
    assert await reason_of(store, -1, "nobody's channel") == "off"
    assert await store.find(PLACE.topic, PLACE.generation, 3, "account:1") == []


async def test_what_somebody_else_wrote_is_no_message(
    store: HistoryStore, writer: HistoryWriter, redis: Client
) -> None:
    """It does not end the edge."""
    await begin(writer)
    await write(writer, step(0, 2))
    (stream,) = [name for name in await names_of(redis) if b":channel:" in name]
    await redis.xadd(stream, {"m": b"\xc1", "p": 1}, id="2-1")
    await write(writer, Step(PLACE, 2, 9, []))

    assert await reason_of(store, 0) == "damaged"
