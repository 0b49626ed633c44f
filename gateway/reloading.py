"""
SIGHUP: what can change without a restart is read again, all of it or nothing.

    read again ─▶ each part prepares itself ─▶ all of them change over
         ╰─────────────────╰─ a fault: it is logged, and everything stays as it was

Source: docs/operations.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from auth.errors import AuthError
from gateway.core.terms import Note
from gateway.errors import GatewayError
from gateway.settings import Settings

_log = logging.getLogger("gateway.reload")
RELOADED = frozenset({"apps"})  # sections of the settings; the others need a restart
Change = Callable[[], None]
Prepare = Callable[[Settings], Change]


class Reload:
    """
    Reads the settings again when it is called.

    Args:
        reread: Gives the settings as they are written now.
        settings: As they are in force.
        parts: Each gets ready for new settings, or raises; then its change is made, which cannot fail.
        note: Takes down events for the audit journal; None where none is kept.
    """

    def __init__(
        self,
        reread: Callable[[], Settings],
        settings: Settings,
        parts: Sequence[Prepare],
        note: Note | None = None,
    ) -> None:
        self._reread = reread
        self._settings = settings
        self._parts = parts
        self._note = note

    def __call__(self) -> None:
        """Read and change over, or log why not."""
        try:
            settings = self._reread()
            changes = [prepare(settings) for prepare in self._parts]
        except (GatewayError, AuthError, OSError, ValueError) as fault:
            _log.error("the new settings cannot be used, the old ones stay in force", extra={"error": str(fault)})
            self._take_down(is_taken=False)
            return
        for change in changes:
            change()
        _log.info("the settings were read again")
        waiting = sorted(
            name
            for name in Settings.model_fields
            if name not in RELOADED and getattr(settings, name) != getattr(self._settings, name)
        )
        self._take_down(is_taken=True, waiting=waiting or None)
        if waiting:
            _log.warning("some settings have changed that need a restart", extra={"sections": waiting})

    def _take_down(self, *, is_taken: bool, waiting: Sequence[str] | None = None) -> None:
        if self._note is not None:
            self._note("reload", taken=is_taken, waiting=waiting)
