"""
Patterns of channel names: what they reach, and what two of them have in common.

    account:42        the channel of this name
    account:*:cards   ``*`` in the middle stands for one segment: *crossed*, all others are *plain*
    support:*         ``*`` at the end for one or more
    *                 all channels without a qualifier
    [meta]log, [meta]*      the same behind a qualifier
    [*]*              everything, behind whatever qualifier

A ``*`` that is not a whole segment is a letter.

All plain patterns that reach a name can be named (`reaching`), so a look-up does not depend on how many there are. A
crossed pattern is found at its *root*, the plain pattern of its beginning: ``account:*`` for ``account:*:cards``.

Source: PROTOCOL.md section 7; Ably's public documentation of capabilities ("Resource names and wildcards").
"""

from __future__ import annotations

from collections.abc import Iterator

EVERYTHING = "[*]*"


def reaching(name: str) -> Iterator[str]:
    """All patterns that reach a channel, or hold a pattern, of this name, but for crossed ones; itself first."""
    yield name
    start = 0
    if name[:1] == "[":
        if name == EVERYTHING:
            return
        yield EVERYTHING
        start = name.find("]") + 1
        if start == 0:
            return
    colon = name.find(":", start)
    while colon >= 0:
        pattern = name[: colon + 1] + "*"
        if pattern != name:
            yield pattern
        colon = name.find(":", colon + 1)
    pattern = name[:start] + "*"
    if pattern != name:
        yield pattern
    if start == 0:
        yield EVERYTHING


def root_of(pattern: str) -> str | None:
    """The plain pattern that a crossed one begins with, such as ``account:*`` of ``account:*:cards``; None for plain ones."""
    qualifier, segments = _taken_apart(pattern)
    for at, segment in enumerate(segments[:-1]):
        if segment == "*":
            return qualifier + ":".join(segments[: at + 1])
    return None


def overlap(one: str, other: str) -> str | None:
    """
    The pattern of all names that two patterns both reach; None if there are none.

    So *one* reaches the channel *other*, or holds the pattern, exactly if *other* is what they have in common.
    """
    if EVERYTHING in (one, other):
        return one if other == EVERYTHING else other
    (qualifier, shorter), (other_qualifier, longer) = sorted(
        (_taken_apart(one), _taken_apart(other)), key=_segment_count
    )
    if qualifier != other_qualifier:
        return None
    head = shorter
    if len(shorter) < len(longer):
        if shorter[-1] != "*":
            return None
        head = shorter[:-1]
    common: list[str] = []
    for segment, other_segment in zip(head, longer, strict=False):
        if "*" not in (segment, other_segment) and segment != other_segment:
            return None
        common.append(other_segment if segment == "*" else segment)
    return qualifier + ":".join([*common, *longer[len(head) :]])


def _taken_apart(pattern: str) -> tuple[str, list[str]]:
    """Qualifier and segments; what begins like a qualifier and is none has one segment, for it reaches itself only."""
    if pattern[:1] != "[":
        return "", pattern.split(":")
    qualifier, closing, rest = pattern.partition("]")
    return (qualifier + closing, rest.split(":")) if closing else (pattern, [""])


def _segment_count(parts: tuple[str, list[str]]) -> int:
    return len(parts[1])
