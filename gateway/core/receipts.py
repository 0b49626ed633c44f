"""
Receipts: what was confirmed, joined until somebody takes it, within a bound.

    advance 0─▶5   ─╮
    advance 5─▶9   ─┴▶ receipt 0─▶9        of one attachment, as long as each goes on where the one before ended
    advance 20─▶22 ──▶ receipt 20─▶22      it lost continuity, or attached anew: nothing is said of 9 to 20

When there is no more room the oldest receipt is dropped. What it said is remembered in a word for as long as there is room
for that, and said by the next receipt of that attachment, which begins where the dropped one did.

Source: architecture.md, "Confirmed positions, cursors, receipts"; docs/receipts.md.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import msgspec

from gateway.core.confirming import Advance

_RECEIPT_BYTES = 600  # of an object with its places in queue and table, beside its texts
_encode = msgspec.json.Encoder().encode
_Attached = tuple[str, str, str | None]


class Receipt:
    """
    What one attachment has confirmed.

    Attributes:
        advance: All of it as one.
        since_ms: When its first part was confirmed.
    """

    __slots__ = ("advance", "since_ms", "size_bytes")

    def __init__(self, advance: Advance, since_ms: int) -> None:
        self.advance = advance
        self.since_ms = since_ms
        texts = (advance.channel, advance.client_id or "", advance.after, advance.upto)
        self.size_bytes = _RECEIPT_BYTES + sum(map(len, texts))


class _Owed(NamedTuple):
    """What a receipt said that was dropped."""

    after: str
    upto: str
    since_ms: int
    size_bytes: int


class Unsent:
    """
    Receipts that nobody has taken yet.

    Args:
        max_count: How many, at most.
        max_bytes: How much memory of the process, about, at most.
    """

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._queue: deque[Receipt] = deque()
        self._newest: dict[_Attached, Receipt] = {}
        self._owed: dict[_Attached, _Owed] = {}
        self.size_bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def oldest_ms(self) -> int | None:
        """Since when the oldest waits; None if there is none."""
        return self._queue[0].since_ms if self._queue else None

    def add(self, advance: Advance) -> None:
        """Take note of an advance."""
        attached = _attached(advance)
        newest = self._newest.get(attached)
        if newest is not None and newest.advance.upto == advance.after:
            newest.advance = advance._replace(after=newest.advance.after)
            return
        since_ms = advance.confirmed_at_ms
        owed = self._owed.get(attached)
        if owed is not None and owed.upto == advance.after:
            self._forgive(attached)
            advance, since_ms = advance._replace(after=owed.after), owed.since_ms
        receipt = Receipt(advance, since_ms)
        self._queue.append(receipt)
        self._newest[attached] = receipt
        self.size_bytes += receipt.size_bytes
        self._keep_bounds()

    def take(self, limit: int) -> list[Receipt]:
        """Remove the oldest ones; they are the caller's."""
        return [self._pop() for _ in range(min(limit, len(self._queue)))]

    def _keep_bounds(self) -> None:
        while self.size_bytes > self._max_bytes and self._owed:
            self._forgive(next(iter(self._owed)))
        while len(self._queue) > self._max_count or self.size_bytes > self._max_bytes:
            self._owe(self._pop())
            self.dropped += 1

    def _pop(self) -> Receipt:
        receipt = self._queue.popleft()
        self.size_bytes -= receipt.size_bytes
        attached = _attached(receipt.advance)
        if self._newest.get(attached) is receipt:
            del self._newest[attached]
        return receipt

    def _owe(self, receipt: Receipt) -> None:
        """Remember the essence of what is dropped, if there is room."""
        attached = _attached(receipt.advance)
        after, upto, since_ms = receipt.advance.after, receipt.advance.upto, receipt.since_ms
        before = self._owed.get(attached)
        if before is not None:
            self._forgive(attached)
            if before.upto == after:
                after, since_ms = before.after, before.since_ms
        while len(self._owed) >= self._max_count:
            self._forgive(next(iter(self._owed)))
        size_bytes = receipt.size_bytes // 2
        if self.size_bytes + size_bytes <= self._max_bytes:
            self._owed[attached] = _Owed(after, upto, since_ms, size_bytes)
            self.size_bytes += size_bytes

    def _forgive(self, attached: _Attached) -> None:
        self.size_bytes -= self._owed.pop(attached).size_bytes


def receipt_value(receipt: Receipt, edge: str) -> bytes:
    """
    A receipt as services read it.

    Args:
        edge: Which one it comes from.

    Source: docs/receipts.md.
    """
    advance = receipt.advance
    said: dict[str, Any] = {
        "v": 1,
        "app": advance.app_id,
        "channel": advance.channel,
        "clientId": advance.client_id,
        "connectionId": advance.connection_id,
        "cursor": advance.cursor,
        "after": advance.after,
        "upto": advance.upto,
        "confirmedAt": advance.confirmed_at_ms,
        "edge": edge,
    }
    return _encode({name: value for name, value in said.items() if value is not None})


def _attached(advance: Advance) -> _Attached:
    return advance.connection_id, advance.channel, advance.cursor
