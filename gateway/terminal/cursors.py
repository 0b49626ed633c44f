"""
`lastmile cursors` and `lastmile erase`: where devices stand, and what is kept of a person, in Redis itself.

No edge need run. What an edge knows of somebody who is connected now it writes anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from gateway.settings import Settings
from gateway.store.connections import ConnectionStore
from gateway.store.cursors import CursorEntry, CursorStore
from gateway.store.redis import connect, disconnect

CLIENTS_A_PAGE = 100


class Choice(NamedTuple):
    """Whose cursors, and which; None: all of them."""

    app_id: str
    client_id: str | None = None
    cursor: str | None = None
    channel: str | None = None

    def takes(self, entry: CursorEntry) -> bool:
        """Whether an entry is one of these."""
        return self.cursor in {None, entry.cursor} and self.channel in {None, entry.channel}


async def chosen(settings: Settings, choice: Choice) -> AsyncIterator[tuple[str, CursorEntry]]:
    """
    Client and position, of all that are chosen.

    Raises:
        StoreUnavailable: If Redis does not answer in time.
    """
    async with _stores(settings) as (cursors, _):
        async for client_id in _clients(cursors, choice):
            for entry in await cursors.of_client(choice.app_id, client_id):
                if choice.takes(entry):
                    yield client_id, entry


async def remove(settings: Settings, app_id: str, client_id: str, cursor: str | None, channel: str | None) -> int:
    """
    Forget positions of a client.

    Raises:
        StoreUnavailable: If Redis does not answer in time.
    """
    async with _stores(settings) as (cursors, _):
        return await cursors.remove(app_id, client_id, cursor, channel)


async def erase(settings: Settings, app_id: str, client_id: str) -> tuple[int, int]:
    """
    Forget everything that Redis keeps under a client's name.

    Returns:
        How many positions and how many connections there were.

    Raises:
        StoreUnavailable: If Redis does not answer in time.
    """
    async with _stores(settings) as (cursors, connections):
        return await cursors.remove(app_id, client_id), await connections.erase(app_id, client_id)


async def _clients(cursors: CursorStore, choice: Choice) -> AsyncIterator[str]:
    if choice.client_id is not None:
        yield choice.client_id
        return
    after: str | None = ""
    while after is not None:
        page = await cursors.clients(choice.app_id, after, CLIENTS_A_PAGE)
        after = page.after
        for client_id in page.clients:
            yield client_id


@asynccontextmanager
async def _stores(settings: Settings) -> AsyncIterator[tuple[CursorStore, ConnectionStore]]:
    redis, seconds = connect(settings.redis), settings.redis.timeout_seconds
    cursors, connections = CursorStore(redis, seconds, settings.cursors), ConnectionStore(redis, seconds)
    try:
        yield cursors, connections
    finally:
        await cursors.close()
        await connections.close()
        await disconnect(redis)
