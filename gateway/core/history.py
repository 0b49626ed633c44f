"""
Pages of a channel's past: what is asked for, how a page is made, and what of it the window has.

    oldest kept ──────────────────────────────▶ newest
         ▲                      │ fromSerial: what came before an attachment
         │   ◀── backwards ── page ── forwards ──▶
         └ here it ends; the channel's past may not, and `Page.whole_since` says so

The pages of one walk adjoin. A walk backwards goes on before a message that the client has, and what is kept before it
has no gaps; it ends where that ends. A walk forwards goes on after a message that the client has; if what comes next is
gone meanwhile, it ends with `PositionExpired` rather than with a page that hides that.

A page is bounded in messages by the client, in bytes and in steps here; so it may hold less than was asked for, even
nothing, and still name a next one. What comes before the window others read, see `gateway.replay.listing`.

Source: PROTOCOL.md section 8; RSL2b, RTL10b, TG1 to TG4.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from operator import attrgetter
from typing import NamedTuple

from gateway.core.continuity import cursor_at, point_at
from gateway.core.entry import Entry
from gateway.core.message import Message
from gateway.core.serial import Position, Serial, parse_serial
from gateway.core.window import Window
from gateway.errors import BadParameter

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
PAGE_BYTES = 1 << 20
PAGE_STEPS = 10_000  # messages looked at for one page: about a millisecond
_MAX_DIGITS = 16
_EVER_MS = 10**_MAX_DIGITS
_DIRECTIONS = ("backwards", "forwards")
_offset = attrgetter("offset")
_sequence = attrgetter("sequence")


class Query(NamedTuple):
    """
    What of a channel's past is asked for.

    Args:
        limit: Messages of a page.
        is_forwards: Oldest first.
        start_ms: Timestamps from this one on.
        end_ms: Up to and including this one.
        attached_at: Nothing after this position (RTL10b).
        page: Serial of the last message of the page before.
    """

    limit: int = DEFAULT_LIMIT
    is_forwards: bool = False
    start_ms: int | None = None
    end_ms: int | None = None
    attached_at: Position | None = None
    page: Position | None = None

    @property
    def positions(self) -> tuple[Position, ...]:
        """Those it names; an edge that has not read up to them cannot answer yet."""
        return tuple(position for position in (self.attached_at, self.page) if position is not None)


class Page(NamedTuple):
    """
    A piece of a channel's past.

    Args:
        entries: In the order asked for.
        next_page: Where to go on; None if nothing that is held was left out.
        whole_since: Seconds since the epoch: what was recorded later is all held, of what is older there may be more.
    """

    entries: list[Entry]
    next_page: str | None
    whole_since: float


class Taking:
    """
    A page in the making: messages are offered in the order asked for, until it has enough.

    *reached*: everything up to here was looked at; there the next page goes on, if *is_over*.

    Args:
        query: What is asked for.
    """

    __slots__ = ("_end_ms", "_limit", "_size_bytes", "_start_ms", "_steps", "entries", "is_over", "reached")

    def __init__(self, query: Query) -> None:
        self._limit = query.limit
        self._start_ms = -_EVER_MS if query.start_ms is None else query.start_ms
        self._end_ms = _EVER_MS if query.end_ms is None else query.end_ms
        self._size_bytes = 0
        self._steps = 0
        self.entries: list[Entry] = []
        self.is_over = False
        self.reached = query.page

    @property
    def lacking(self) -> int:
        """How many messages it can still take, and one more, which tells whether there is a next page."""
        return self._limit - len(self.entries) + 1

    def wants(self, message: Message) -> bool:
        """Whether a message is within the times asked for."""
        return self._start_ms <= message.timestamp <= self._end_ms

    def offer(self, entry: Entry) -> bool:
        """Look at the next message. Returns: False if it is for the next page; then this one is over."""
        is_wanted = self.wants(entry.message)
        is_full = len(self.entries) == self._limit or self._size_bytes >= PAGE_BYTES
        if self._steps == PAGE_STEPS or (is_wanted and is_full):
            self.is_over = True
            return False
        self._steps += 1
        self.reached = entry.position
        if is_wanted:
            self.entries.append(entry)
            self._size_bytes += entry.size_bytes
        return True

    def stop(self) -> None:
        """Enough was done for one page; the next one goes on where this one has come to."""
        self.is_over = True

    def page(self, whole_since: float) -> Page:
        """What it has become."""
        goes_on = self.is_over and self.reached is not None
        return Page(self.entries, str(self.reached) if goes_on else None, whole_since)


def parse_query(params: Mapping[str, str]) -> Query:
    """
    Read the params of a request for history; what is unknown is ignored.

    Args:
        params: ``limit``, ``direction``, ``start``, ``end``, ``fromSerial`` (ably-js: ``from_serial``), ``page``.

    Raises:
        BadParameter: If a value is one that it cannot have.
        BadSerial: If a position is none of this server's.
    """
    direction = params.get("direction", "backwards")
    if direction not in _DIRECTIONS:
        raise BadParameter("direction is backwards or forwards")
    start_ms, end_ms = _number(params, "start"), _number(params, "end")
    if start_ms is not None and end_ms is not None and start_ms > end_ms:
        raise BadParameter("start lies after end")
    return Query(
        parse_limit(params),
        direction == "forwards",
        start_ms,
        end_ms,
        _position(params.get("fromSerial") or params.get("from_serial")),
        _position(params.get("page")),
    )


def parse_limit(params: Mapping[str, str]) -> int:
    """
    How much a page may hold.

    Raises:
        BadParameter: If it is not from 1 to 1000.
    """
    limit = _number(params, "limit")
    if limit is None:
        return DEFAULT_LIMIT
    if not 0 < limit <= MAX_LIMIT:
        raise BadParameter(f"limit is a number from 1 to {MAX_LIMIT}")
    return limit


def page_of(window: Window, topic: str, channel: str, query: Query) -> Page:
    """
    One page of what is held.

    Raises:
        ContinuityLost, BadSerial, KafkaUnavailable: See `take_held`.
    """
    taking = Taking(query)
    take_held(taking, window, topic, channel, query)
    return taking.page(window.whole_since(topic, channel))


def take_held(taking: Taking, window: Window, topic: str, channel: str, query: Query) -> None:
    """
    Offer a page what the window holds.

    Raises:
        PositionExpired: If what comes after the page before is not all held; nothing was taken then.
        ContinuityLost: If a position is of another life of the topic.
        BadSerial: If a position is of no partition of this topic, or in the future.
        KafkaUnavailable: If the topic is not being read yet.
    """
    entries, low = window.current_entries(topic, channel)
    high = len(entries)
    if query.attached_at is not None:
        high = _covered(window, topic, channel, query.attached_at)
    if query.page is not None:
        if query.is_forwards:
            low = bisect_right(entries, cursor_at(window, topic, channel, query.page), lo=low, key=_sequence)
        else:
            high = min(high, _covered(window, topic, channel, before(query.page)))
    for index in range(low, high) if query.is_forwards else range(high - 1, low - 1, -1):
        if not taking.offer(entries[index]):
            return


def _covered(window: Window, topic: str, channel: str, position: Position) -> int:
    """Where in the log those entries end that somebody has who has everything up to *position*."""
    entries, low = window.current_entries(topic, channel)
    point = point_at(window, topic, channel, position)
    return 0 if point is None else bisect_right(entries, point.offset, lo=low, key=_offset)


def before(position: Position) -> Position:
    """The position of somebody who has everything but the message at *position*, and what came after it."""
    return position._replace(offset=position.offset - 1) if isinstance(position, Serial) else position


def _position(text: str | None) -> Position | None:
    return parse_serial(text) if text else None


def _number(params: Mapping[str, str], name: str) -> int | None:
    text = params.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise BadParameter(f"{name} is a whole number, not {text[:40]!r}")
    return int(text)
