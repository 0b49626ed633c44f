"""
Connection state on its way to Redis: written in batches, never waited for.

A connection is written when it opens, again while it lives, and once more when its transport drops; each write gives it
``connection_state_seconds`` to be resumed, plus, while it lives, the time until the next one, and says where it stands on
its channels as far as that was confirmed. After CLOSE nobody can resume it. What Redis does not take is dropped: the client
that would resume then gets a new connection id, and loses nothing, since channels resume by their own serials.

Source: PROTOCOL.md section 3; RTN15, CD2f.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from gateway.core.confirming import positions_of
from gateway.core.session import Session
from gateway.errors import StoreUnavailable
from gateway.store.connections import ConnectionRecord, ConnectionStore

_log = logging.getLogger("gateway.ledger")
WRITE_EVERY_SECONDS = 0.05
MAX_PENDING = 50_000
BATCH = 500


class Ledger:
    """
    The writer of connection state.

    Args:
        store: Where to.
        state_seconds: How long a dropped connection can be resumed.
    """

    def __init__(self, store: ConnectionStore, state_seconds: float) -> None:
        self._store = store
        self._state_seconds = state_seconds
        self._refresh_seconds = state_seconds / 2
        self._live: dict[str, Session] = {}
        self._to_save: dict[str, ConnectionRecord] = {}
        self.dropped = 0

    def opened(self, session: Session) -> None:
        """Make a connection resumable."""
        self._live[session.connection_key] = session
        self._save(session)

    def closed(self, session: Session, *, is_final: bool) -> None:
        """A transport is gone. *is_final*: the client said CLOSE, so nobody is to resume it."""
        if self._live.pop(session.connection_key, None) is not None:
            self._save(session, is_closed=is_final)

    async def run(self) -> None:
        """Write for ever."""
        next_refresh = self._refresh_seconds
        elapsed = 0.0
        while True:
            await asyncio.sleep(WRITE_EVERY_SECONDS)
            elapsed += WRITE_EVERY_SECONDS
            if elapsed >= next_refresh:
                next_refresh = elapsed + self._refresh_seconds
                await self._refresh()
            await self.flush()

    async def flush(self) -> None:
        """Write what is pending."""
        if self._to_save:
            pending, self._to_save = self._to_save, {}
            await self._write(list(pending.items()))

    def _save(self, session: Session, *, is_closed: bool = False) -> None:
        if len(self._to_save) < MAX_PENDING:
            self._to_save[session.connection_key] = _record_of(session, is_closed=is_closed)
        else:
            self.dropped += 1

    async def _refresh(self) -> None:
        """Write all that live; what is written is worked out piece by piece, since others wait for the loop."""
        sessions = list(self._live.values())
        for at in range(0, len(sessions), BATCH):
            await self._write([(session.connection_key, _record_of(session)) for session in sessions[at : at + BATCH]])
            await asyncio.sleep(0)

    async def _write(self, pending: Sequence[tuple[str, ConnectionRecord]]) -> None:
        ttl_seconds = self._state_seconds + self._refresh_seconds
        for at in range(0, len(pending), BATCH):
            try:
                await self._store.save_many(pending[at : at + BATCH], ttl_seconds)
            except StoreUnavailable:
                self.dropped += len(pending) - at
                _log.warning("connection state was not written", extra={"count": len(pending) - at})
                return


def _record_of(session: Session, *, is_closed: bool = False) -> ConnectionRecord:
    by = session.principal
    return ConnectionRecord(
        session.connection_id,
        by.client_id,
        by.app_id,
        session.id_base,
        is_closed=is_closed,
        positions={} if is_closed else positions_of(session),
    )
