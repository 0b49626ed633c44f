"""
Where an issuer's public keys come from: a file, or a URL that is asked now and then.

    find ──▶ keys                          they are known and young enough
         ──▶ None: await refresh first     unknown kid, or REFRESH_SECONDS old
         ──▶ TokenUnknown                  just asked, and still unknown
         ──▶ IssuerUnavailable             nothing is known, or nothing young enough

    refresh: one fetch for all who wait, with a deadline, and none within RETRY_SECONDS of the last: a flood of tokens
    with made-up kids costs one request in ten seconds. What was known stays good while the issuer is away, for a day.

A key that an issuer withdraws is gone here REFRESH_SECONDS later.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Protocol

from auth.discovery import read_configuration
from auth.documents import fetch
from auth.errors import IssuerUnavailable, TokenUnknown
from auth.public_keys import PublicKey, read_jwks

RETRY_SECONDS = 10.0
REFRESH_SECONDS = 300.0
MAX_AGE_SECONDS = 86400.0
FETCH_TIMEOUT_SECONDS = 5.0
_log = logging.getLogger("auth.issuers")


class KeySource(Protocol):
    """What an issuer asks for its keys."""

    def find(self, key_id: str | None, now: float, *, may_wait: bool) -> Sequence[PublicKey] | None:
        """
        The keys of this name.

        Args:
            key_id: From the token; None if it names no key.
            may_wait: Whether the caller can refresh; otherwise an answer is given by what is known.

        Returns:
            One or more; None if `refresh` may find one.

        Raises:
            TokenUnknown: If there is none.
            IssuerUnavailable: If that cannot be known now.
        """

    async def refresh(self, now: float) -> None:
        """Look again; never raises, never takes longer than FETCH_TIMEOUT_SECONDS."""


class FixedKey:
    """
    One key that stays.

    Args:
        key: It is taken for whatever name a token gives.
    """

    def __init__(self, key: PublicKey) -> None:
        self._keys = (key,)

    def find(self, key_id: str | None, now: float, *, may_wait: bool) -> Sequence[PublicKey] | None:
        """Always the same."""
        return self._keys

    async def refresh(self, now: float) -> None:
        """There is nothing to look for."""


class PublishedKeys:
    """
    The keys that an issuer publishes.

    Args:
        url: Of the key set (JWKS), or of what says where that is.
        algorithms: What the keys may be used with.
        issuer: Its ``iss``.
        is_configuration: Whether *url* leads to an OpenID configuration; it is read again with every fetch, since an
            issuer may move its keys.
        timeout_seconds: How long a fetch may take, from the first packet to the last.
    """

    def __init__(
        self,
        url: str,
        algorithms: Sequence[str],
        issuer: str,
        *,
        is_configuration: bool = False,
        timeout_seconds: float = FETCH_TIMEOUT_SECONDS,
    ) -> None:
        self._url = url
        self._algorithms = algorithms
        self._issuer = issuer
        self._is_configuration = is_configuration
        self._timeout_seconds = timeout_seconds
        self._keys: tuple[PublicKey, ...] = ()
        self._fetched_at = -math.inf
        self._attempted_at = -math.inf
        self._fetching: asyncio.Task[None] | None = None

    def find(self, key_id: str | None, now: float, *, may_wait: bool) -> Sequence[PublicKey] | None:
        """The keys of this name, as long as what was fetched is not too old."""
        age_seconds = abs(now - self._fetched_at)  # a clock may be set back
        known = self._known(key_id) if age_seconds < MAX_AGE_SECONDS else ()
        if known and age_seconds < REFRESH_SECONDS:
            return known
        if may_wait and (self._may_fetch(now) or (self._fetching is not None and not known)):
            return None
        if known:
            return known
        if age_seconds < MAX_AGE_SECONDS:
            raise TokenUnknown("key_id")
        raise IssuerUnavailable("issuer_unavailable")

    async def refresh(self, now: float) -> None:
        """Fetch the keys, once for all who wait; who is cancelled meanwhile does not cancel it for the others."""
        if self._fetching is None:
            if not self._may_fetch(now):
                return
            self._attempted_at = now
            self._fetching = asyncio.create_task(self._fetch(now))
            self._fetching.add_done_callback(self._ended)
        await asyncio.shield(self._fetching)

    def _known(self, key_id: str | None) -> tuple[PublicKey, ...]:
        if key_id is None:
            return self._keys if len(self._keys) == 1 else ()
        return tuple(key for key in self._keys if key.key_id == key_id)

    def _may_fetch(self, now: float) -> bool:
        return self._fetching is None and abs(now - self._attempted_at) >= RETRY_SECONDS

    def _ended(self, _fetching: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch(self, now: float) -> None:
        """Keys that are known stay so if this fails; nothing that an issuer answers may end more than its own log-ins."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                keys = read_jwks(await fetch(await self._locate()), self._algorithms)
        except Exception as error:  # noqa: BLE001
            _log.warning(
                "the keys of an issuer cannot be fetched",
                extra={"issuer": self._issuer, "error": f"{type(error).__name__}: {error}"},
            )
            return
        if not keys:
            # It is believed all the same: this is how an issuer takes back keys that were stolen.
            _log.warning("an issuer publishes no key that can be used", extra={"issuer": self._issuer})
        self._keys = keys
        self._fetched_at = now

    async def _locate(self) -> str:
        if not self._is_configuration:
            return self._url
        is_local = not self._url.startswith("https://")
        return read_configuration(await fetch(self._url), self._issuer, is_local=is_local)
