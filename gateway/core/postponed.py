"""
The ATTACHes of one session that wait for the tail.

One whose serial is ahead of this edge waits until the tail has come as far as the edge that issued the serial, or the
patience is spent and the serial is refused as one of the future. So does one whose topic is not being read yet.

Source: PROTOCOL.md section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.core.names import parse_channel_name
from gateway.core.serial import parse_serial
from gateway.core.window import Window
from gateway.core.wire import ProtocolMessage
from gateway.errors import BadSerial

if TYPE_CHECKING:
    from gateway.core.session import Session

PATIENCE_SECONDS = 3.0  # how far one edge may be behind another before a serial counts as forged
Answer = Callable[["Session", ProtocolMessage, str, float, bool], None]


def must_wait(window: Window, topic: str, serial: str | None) -> bool:
    """Whether what to answer an ATTACH will be known a moment later."""
    if window.generation(topic) is None:
        return True
    if not serial:
        return False
    try:
        return window.is_ahead(topic, parse_serial(serial))
    except BadSerial:
        return False


class Postponed:
    """
    What waits, by the names that the client uses.

    Args:
        session: Whose; its hub calls after each batch of the tail.
        answer: Called with the session, the ATTACH, its name, the time and *is_begun* once it need not wait, or may no
            longer.
    """

    __slots__ = ("_answer", "_is_waiting", "_session", "_waiting")

    def __init__(self, session: Session, answer: Answer) -> None:
        self._session = session
        self._answer = answer
        self._waiting: dict[str, tuple[ProtocolMessage, float, bool]] = {}
        self._is_waiting = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, message: ProtocolMessage, wire_name: str, now: float, *, is_begun: bool) -> None:
        """
        Let an ATTACH wait; a later one of the same name takes its place.

        Args:
            is_begun: What is known of its position, see `core.look_ups`; for the answer.
        """
        self._waiting[wire_name] = (message, now + PATIENCE_SECONDS, is_begun)
        if not self._is_waiting:
            self._is_waiting = True
            self._session.terms.hub.waiting.add(self, self._retry)

    def drop(self, wire_name: str) -> None:
        """Nobody waits for that one any more."""
        self._waiting.pop(wire_name, None)

    def end(self) -> None:
        """Nobody waits for anything any more."""
        self._waiting.clear()
        self._session.terms.hub.waiting.drop(self)

    def _retry(self, now: float) -> bool:
        """Answer what can be answered. Returns: whether nothing waits any more."""
        for wire_name, (message, deadline, is_begun) in list(self._waiting.items()):
            if now < deadline and self._must_wait(message, wire_name):
                continue
            if self._waiting.pop(wire_name, None) is not None:  # an answer may have been the session's last
                self._answer(self._session, message, wire_name, now, is_begun)
        self._is_waiting = bool(self._waiting)
        return not self._is_waiting

    def _must_wait(self, message: ProtocolMessage, wire_name: str) -> bool:
        terms = self._session.terms
        source = terms.router.source_of(parse_channel_name(wire_name).name)
        return source is not None and must_wait(terms.hub.window, source.topic, message.channel_serial)
