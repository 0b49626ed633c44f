"""What is read of a history, and that it is whole."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.message import Message
from gateway.errors import HistoryUnproven
from gateway.store.history import HistoryStore
from gateway.store.history_writer import Chapter, HistoryWriter, Step
from gateway.store.redis import MAX_CONNECTIONS, Client
from tests.contract.history.steps import PLACE, RETENTION, begin, step, write


async def test_what_was_written_is_read_to_the_letter(store: HistoryStore, writer: HistoryWriter) -> None:
    """All that a message has, text and bytes apart; except the serial, which is its place."""
    whole = Message(
        id="an id of the producer's",
        timestamp=1_790_000_000_123,
        name="Überweisung",
        data=b"\x00\xff\xfe",
        encoding="cipher+aes-256-cbc",
        client_id="alice",
        connection_id="c1",
        extras={"headers": {"trace": "1"}, "kafka": {"offset": 0}, "n": [1, 2.5, None, True]},
    )
    keep = RETENTION.keep_of("account")
    assert keep is not None
    await begin(writer)

    texts = [
        whole,
        Message(id="", timestamp=0),
        Message(id="t", timestamp=-1, data=""),
        Message(id="u", timestamp=5, data="\u0000ü"),
    ]
    await write(writer, Step(PLACE, 0, 4, [Chapter(at, "account:1", text, keep) for at, text in enumerate(texts)]))

    page = await store.read(PLACE, "account:1", -1, 10)
    assert [entry.message for entry in page.entries] == texts
    assert [entry.offset for entry in page.entries] == [0, 1, 2, 3]


async def test_a_page_says_up_to_where_it_is_whole(store: HistoryStore, writer: HistoryWriter) -> None:
    """Up to its last entry when more remain, up to where the history goes when not."""
    await begin(writer)
    await write(writer, step(0, 5), Step(PLACE, 5, 90, []))

    first = await store.read(PLACE, "account:1", -1, 2)
    second = await store.read(PLACE, "account:1", first.next_offset - 1, 3)

    assert ([entry.offset for entry in first.entries], first.next_offset, first.is_whole) == ([0, 1], 2, False)
    assert ([entry.offset for entry in second.entries], second.next_offset, second.is_whole) == ([2, 3, 4], 90, True)


async def test_a_quiet_channel_is_proven_quiet(store: HistoryStore, writer: HistoryWriter) -> None:
    """No stream, in a history without a gap: nothing came."""
    await begin(writer)
    await write(writer, step(0, 5))

    page = await store.read(PLACE, "account:2", 1, 10)

    assert (page.entries, page.next_offset, page.is_whole) == ([], 5, True)


async def test_a_history_says_between_which_offsets_it_is_whole(store: HistoryStore, writer: HistoryWriter) -> None:
    """For channels that have no stream in it: they got nothing there."""
    await begin(writer, floor=3)
    await write(writer, step(3, 8))

    assert await store.span(PLACE, "account:2") == (3, 8)
    assert await store.find(PLACE.topic, PLACE.generation, 2, "account:2") == []


async def test_a_history_that_is_not_there_has_no_span(store: HistoryStore) -> None:
    with pytest.raises(HistoryUnproven) as refused:
        await store.span(PLACE, "account:1")

    assert refused.value.reason == "missing"


async def test_a_reader_who_is_ahead_is_told_nothing_wrong(store: HistoryStore, writer: HistoryWriter) -> None:
    """The historian is behind the tail: what is read never goes back."""
    await begin(writer)
    await write(writer, step(0, 5))

    page = await store.read(PLACE, "account:1", 70, 10)

    assert (page.entries, page.next_offset) == ([], 71)


async def test_long_messages_come_in_short_pages(store: HistoryStore, writer: HistoryWriter) -> None:
    """One at least, however long it is."""
    keep = RETENTION.keep_of("account")
    assert keep is not None
    await begin(writer)
    long = [Chapter(at, "account:1", Message(id=str(at), timestamp=1, data="x" * 200_000), keep) for at in range(4)]
    await write(writer, Step(PLACE, 0, 4, long))

    page = await store.read(PLACE, "account:1", -1, 100)

    assert ([entry.offset for entry in page.entries], page.next_offset, page.is_whole) == ([0, 1], 2, False)


async def test_many_who_read_at_once_share_few_round_trips(
    store: HistoryStore, writer: HistoryWriter, redis: Client
) -> None:
    """Thousands come back together; each gets its own."""
    channels = [f"account:{number}" for number in range(200)]
    await begin(writer)
    await write(writer, step(0, 1000, channels))

    pages = await asyncio.gather(*[store.read(PLACE, channel, -1, 10) for channel in channels])

    assert [[entry.offset for entry in page.entries] for page in pages] == [
        list(range(number, 1000, 200)) for number in range(200)
    ]
    assert len(await redis.client_list()) <= MAX_CONNECTIONS


async def test_who_gives_up_does_not_spoil_it_for_the_others(store: HistoryStore, writer: HistoryWriter) -> None:
    """A command that was cancelled would leave its answer for the next one to read."""
    channels = [f"account:{number}" for number in range(50)]
    await begin(writer)
    await write(writer, step(0, 50, channels))
    for attempt in range(12):
        waiting = [asyncio.create_task(store.read(PLACE, channel, -1, 10)) for channel in channels]
        for _ in range(attempt % 4):
            await asyncio.sleep(0)

        for task in waiting[::2]:
            task.cancel()
        pages = await asyncio.gather(*waiting, return_exceptions=True)

        assert [page.entries[0].offset for page in pages[1::2] if not isinstance(page, BaseException)] == list(
            range(1, 50, 2)
        )
