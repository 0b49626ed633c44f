"""
What may be done on which channels.

    {"account:42": ["subscribe"], "account:*:cards": ["subscribe", "history"], "support:*": ["*"]}

Keys are patterns of channel names (`auth.patterns`), values lists of operations, of which ``*`` stands for all.

Source: PROTOCOL.md section 7; TK2b; Ably's public documentation of capabilities.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

from auth.compact import NotJson, parse_json
from auth.errors import CapabilityDenied, CapabilityMalformed
from auth.patterns import overlap, reaching, root_of

OPERATIONS = frozenset(
    {
        "*",
        "subscribe",
        "publish",
        "presence",
        "presence-subscribe",
        "history",
        "stats",
        "channel-metadata",
        "push-subscribe",
        "push-admin",
        "privileged-headers",
        "object-subscribe",
        "object-publish",
        "annotation-subscribe",
        "annotation-publish",
        "message-update-own",
        "message-update-any",
        "message-delete-own",
        "message-delete-any",
    }
)
MAX_PATTERNS = 2000
MAX_PATTERN_LENGTH = 2048
MAX_CROSSED = 100  # patterns of one root; they are looked through one by one
MAX_CACHED_LENGTH = 512  # of a text; so the cache holds a few megabytes at most
_ALL = frozenset({"*"})
_NONE: frozenset[str] = frozenset()
_NOTHING: dict[str, list[str]] = {}  # crossed, in nearly every capability; never written to


class Capability:
    """
    Patterns and the operations that they allow; never changes.

    Args:
        allowed: Pattern → operations; taken as it is, so use `parse` for anything from outside.
    """

    __slots__ = ("_allowed", "_crossed", "_first_segments", "_text")

    def __init__(self, allowed: Mapping[str, frozenset[str]]) -> None:
        self._allowed = dict(allowed)
        self._crossed = _by_root(self._allowed)
        self._text: str | None = None
        self._first_segments: frozenset[str] | None = None

    @classmethod
    def parse(cls, source: str | Mapping[str, Iterable[str]]) -> Capability:
        """
        Read a capability as tokens and settings hold it.

        A text is read to the letter, as Ably does: no pattern twice, no ``*`` beside other operations.

        Args:
            source: JSON text, or the object itself.

        Raises:
            CapabilityMalformed: If it is not a map of patterns to lists of known operations.
        """
        capability = cls(_read(source) if isinstance(source, str) else _checked(source))
        if any(len(patterns) > MAX_CROSSED for patterns in capability._crossed.values()):
            raise CapabilityMalformed("capability")
        return capability

    def allows(self, operation: str, channel: str) -> bool:
        """Whether *operation* may be done on the channel of this name."""
        allowed = self._allowed
        for pattern in reaching(channel):
            operations = allowed.get(pattern)
            if operations is not None and (operation in operations or "*" in operations):
                return True
        return bool(self._crossed) and any(
            operation in allowed[pattern] or "*" in allowed[pattern]
            for pattern, common in self._overlaps(channel)
            if common == channel
        )

    def intersect(self, other: Capability) -> Capability:
        """
        What both allow.

        Raises:
            CapabilityDenied: If that takes far more patterns than either has.
        """
        both: dict[str, frozenset[str]] = {}
        for pattern, operations in chain(other._shared(self._allowed), self._shared(other._allowed)):
            if not operations:
                continue
            joined = both.get(pattern, _NONE) | operations
            both[pattern] = _ALL if "*" in joined else _one(joined)
            if len(both) > 2 * MAX_PATTERNS:
                raise CapabilityDenied("too_many_patterns")
        return Capability(both)

    @property
    def resources(self) -> Iterable[str]:
        """The patterns themselves."""
        return self._allowed

    def to_text(self) -> str:
        """Canonical JSON: sorted, without blanks."""
        if self._text is None:
            ordered = {pattern: sorted(self._allowed[pattern]) for pattern in sorted(self._allowed)}
            self._text = json.dumps(ordered, separators=(",", ":"))
        return self._text

    @property
    def first_segments(self) -> frozenset[str]:
        """What its patterns begin with, up to the first colon and without a qualifier; ``*`` for any."""
        if self._first_segments is None:
            names = (pattern.rpartition("]")[2] for pattern in self._allowed)
            self._first_segments = _one(frozenset(name.partition(":")[0] for name in names))
        return self._first_segments

    def _shared(self, others: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, frozenset[str]]]:
        """What of *others* is allowed here too; where theirs is the wider pattern, asking them of ours tells."""
        for pattern, operations in others.items():
            for wide in reaching(pattern):
                if wide in self._allowed:
                    yield pattern, _common(operations, self._allowed[wide])
            for crossed, narrow in self._overlaps(pattern):
                yield narrow, _common(operations, self._allowed[crossed])

    def _overlaps(self, name: str) -> Iterator[tuple[str, str]]:
        """Crossed patterns that have something in common with *name*, and what."""
        if not self._crossed:
            return
        for root in reaching(name):
            for pattern in self._crossed.get(root, ()):
                common = overlap(pattern, name)
                if common is not None:
                    yield pattern, common

    def __bool__(self) -> bool:
        return bool(self._allowed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Capability) and self._allowed == other._allowed

    def __hash__(self) -> int:
        return hash(self.to_text())

    def __repr__(self) -> str:
        return f"Capability({self.to_text()})"


def granted(asked: str | None, limit: Capability) -> Capability:
    """
    What remains of a wish within a limit; a wish that was not uttered is all of it.

    Args:
        asked: A capability as JSON text.
        limit: The key's.

    Raises:
        CapabilityMalformed: If *asked* is no capability.
        CapabilityDenied: If nothing remains.
    """
    if asked is None:
        return limit
    if len(asked) > MAX_CACHED_LENGTH:
        return _narrowed(asked, limit)
    return _remembered(asked, limit)


def _narrowed(asked: str, limit: Capability) -> Capability:
    remaining = Capability.parse(asked).intersect(limit)
    if not remaining:
        raise CapabilityDenied("nothing_in_common")
    return remaining


_remembered = lru_cache(maxsize=4096)(_narrowed)


def _read(text: str) -> dict[str, frozenset[str]]:
    try:
        read = parse_json(text)
    except NotJson:
        raise CapabilityMalformed("capability") from None
    if not isinstance(read, dict) or any(isinstance(o, list) and "*" in o and len(o) > 1 for o in read.values()):
        raise CapabilityMalformed("capability")
    return _checked(read)


def _checked(source: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    if len(source) > MAX_PATTERNS:
        raise CapabilityMalformed("capability")
    return {_pattern(pattern): _operations(operations) for pattern, operations in source.items()}


def _by_root(patterns: Iterable[str]) -> dict[str, list[str]]:
    """The crossed ones among them."""
    crossed: dict[str, list[str]] = {}
    for pattern in patterns:
        root = root_of(pattern) if "*:" in pattern else None
        if root is not None:
            crossed.setdefault(root, []).append(pattern)
    return crossed or _NOTHING


def _pattern(pattern: object) -> str:
    if not isinstance(pattern, str) or not 0 < len(pattern) <= MAX_PATTERN_LENGTH:
        raise CapabilityMalformed("capability")
    return pattern


def _operations(operations: object) -> frozenset[str]:
    if isinstance(operations, (str, Mapping)) or not isinstance(operations, Iterable):
        raise CapabilityMalformed("capability")
    collected = list(operations)
    if not collected or not all(isinstance(o, str) and o in OPERATIONS for o in collected):
        raise CapabilityMalformed("capability")
    return _ALL if "*" in collected else _one(frozenset(collected))


@lru_cache(maxsize=256)
def _one(names: frozenset[str]) -> frozenset[str]:
    """The same object for all that are equal: each connection has two of 216 bytes, and nearly all have the same."""
    return names


def _common(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    if "*" in one:
        return other
    return one if "*" in other else one & other
