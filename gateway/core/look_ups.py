"""
The ATTACHes of one session that wait for the stored position of their cursor.

Source: PROTOCOL.md section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from auth.principal import Principal
from gateway.core.attaching import Start, start_of
from gateway.core.names import parse_cursor_name
from gateway.core.replay import Rewinding
from gateway.core.window import Window
from gateway.core.wire import ProtocolMessage
from gateway.errors import CursorOfNobody, GatewayError, StoreUnavailable

if TYPE_CHECKING:
    from gateway.core.attachment import Attachment
    from gateway.core.session import Session


class Kept(NamedTuple):
    """
    A position that is kept.

    Args:
        serial: Where the device stands.
        is_begun: Whether it only began there: it is not known that it ever heard so.
    """

    serial: str
    is_begun: bool = False


class LookedUp(NamedTuple):
    """
    What an ATTACH had to wait for.

    Args:
        is_begun: As `Kept` says of the position that the ATTACH has now.
        error: Why nothing could be looked up.
    """

    is_begun: bool = False
    error: GatewayError | None = None


Found = Kept | GatewayError | None
Settle = Callable[[Found, float], None]
Answer = Callable[["Session", ProtocolMessage, str, float, LookedUp], None]


class Cursors(Protocol):
    """Where durable positions are kept. No call waits."""

    def look_up(self, session: Session, cursor: str, channel: str, begin: str, settle: Settle) -> None:
        """
        Find a position and own it from now on.

        Args:
            begin: What is kept from now on if there is none; empty: nothing.
            settle: Gets it, later and once: None if there was none, or why not; and the time.
        """

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


def beginning_of(window: Window, topic: str, channel: str, serial: str | None, rewind: Rewinding | None) -> str:
    """
    Where a cursor of which nothing is kept begins, so that it is kept before its device is told ATTACHED.

    Args:
        serial: What the client has itself.
        rewind: What it wants without.

    Returns:
        A serial, never beyond the place from which it will be served; empty if that must be looked for elsewhere, or
        nothing can prove what the client has itself.
    """
    if window.generation(topic) is None:
        return ""
    start = start_of(window, topic, channel, serial, rewind)
    if isinstance(start, Start):
        return "" if start.error is not None else str(start.position)
    return "" if start.rewind is not None else str(start.position)


class LookUps:
    """
    What waits, by the names that the client uses.

    Args:
        session: Whose.
        answer: Called with the session, the ATTACH, which then has the position that was found, its name, the time, and
            what else is known of it; not after `drop` and `end`.
    """

    __slots__ = ("_answer", "_session", "_waiting")

    def __init__(self, session: Session, answer: Answer) -> None:
        self._session = session
        self._answer = answer
        self._waiting: dict[str, ProtocolMessage] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(
        self, cursors: Cursors, message: ProtocolMessage, wire_name: str, cursor: str, channel: str, begin: str
    ) -> None:
        """Let an ATTACH wait; a later one of the same name takes its place."""
        self._waiting[wire_name] = message

        def settle(found: Found, now: float) -> None:
            if self._waiting.get(wire_name) is message:
                del self._waiting[wire_name]
                self._settle(message, wire_name, found, now)

        cursors.look_up(self._session, cursor, channel, begin, settle)

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
            self._answer(self._session, message, wire_name, now, LookedUp(error=error))
        elif found is None or has_own:
            self._answer(self._session, message, wire_name, now, LookedUp())
        else:
            message = msgspec.structs.replace(message, channel_serial=found.serial)
            self._answer(self._session, message, wire_name, now, LookedUp(is_begun=found.is_begun))
