"""
The ATTACHes of one session that wait for the stored position of their cursor.

Source: PROTOCOL.md section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import msgspec

from auth.principal import Principal
from gateway.core.names import parse_cursor_name
from gateway.core.wire import ProtocolMessage
from gateway.errors import CursorOfNobody, GatewayError, StoreUnavailable

if TYPE_CHECKING:
    from gateway.core.attachment import Attachment
    from gateway.core.session import Session

Found = str | GatewayError | None
Settle = Callable[[Found, float], None]
Answer = Callable[[ProtocolMessage, str, float, GatewayError | None], None]


class Cursors(Protocol):
    """Where durable positions are kept. No call waits."""

    def look_up(self, session: Session, cursor: str, channel: str, settle: Settle) -> None:
        """Find a position and own it from now on; *settle* gets it, later and once: None if there is none, or why not; and the time."""

    def keep(self, session: Session, attachment: Attachment) -> None:
        """Save the position of an attachment that begins here, as soon as it has one."""

    def let_go(self, session: Session, attachment: Attachment) -> None:
        """Save the position of an attachment that ends; at once."""


def cursor_of(params: Mapping[str, str], principal: Principal) -> str | None:
    """
    The cursor that an ATTACH names.

    Raises:
        BadCursorName: If it can be none.
        CursorOfNobody: If the client has no id under which it could be kept.
    """
    name = params.get("cursor")
    if name is None:
        return None
    if principal.client_id is None or principal.is_wildcard:
        raise CursorOfNobody("a cursor is kept for one clientId; ask for a token that names it")
    return parse_cursor_name(name)


class LookUps:
    """
    What waits, by the names that the client uses.

    Args:
        session: Whose.
        answer: Called with the ATTACH, which then has the position that was found, its name, the time, and why nothing
            could be looked up; not after `drop` and `end`.
    """

    __slots__ = ("_answer", "_session", "_waiting")

    def __init__(self, session: Session, answer: Answer) -> None:
        self._session = session
        self._answer = answer
        self._waiting: dict[str, ProtocolMessage] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, cursors: Cursors, message: ProtocolMessage, wire_name: str, cursor: str, channel: str) -> None:
        """Let an ATTACH wait; a later one of the same name takes its place."""
        self._waiting[wire_name] = message

        def settle(found: Found, now: float) -> None:
            if self._waiting.get(wire_name) is message:
                del self._waiting[wire_name]
                self._settle(message, wire_name, found, now)

        cursors.look_up(self._session, cursor, channel, settle)

    def drop(self, wire_name: str) -> None:
        """Nobody waits for that one any more."""
        self._waiting.pop(wire_name, None)

    def end(self) -> None:
        """Nobody waits for anything any more."""
        self._waiting.clear()

    def _settle(self, message: ProtocolMessage, wire_name: str, found: Found, now: float) -> None:
        """What the client has itself counts, and needs no store; its cursor then stands where it stood."""
        has_own = bool(message.channel_serial)
        if isinstance(found, GatewayError):
            error = None if has_own and isinstance(found, StoreUnavailable) else found
            self._answer(message, wire_name, now, error)
            return
        if found is not None and not has_own:
            message = msgspec.structs.replace(message, channel_serial=found)
        self._answer(message, wire_name, now, None)
