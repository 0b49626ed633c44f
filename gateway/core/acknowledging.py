"""
What a connection has published and not heard of yet, answered in the order of its msgSerials.

    expected 7  8  9 ─▶ settled 8 ✓ ─▶ nothing yet ─▶ settled 7 ✓ ─▶ ACK 7 count 2 ─▶ settled 9 ✗ ─▶ NACK 9

Source: PROTOCOL.md section 5; RTN7a, RTN7b, TR4s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from gateway.core.wire import Action, ProtocolMessage, PublishResult, WireError
from gateway.errors import GatewayError

Outcome = Sequence[str | None] | GatewayError  # the serials of what was stored, or why it was not


class Pending:
    """One protocol message that waits for its ACK or NACK."""

    __slots__ = ("msg_serial", "outcome", "size_bytes")

    def __init__(self, msg_serial: int, size_bytes: int) -> None:
        self.msg_serial = msg_serial
        self.size_bytes = size_bytes
        self.outcome: Outcome | None = None


class Acknowledging:
    """The publications of one connection that are under way, oldest first."""

    __slots__ = ("_pending", "size_bytes")

    def __init__(self) -> None:
        self._pending: deque[Pending] = deque()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._pending)

    def expect(self, msg_serial: int, size_bytes: int) -> Pending:
        """Take a protocol message in; its answer comes after those of all before it."""
        pending = Pending(msg_serial, size_bytes)
        self._pending.append(pending)
        self.size_bytes += size_bytes
        return pending

    def answers(self) -> Iterator[ProtocolMessage]:
        """What can be said now: consecutive ACKs in one message, each NACK in its own."""
        pending = self._pending
        while pending and pending[0].outcome is not None:
            outcome = pending[0].outcome
            if isinstance(outcome, GatewayError):
                error = WireError(outcome.code, outcome.status, outcome.message)
                yield ProtocolMessage(action=Action.NACK, msg_serial=self._take().msg_serial, count=1, error=error)
            else:
                yield self._acknowledged()

    def _acknowledged(self) -> ProtocolMessage:
        first = self._pending[0].msg_serial
        results: list[PublishResult] = []
        while self._pending and self._pending[0].msg_serial == first + len(results):
            outcome = self._pending[0].outcome
            if outcome is None or isinstance(outcome, GatewayError):
                break
            results.append(PublishResult(list(outcome)))
            self._take()
        return ProtocolMessage(action=Action.ACK, msg_serial=first, count=len(results), res=results)

    def _take(self) -> Pending:
        taken = self._pending.popleft()
        self.size_bytes -= taken.size_bytes
        return taken
