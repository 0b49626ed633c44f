"""
Durable positions on their way from and to Redis: looked up in batches, saved in batches, never waited for by a session.

    ATTACH ──look_up──▶ find_many ──▶ the session goes on; the place is owned from now on
    confirmed ──advanced──▶ pending ──once a second──▶ save_many
    DETACH, or the transport drops ──let_go──▶ saved at once

Each place is one device's reading of one channel. Of two attachments with one place the last one owns it, on all edges:
here by who is noted, elsewhere by the token of the edge that Redis keeps. The older one goes on without being saved.

What Redis does not take is tried again; a place whose channel is quiet is saved now and then, so that it does not end
while its device is there, and stands where another edge can prove it quickly.

Source: PROTOCOL.md section 4.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable

from gateway.core.attachment import Attachment
from gateway.core.confirming import Advance, settle
from gateway.core.look_ups import Found, Settle
from gateway.core.session import Session
from gateway.errors import StoreUnavailable
from gateway.store.cursors import CursorPlace, CursorStore

_log = logging.getLogger("gateway.cursors")
WRITE_EVERY_SECONDS = 0.05
SAVE_EVERY_SECONDS = 1.0
MAX_WAITING = 50_000
BATCH = 500
_AWAY = "the store of cursors does not answer; attach again"


class CursorLedger:
    """
    The reader and writer of the cursors of an edge.

    Args:
        store: Where they are.
        refresh_seconds: How often quiet ones are saved.
        now: Seconds since the epoch.
    """

    def __init__(self, store: CursorStore, refresh_seconds: float, now: Callable[[], float]) -> None:
        self._store = store
        self._refresh_seconds = refresh_seconds
        self._now = now
        self._owner = secrets.token_urlsafe(9)
        self._wanted: list[tuple[CursorPlace, Settle]] = []
        self._looking: asyncio.Task[None] | None = None
        self._owned: dict[CursorPlace, tuple[Session, Attachment]] = {}
        self._new: dict[CursorPlace, Attachment] = {}
        self._pending: dict[CursorPlace, str] = {}
        self._urgent: dict[CursorPlace, str] = {}
        self._is_away = False
        self.dropped = 0

    # ------------------------------------------------------------------ the sessions' side

    def look_up(self, session: Session, cursor: str, channel: str, settle: Settle) -> None:
        """Find a position and own it from now on; *settle* gets it in a later turn of the loop, or at once why not."""
        if len(self._wanted) >= MAX_WAITING:
            settle(StoreUnavailable(_AWAY), self._now())
            return
        self._wanted.append((_place(session, cursor, channel), settle))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    def keep(self, session: Session, attachment: Attachment) -> None:
        """Save the position of an attachment that begins here, as soon as it has one."""
        place = _place_of(session, attachment)
        self._owned[place] = session, attachment
        self._new[place] = attachment

    def let_go(self, session: Session, attachment: Attachment) -> None:
        """Save the position of an attachment that ends; at once."""
        place = _place_of(session, attachment)
        if self._owned.get(place) != (session, attachment):
            return
        del self._owned[place]
        self._new.pop(place, None)
        self._pending.pop(place, None)
        position = settle(session.terms.hub.window, attachment)
        if position is not None:
            self._hurry(place, str(position))

    def advanced(self, advance: Advance) -> None:
        """Note a position that was confirmed."""
        if advance.cursor is None:
            return
        place = CursorPlace(advance.app_id, advance.client_id or "", advance.cursor, advance.channel)
        owner = self._owned.get(place)
        if owner is not None and owner[0].connection_id == advance.connection_id:
            self._pending[place] = advance.upto

    # ------------------------------------------------------------------ the loop

    async def run(self) -> None:
        """Save for ever."""
        next_save = next_refresh = 0.0
        elapsed = 0.0
        while True:
            await asyncio.sleep(WRITE_EVERY_SECONDS)
            elapsed += WRITE_EVERY_SECONDS
            if not self._is_away or elapsed >= next_save:
                await self._save_urgent()
            if elapsed >= next_refresh:
                next_refresh = elapsed + self._refresh_seconds
                self._refresh()
            if elapsed >= next_save:
                next_save = elapsed + SAVE_EVERY_SECONDS
                await self._save_pending()

    async def flush(self) -> None:
        """Save what there is to be saved."""
        await self._save_urgent()
        await self._save_pending()

    async def close(self) -> None:
        """End what is under way; who waits for a position gets none."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    # ------------------------------------------------------------------ inside

    async def _look(self) -> None:
        try:
            while self._wanted:
                await self._save_urgent()  # who was here a moment ago finds where it stood
                batch, self._wanted = self._wanted[:BATCH], self._wanted[BATCH:]
                try:
                    found: list[Found] = [*await self._store.find_many([place for place, _ in batch], self._owner)]
                except StoreUnavailable:  # nor would it answer those that wait
                    batch, self._wanted = batch + self._wanted, []
                    found = [StoreUnavailable(_AWAY)] * len(batch)
                now = self._now()
                for (_, settle_one), each in zip(batch, found, strict=True):
                    _contained(settle_one, each, now)
        finally:
            self._looking = None

    def _hurry(self, place: CursorPlace, serial: str) -> None:
        if len(self._urgent) < MAX_WAITING:
            self._urgent[place] = serial
        else:
            self.dropped += 1

    def _refresh(self) -> None:
        """Note where quiet ones stand; forget those whose session went without a word."""
        for place, (session, attachment) in list(self._owned.items()):
            hub = session.terms.hub
            if hub.attached_to(session.outlet).get(attachment.wire_name) is not attachment:
                self.let_go(session, attachment)
                continue
            position = settle(hub.window, attachment)
            if position is not None:
                self._pending[place] = str(position)

    async def _save_urgent(self) -> None:
        for place, attachment in list(self._new.items()):
            if attachment.confirmed is not None:
                del self._new[place]
                self._hurry(place, str(attachment.confirmed))
        urgent, self._urgent = self._urgent, {}
        for place, serial in (await self._save(urgent.items())).items():
            if place not in self._owned or place not in self._pending:
                self._urgent.setdefault(place, serial)

    async def _save_pending(self) -> None:
        pending, self._pending = self._pending, {}
        for place, serial in (await self._save(pending.items())).items():
            if place in self._owned:
                self._pending.setdefault(place, serial)
            else:
                self._urgent.setdefault(place, serial)

    async def _save(self, positions: Iterable[tuple[CursorPlace, str]]) -> dict[CursorPlace, str]:
        """Returns: what Redis did not take."""
        left = list(positions)
        while left:
            try:
                await self._store.save_many(left[:BATCH], self._owner)
                self._is_away = False
            except StoreUnavailable:
                self._is_away = True
                _log.warning("cursors were not saved, which is tried again", extra={"count": len(left)})
                break
            del left[:BATCH]
        return dict(left)


def _place(session: Session, cursor: str, channel: str) -> CursorPlace:
    principal = session.principal
    return CursorPlace(principal.app_id, principal.client_id or "", cursor, channel)


def _place_of(session: Session, attachment: Attachment) -> CursorPlace:
    cursor = None if attachment.following is None else attachment.following.cursor
    return _place(session, cursor or "", attachment.channel)


def _contained(settle_one: Settle, found: Found, now: float) -> None:
    """A bug in what one session makes of it costs nobody else the answer."""
    try:
        settle_one(found, now)
    except Exception:  # noqa: BLE001  # whatever it is, it is logged, and the others go on
        _log.exception("a client was not answered, something failed that must not")
