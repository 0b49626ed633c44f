"""
A list of events of which nothing can be changed, taken out or put in unnoticed.

    {"seq":41,"at":"2026-11-25T04:31:00.123Z","event":"connect",…,"prev":"<hash of line 40>","hash":"<SHA-256 of what stands before>"}

Each line's hash covers the line and, by *prev*, all lines before it. So who knows the last hash can tell whether any of
them is another than it was. Who may write the file can forge all of it from some line on: what stops that is the last
hash kept elsewhere, in the audit topic or wherever an auditor notes it.

Source: docs/audit.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

GENESIS = "0" * 64
_SEAL = b',"hash":"'
_encode = msgspec.json.Encoder().encode


class Head(NamedTuple):
    """
    The end of a chain.

    Args:
        lines: How many there are: the next one has this as its ``seq``.
        digest: Hash of the last line; `GENESIS` if there is none.
    """

    lines: int = 0
    digest: str = GENESIS


class Broken(Exception):
    """
    A line that is not what the chain says it must be.

    Args:
        number: Of the line in its file, from 1.
        reason: What is wrong with it.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number}: {reason}")
        self.number = number
        self.reason = reason


class _Link(msgspec.Struct):
    seq: int
    prev: str


def seal(event: Mapping[str, object], head: Head) -> tuple[bytes, Head]:
    """
    Make the next line of a chain.

    Args:
        event: Anything that JSON can say, but for ``seq``, ``prev`` and ``hash``.

    Returns:
        The line, with its end, and the chain's new end.
    """
    body: bytes = _encode({"seq": head.lines, **event, "prev": head.digest})[:-1]
    digest = hashlib.sha256(body).hexdigest()
    return b"".join((body, _SEAL, digest.encode(), b'"}\n')), Head(head.lines + 1, digest)


def follow(lines: Iterable[bytes], head: Head | None = None) -> Head:
    """
    See that lines are a chain.

    Args:
        lines: Each with or without its end.
        head: Where the chain was before them; None: wherever the first line says, for the beginning may have been put away.

    Returns:
        Where it is after them.

    Raises:
        Broken: At the first line that was changed, or before which lines are missing.
    """
    for number, line in enumerate(lines, start=1):
        link, digest = _read(number, line.rstrip(b"\r\n"))
        if head is None:
            head = Head(link.seq, link.prev)
        if link.seq != head.lines:
            raise Broken(number, f"has number {link.seq}, and {head.lines} is next: lines are missing or were put in")
        if link.prev != head.digest:
            raise Broken(number, "does not continue the line before it: that one was changed, or replaced")
        head = Head(head.lines + 1, digest)
    return head or Head()


def _read(number: int, line: bytes) -> tuple[_Link, str]:
    body, seal_mark, claimed = line.rpartition(_SEAL)
    if not seal_mark or not claimed.endswith(b'"}'):
        raise Broken(number, "is not a line of an audit chain, or only the beginning of one")
    digest = hashlib.sha256(body).hexdigest()
    if claimed[:-2] != digest.encode():
        raise Broken(number, "was changed: its hash is another")
    try:
        return msgspec.json.decode(body + b"}", type=_Link), digest
    except msgspec.DecodeError:
        raise Broken(number, "is not a line of an audit chain") from None
