"""
Durable positions on their way from and to Redis: looked up in batches, saved in batches, never waited for by a session.

    ATTACH ──look_up──▶ find_many ──▶ the session goes on; the place is owned from now on, and has a position
    it is heard of for the first time ──▶ saved at once
    confirmed ──advanced──▶ pending ──`save_every_seconds` after the first one that is not saved──▶ save_many
    DETACH, or the transport drops ──let_go──▶ saved at once

Each place is one device's reading of one channel. Of two attachments with one place the last one owns it, on all edges:
here by who is noted, elsewhere by the token of the edge that Redis keeps. The older one goes on without being saved.

Positions in Redis are old by at most that time when an edge dies: what was got since is got again. What Redis does not take
is tried again; a place whose channel is quiet is saved now and then, so that it does not end while its device is there, and
stands where another edge can prove it quickly.

Source: PROTOCOL.md section 4.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence

from gateway.core.attachment import Attachment
from gateway.core.confirming import Advance, settle
from gateway.core.look_ups import Found, Settle
from gateway.core.session import Session
from gateway.errors import StoreUnavailable
from gateway.store.cursors import CursorPlace, CursorStore

_log = logging.getLogger("gateway.cursors")
WRITE_EVERY_SECONDS = 0.05
LOOK_EVERY_SECONDS = 1.0  # so many seconds' saves go together
MAX_WAITING = 50_000
BATCH = 500
_AWAY = "the store of cursors does not answer; attach again"


class CursorLedger:
    """
    The reader and writer of the cursors of an edge.

    Args:
        store: Where they are.
        save_every_seconds: How long a position may wait to be saved, while its device is there.
        refresh_seconds: How often quiet ones are saved.
        now: Seconds since the epoch.
    """

    def __init__(
        self, store: CursorStore, save_every_seconds: float, refresh_seconds: float, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._save_every_seconds = save_every_seconds
        self._refresh_seconds = refresh_seconds
        self._now = now
        self._owner = secrets.token_urlsafe(9)
        self._wanted: list[tuple[CursorPlace, str, Settle]] = []
        self._looking: asyncio.Task[None] | None = None
        self._owned: dict[CursorPlace, tuple[Session, Attachment]] = {}
        self._new: dict[CursorPlace, Attachment] = {}
        self._pending: dict[CursorPlace, tuple[float, str]] = {}  # in the order of their times
        self._urgent: dict[CursorPlace, str] = {}
        self._elapsed = 0.0
        self._quiet: list[CursorPlace] = []
        self._quiet_due = 0.0
        self._is_away = False
        self.dropped = 0

    # ------------------------------------------------------------------ the sessions' side

    def look_up(self, session: Session, cursor: str, channel: str, begin: str, settle: Settle) -> None:
        """Find a position, or begin at *begin*, and own it; *settle* gets it in a later turn of the loop, or at once why not."""
        if len(self._wanted) >= MAX_WAITING:
            settle(StoreUnavailable(_AWAY), self._now())
            return
        self._wanted.append((_place(session, cursor, channel), begin, settle))
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    def keep(self, session: Session, attachment: Attachment) -> None:
        """Save the position of an attachment that begins here, as soon as its device has heard so."""
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
            self._note(place, advance.upto)

    # ------------------------------------------------------------------ the loop

    async def run(self) -> None:
        """Save for ever."""
        look_every_seconds = min(LOOK_EVERY_SECONDS, self._save_every_seconds)
        next_look = 0.0
        while True:
            await asyncio.sleep(WRITE_EVERY_SECONDS)
            self._elapsed += WRITE_EVERY_SECONDS
            is_time = self._elapsed >= next_look
            if is_time or not self._is_away:
                await self._save_urgent()
            self._refresh()
            if is_time:
                next_look = self._elapsed + look_every_seconds
                await self._save_pending(self._elapsed - self._save_every_seconds)

    async def flush(self) -> None:
        """Save what there is to be saved."""
        await self._save_urgent()
        await self._save_pending(self._elapsed)

    async def close(self) -> None:
        """End what is under way; who waits for a position gets none."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    # ------------------------------------------------------------------ inside

    async def _look(self) -> None:
        try:
            while self._wanted:
                batch, self._wanted = self._wanted[:BATCH], self._wanted[BATCH:]
                try:
                    found = await self._find([(place, begin) for place, begin, _ in batch])
                except StoreUnavailable:  # nor would it answer those that wait
                    batch, self._wanted = batch + self._wanted, []
                    found = [StoreUnavailable(_AWAY)] * len(batch)
                now = self._now()
                for (_, _, settle_one), each in zip(batch, found, strict=True):
                    _contained(settle_one, each, now)
        finally:
            self._looking = None

    async def _find(self, places: Sequence[tuple[CursorPlace, str]]) -> list[Found]:
        await self._save_urgent()  # who was here a moment ago finds where it stood
        if self._is_away:
            raise StoreUnavailable(_AWAY)
        return [*await self._store.find_many(places, self._owner)]

    def _hurry(self, place: CursorPlace, serial: str) -> None:
        if len(self._urgent) < MAX_WAITING:
            self._urgent[place] = serial
        else:
            self.dropped += 1

    def _note(self, place: CursorPlace, serial: str) -> None:
        """Let it be saved when the first one is that waits at this place."""
        since, _ = self._pending.get(place, (self._elapsed, ""))
        self._pending[place] = since, serial

    def _refresh(self) -> None:
        """Note where the next ones stand, all of them in `refresh_seconds`; forget those whose session went without a word."""
        self._quiet_due += len(self._owned) * WRITE_EVERY_SECONDS / self._refresh_seconds
        while self._quiet_due >= 1:
            self._quiet_due -= 1
            if not self._quiet:
                self._quiet = list(self._owned)
            if not self._quiet:
                return
            self._look_after(self._quiet.pop())

    def _look_after(self, place: CursorPlace) -> None:
        if place not in self._owned:
            return
        session, attachment = self._owned[place]
        hub = session.terms.hub
        if hub.attachments.of(session.outlet).get(attachment.wire_name) is not attachment:
            self.let_go(session, attachment)
            return
        position = settle(hub.window, attachment)
        if position is not None:
            self._note(place, str(position))

    async def _save_urgent(self) -> None:
        for place, attachment in list(self._new.items()):
            if attachment.confirmed is not None and len(self._urgent) < MAX_WAITING:
                del self._new[place]
                self._hurry(place, str(attachment.confirmed))
        urgent, self._urgent = self._urgent, {}
        await self._save(urgent)

    async def _save_pending(self, until: float) -> None:
        """Save those that wait since *until* or longer."""
        due: dict[CursorPlace, str] = {}
        for place, (since, serial) in self._pending.items():
            if since > until:
                break
            due[place] = serial
        for place in due:
            del self._pending[place]
        await self._save(due)

    async def _save(self, positions: Mapping[CursorPlace, str]) -> None:
        """What Redis does not take is tried again; it keeps the later one of two in any case."""
        left = list(positions.items())
        while left:
            try:
                await self._store.save_many(left[:BATCH], self._owner)
                self._is_away = False
            except StoreUnavailable:
                self._is_away = True
                _log.warning("cursors were not saved, which is tried again", extra={"count": len(left)})
                for place, serial in left:
                    self._urgent.setdefault(place, serial)
                return
            del left[:BATCH]


def _place(session: Session, cursor: str, channel: str) -> CursorPlace:
    principal = session.principal
    return CursorPlace(principal.app_id, principal.client_id or "", cursor, channel)


def _place_of(session: Session, attachment: Attachment) -> CursorPlace:
    return _place(session, attachment.cursor_name or "", attachment.channel)


def _contained(settle_one: Settle, found: Found, now: float) -> None:
    """A bug in what one session makes of it costs nobody else the answer."""
    try:
        settle_one(found, now)
    except Exception:  # noqa: BLE001  # whatever it is, it is logged, and the others go on
        _log.exception("a client was not answered, something failed that must not")
