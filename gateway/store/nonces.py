"""
Nonces that were used up, for all edges: a signed token request is exchanged once, wherever its copies are sent.

Each is one Redis key of its own that ends by itself, so a cluster may spread them, and they take no more room than the
requests of the last half hour. Only who has a key's secret can make one: the signature is checked before.

Redis may be asked twice when a connection to it breaks (see gateway.store.redis). The value says who claimed, so that
the second asking is not taken for a replay of the first.

Source: PROTOCOL.md section 7; RSA9c, TE5.
"""

from __future__ import annotations

import hashlib
import secrets

from gateway.errors import StoreUnavailable
from gateway.store.redis import Client, Line

PREFIX = "lastmile:nonce:"
CLOCKS_DIFFER_SECONDS = 300.0  # kept so much longer: an edge whose clock is behind takes a request for good for longer
_NOT_ANSWERED = "whether this token request was used before cannot be looked up now; send it again later"


class NonceStore:
    """
    What was claimed within its time; see `auth.token_request.Nonces`.

    Args:
        redis: From `gateway.store.redis.connect`.
        timeout_seconds: Deadline of every command.
    """

    def __init__(self, redis: Client, timeout_seconds: float) -> None:
        self._redis = redis
        self._line = Line(redis, timeout_seconds)

    async def claim(self, name: str, now: float, ttl_seconds: float) -> bool:
        """
        Use *name* up.

        Args:
            now: Seconds since the epoch.
            ttl_seconds: How long from now on nobody else may use it.

        Returns:
            Whether nobody had used it within its time.

        Raises:
            StoreUnavailable: If Redis does not answer in time. The name may be used up then.
        """
        key = PREFIX + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        claim = secrets.token_bytes(12)
        kept_ms = max(1, round((ttl_seconds + CLOCKS_DIFFER_SECONDS) * 1000))
        try:
            if await self._line.ask(self._redis.set(key, claim, nx=True, px=kept_ms)):
                return True
            return bool(await self._line.ask(self._redis.get(key)) == claim)
        except StoreUnavailable as error:
            raise StoreUnavailable(_NOT_ANSWERED) from error

    async def close(self) -> None:
        """End everything that is under way."""
        await self._line.close()
