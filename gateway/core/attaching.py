"""
What an ATTACH asks for, and from where on it is served.

    serial given     held from there → at once, RESUMED       it can be read elsewhere → a replay
                     nothing can prove it → from now on, with the reason
    rewind given     held from there → at once, HAS_BACKLOG   more is wanted than is held → a replay
    neither          from now on

Source: PROTOCOL.md section 4; RTL4, RTL16, RTS5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from auth.principal import Principal
from gateway.core.continuity import EXPIRED, cursor_at
from gateway.core.entry import Entry
from gateway.core.replay import Rewinding
from gateway.core.serial import Position, parse_serial
from gateway.core.window import Window
from gateway.core.wire import MODES, Flag
from gateway.errors import BadParameter, ChannelDenied, ContinuityLost, PositionExpired

OFFERED_MODES = Flag.SUBSCRIBE | Flag.PUBLISH
OPERATIONS = {
    Flag.SUBSCRIBE: "subscribe",
    Flag.PUBLISH: "publish",
    Flag.PRESENCE: "presence",
    Flag.PRESENCE_SUBSCRIBE: "subscribe",
}
# As plain numbers: operations on Flags were most of what these decisions took, 12 µs of every ATTACH instead of 4.
_ALL, _OFFERED = int(MODES), int(OFFERED_MODES)
_OPERATIONS = [(int(mode), operation) for mode, operation in OPERATIONS.items()]
_MODE_NAMES = {
    "subscribe": Flag.SUBSCRIBE,
    "publish": Flag.PUBLISH,
    "presence": Flag.PRESENCE,
    "presence_subscribe": Flag.PRESENCE_SUBSCRIBE,
}
_REWIND = re.compile(r"([0-9]{1,8})([sm]?)", re.ASCII)
_LIMIT = re.compile(r"[0-9]{1,8}", re.ASCII)
MAX_REWIND_MESSAGES = 10_000  # so many are looked for, see `gateway.replay.rewinding`
MAX_REWIND_SECONDS = 31_536_000.0  # a year: the longest history there can be
_UNITS = {"s": 1.0, "m": 60.0}


class Start(NamedTuple):
    """
    Where an attachment is served from.

    Args:
        cursor: Sequence of the last message that is not served.
        position: The same place in the log.
        serial: The client's own text for it, if there is one.
        flags: RESUMED or HAS_BACKLOG.
        error: Why continuity could not be proven, if it was asked for.
    """

    cursor: int
    position: Position
    serial: str | None = None
    flags: Flag = Flag.NONE
    error: ContinuityLost | None = None


class Behind(NamedTuple):
    """
    An attachment that this window cannot serve alone.

    Args:
        position: From where on it lacks something; with *rewind*: where it begins if nothing else is found.
        serial: The client's own text for it.
        rewind: From where on it wants to be served, if it gave no position.
    """

    position: Position
    serial: str | None = None
    rewind: Rewinding | None = None


class Rewind(NamedTuple):
    """How far back a fresh attachment begins: so many messages, or so many seconds."""

    messages: int | None
    seconds: float | None


def parse_rewind(text: str) -> Rewind:
    """
    Read the param ``rewind``: ``10`` messages, ``15s`` or ``2m``.

    Raises:
        BadParameter: If it is none of these, or more than 10,000 messages or a year.
    """
    match = _REWIND.fullmatch(text)
    if match is None:
        raise BadParameter("rewind is a number of messages such as 10, or a time such as 15s or 2m")
    number = int(match[1])
    if not match[2]:
        if number > MAX_REWIND_MESSAGES:
            raise BadParameter(f"rewind is at most {MAX_REWIND_MESSAGES} messages")
        return Rewind(number, None)
    seconds = number * _UNITS[match[2]]
    if seconds > MAX_REWIND_SECONDS:
        raise BadParameter("rewind is at most a year")
    return Rewind(None, seconds)


def wish_of(params: Mapping[str, str], now: float) -> tuple[Rewinding, dict[str, str]] | None:
    """
    Read the params ``rewind`` and ``rewindLimit``, which is a number of messages.

    Args:
        now: Seconds since the epoch.

    Returns:
        From where on the client wants to be served, and the params that say so, to be echoed; None if it says nothing.

    Raises:
        BadParameter: If one of them is not what it can be.
    """
    text, limit = params.get("rewind"), params.get("rewindLimit")
    if text is None:
        return None
    messages, seconds = parse_rewind(text)
    since_ms = None if seconds is None else int((now - seconds) * 1000)
    if limit is None:
        return Rewinding(messages, since_ms), {"rewind": text}
    if not (_LIMIT.fullmatch(limit) and 0 < int(limit) <= MAX_REWIND_MESSAGES):
        raise BadParameter(f"rewindLimit is a number of messages from 1 to {MAX_REWIND_MESSAGES}")
    messages = int(limit) if messages is None else min(messages, int(limit))
    return Rewinding(messages, since_ms), {"rewind": text, "rewindLimit": limit}


def granted_modes(principal: Principal, channel: str, flags: int | None, params: Mapping[str, str]) -> Flag:
    """
    The modes that are asked for, allowed and offered.

    Args:
        flags: Of ATTACH; without mode bits everything allowed is asked for (RTL4l).
        params: ``modes`` names them as text, as old SDKs do.

    Raises:
        ChannelDenied: If none remains.
        BadParameter: If ``modes`` names one that does not exist.
    """
    wanted = (flags or 0) & _ALL or int(_modes_by_name(params.get("modes", ""))) or _ALL
    granted = _allowed(principal, channel, wanted & _OFFERED)
    if granted:
        return Flag(granted)
    if not _allowed(principal, channel, wanted):
        raise ChannelDenied("the token does not allow this on this channel; ask for one whose capability names it")
    raise ChannelDenied(
        "of channel modes this server offers subscribe and publish, which the token or the modes asked for exclude"
    )


def _allowed(principal: Principal, channel: str, wanted: int) -> int:
    """Those of the wanted modes that the capability allows."""
    allowed = 0
    for mode, operation in _OPERATIONS:
        if mode & wanted and principal.capability.allows(operation, channel):
            allowed |= mode
    return allowed


def still_allowed(principal: Principal, channel: str, modes: Flag) -> Flag:
    """What remains of granted *modes* with other credentials."""
    return Flag(_allowed(principal, channel, int(modes)))


def mode_names(modes: Flag) -> list[str]:
    """What old SDKs and people call them."""
    return [name for name, mode in _MODE_NAMES.items() if mode & modes]


def _modes_by_name(text: str) -> Flag:
    modes = Flag.NONE
    for name in filter(None, text.lower().split(",")):
        if name not in _MODE_NAMES:
            raise BadParameter(f"modes are {', '.join(_MODE_NAMES)}; {name[:40]!r} is none of them")
        modes |= _MODE_NAMES[name]
    return modes


def start_of(window: Window, topic: str, channel: str, serial: str | None, rewind: Rewinding | None) -> Start | Behind:
    """
    Decide from where on an attachment is served.

    Args:
        serial: What the client sent as ``channelSerial``.
        rewind: What the client wants without one.
    """
    if serial:
        return _resumed(window, topic, channel, serial)
    if rewind is None:
        return fresh_start(window, topic, channel)
    if _holds(window, topic, channel, rewind):
        return rewound_start(window, topic, channel, rewind)
    return Behind(window.position(topic, channel), rewind=rewind)


def fresh_start(window: Window, topic: str, channel: str, error: ContinuityLost | None = None) -> Start:
    """From now on."""
    return Start(window.sequence, window.position(topic, channel), error=error)


def rewound_start(window: Window, topic: str, channel: str, rewind: Rewinding) -> Start:
    """From the first message wanted that is held."""
    wanted = wanted_of(window.entries(channel), rewind)
    if not wanted:
        return fresh_start(window, topic, channel)
    return Start(wanted[0].sequence - 1, window.position_before(wanted[0]), flags=Flag.HAS_BACKLOG)


def start_without_past(window: Window, topic: str, channel: str, behind: Behind) -> Start:
    """As well as the window alone can serve what lies behind it."""
    if behind.rewind is not None:
        return rewound_start(window, topic, channel, behind.rewind)
    return fresh_start(window, topic, channel, PositionExpired(EXPIRED))


def wanted_of(entries: Sequence[Entry], rewind: Rewinding) -> Sequence[Entry]:
    """The end of *entries* that a rewind asks for."""
    if rewind.messages is not None:
        entries = entries[-rewind.messages :] if rewind.messages else []
    if rewind.since_ms is not None:
        first = next((at for at, entry in enumerate(entries) if entry.message.timestamp >= rewind.since_ms), None)
        entries = [] if first is None else entries[first:]
    return entries


def _resumed(window: Window, topic: str, channel: str, serial: str) -> Start | Behind:
    try:
        position = parse_serial(serial)
        return Start(cursor_at(window, topic, channel, position), position, serial, Flag.RESUMED)
    except PositionExpired:
        return Behind(position, serial)
    except ContinuityLost as error:
        return fresh_start(window, topic, channel, error)


def _holds(window: Window, topic: str, channel: str, rewind: Rewinding) -> bool:
    """Whether all that a rewind asks for is held; what came before that is nobody's wish."""
    if rewind.messages is not None and len(window.entries(channel)) >= rewind.messages:
        return True
    whole_since_ms = window.whole_since(topic, channel) * 1000
    return whole_since_ms == 0 or (rewind.since_ms is not None and whole_since_ms <= rewind.since_ms)
