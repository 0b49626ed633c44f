"""The past of a channel page by page, and where it lies."""

from __future__ import annotations

import pytest

from gateway.errors import HistoryUnproven
from gateway.store.history import HistoryStore
from gateway.store.history_keys import HistoryPlace
from gateway.store.history_writer import HistoryWriter, Step
from tests.contract.history.steps import PLACE, begin, offsets, step, write


async def test_the_newest_come_first_page_by_page(store: HistoryStore, writer: HistoryWriter) -> None:
    """As REST history and rewind want them."""
    await begin(writer)
    await write(writer, step(0, 4), Step(PLACE, 4, 30, []))

    first = await store.newest(PLACE, "account:1", 3)
    second = await store.newest(PLACE, "account:1", 3, before_offset=first.entries[-1].offset)

    assert ([entry.offset for entry in first.entries], first.next_offset, first.older) == ([3, 2, 1], 30, "more")
    assert ([entry.offset for entry in second.entries], second.older) == ([0], "none")


async def test_it_is_said_what_became_of_older_ones(store: HistoryStore, writer: HistoryWriter) -> None:
    """Trimmed by count; before this history; or there never were any."""
    await begin(writer, floor=10)
    await write(writer, step(10, 17), step(17, 20, ["account:2"]))

    assert (await store.newest(PLACE, "account:1", 9)).older == "trimmed"
    assert (await store.newest(PLACE, "account:1", 9, before_offset=12)).older == "trimmed"
    assert (await store.newest(PLACE, "account:2", 9)).older == "expired"
    assert (await store.newest(PLACE, "account:3", 9)).older == "expired"
    assert (await store.newest(PLACE, "account:3", 9, before_offset=3)).entries == []


async def test_the_oldest_that_is_left_comes_first_and_is_read_on_from(
    store: HistoryStore, writer: HistoryWriter
) -> None:
    """As REST history wants it, forwards."""
    await begin(writer)
    await write(writer, step(0, 4), Step(PLACE, 4, 30, []))

    first = await store.oldest(PLACE, "account:1", 3)

    assert ([entry.offset for entry in first.entries], first.is_whole, first.older) == ([0, 1, 2], False, "none")
    assert await offsets(store, first.next_offset - 1) == [3]
    assert (await store.oldest(PLACE, "account:1", 9)).next_offset == 30


async def test_it_is_said_what_became_of_those_before_the_oldest(store: HistoryStore, writer: HistoryWriter) -> None:
    """The same words as of the newest, and no refusal: it is not the question whether anything is missing."""
    await begin(writer, floor=10)
    await write(writer, step(10, 17), step(17, 20, ["account:2"]))

    trimmed = await store.oldest(PLACE, "account:1", 9)
    nothing = await store.oldest(PLACE, "account:3", 9)

    assert ([entry.offset for entry in trimmed.entries], trimmed.older) == ([12, 13, 14, 15, 16], "trimmed")
    assert (await store.oldest(PLACE, "account:2", 9)).older == "expired"
    assert (nothing.entries, nothing.next_offset, nothing.is_whole, nothing.older) == ([], 20, True, "expired")
    with pytest.raises(HistoryUnproven):
        await store.oldest(HistoryPlace(PLACE.topic, 1, PLACE.generation), "account:1", 9)


async def test_a_channel_is_found_in_its_partition(store: HistoryStore, writer: HistoryWriter) -> None:
    """For clients whose position is one over all partitions."""
    places = [PLACE._replace(partition=number) for number in range(8)]
    for place in places:
        await begin(writer, place=place)
    await write(writer, step(0, 2, ["account:7"], places[5]))

    assert await store.find(PLACE.topic, PLACE.generation, 8, "account:7") == [5]
    assert await store.find(PLACE.topic, PLACE.generation, 8, "account:1") == []
