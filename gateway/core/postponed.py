"""
The ATTACHes of one session that wait for the tail.

One whose serial is ahead of this edge waits until the tail has come as far as the edge that issued the serial. When the
tail has read all that Kafka had as the client came, and that is not so far, the serial is one of the future and refused.
An edge that is so far behind that it cannot tell sends the client away with its position. One whose topic is not being
read yet waits too.

Source: PROTOCOL.md section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.names import parse_channel_name
from gateway.core.serial import Serial, parse_serial
from gateway.core.window import Window
from gateway.core.wire import ProtocolMessage
from gateway.errors import BadSerial, GatewayError, NotInTime

if TYPE_CHECKING:
    from gateway.core.session import Session

PATIENCE_SECONDS = 3.0  # for an edge that is behind another one, before anything is refused
MAX_PATIENCE_SECONDS = 8.0  # for an edge that is behind Kafka itself; SDKs give an attach up after ten
Answer = Callable[["Session", ProtocolMessage, str, float, bool], None]
Refuse = Callable[["Session", str, GatewayError], None]


class _Waiting(NamedTuple):
    message: ProtocolMessage
    since: float
    is_begun: bool


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
        refuse: Called with the session, the name and the reason instead, if what to answer is still not known then.
    """

    __slots__ = ("_answer", "_is_waiting", "_refuse", "_session", "_waiting")

    def __init__(self, session: Session, answer: Answer, refuse: Refuse) -> None:
        self._session = session
        self._answer = answer
        self._refuse = refuse
        self._waiting: dict[str, _Waiting] = {}
        self._is_waiting = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, message: ProtocolMessage, wire_name: str, now: float, *, is_begun: bool) -> None:
        """
        Let an ATTACH wait; a later one of the same name takes its place.

        Args:
            is_begun: What is known of its position, see `core.look_ups`; for the answer.
        """
        self._waiting[wire_name] = _Waiting(message, now, is_begun)
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
        for wire_name, waiting in list(self._waiting.items()):
            topic = self._awaited_topic(waiting.message, wire_name)
            if topic is not None and now < waiting.since + PATIENCE_SECONDS:
                continue
            is_known = topic is None or self._has_read(topic, waiting)
            if not is_known and now < waiting.since + MAX_PATIENCE_SECONDS:
                continue
            if self._waiting.pop(wire_name, None) is None:
                continue  # an answer was the session's last
            if is_known:
                self._answer(self._session, waiting.message, wire_name, now, waiting.is_begun)
            else:
                self._refuse(self._session, wire_name, NotInTime("this edge is behind Kafka; attach again"))
        self._is_waiting = bool(self._waiting)
        return not self._is_waiting

    def _awaited_topic(self, message: ProtocolMessage, wire_name: str) -> str | None:
        """Whose reading it waits for; None if it need not wait."""
        terms = self._session.terms
        source = terms.router.source_of(parse_channel_name(wire_name).name)
        if source is None or not must_wait(terms.hub.window, source.topic, message.channel_serial):
            return None
        return source.topic

    def _has_read(self, topic: str, waiting: _Waiting) -> bool:
        """Whether this edge has read all that Kafka had when the client came, so that nobody can have been given more."""
        hub, serial = self._session.terms.hub, waiting.message.channel_serial
        if hub.window.generation(topic) is None or not serial:
            return True  # what to wait for is another thing
        position = parse_serial(serial)
        partition = position.partition if isinstance(position, Serial) else None
        return hub.waiting.complete_ms(topic, partition) >= waiting.since * 1000
