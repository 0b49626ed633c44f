"""`lastmile audit verify`: whether an audit file is what the edge wrote."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gateway.audit import put_aside
from gateway.core.audit_chain import Broken, Head, follow
from gateway.errors import AuditBroken


class Verified(NamedTuple):
    """A chain that holds. *first*: number of its first line; more than 0 if earlier files were put elsewhere."""

    files: int
    first: int
    head: Head


def parts_of(path: Path) -> list[Path]:
    """The files of one chain, oldest first: those that were put aside beside *path*, and itself."""
    aside = put_aside(path)
    return [*aside, path] if path.exists() else aside


def verify(path: Path, expected: str | None = None) -> Verified:
    """
    Follow a chain from its first line to its last.

    Args:
        path: The file of the settings, or one of a worker.
        expected: The hash of a line that must be in it, noted elsewhere before: its last line then, or an earlier one.

    Raises:
        AuditBroken: If it does not hold, with file and line.
    """
    parts = parts_of(path)
    if not parts:
        raise AuditBroken(f"{path}: there is no such file")
    head: Head | None = None
    first = -1
    is_found = expected is None
    for part in parts:
        try:
            with part.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    try:
                        head = follow([line], head)
                    except Broken as broken:
                        raise AuditBroken(f"{part}, line {number}: {broken.reason}") from None
                    first = head.lines - 1 if first < 0 else first
                    is_found = is_found or head.digest == expected
        except OSError as error:
            raise AuditBroken(f"{part} cannot be read: {error.strerror}") from None
    if not is_found:
        raise AuditBroken(
            f"{path}: no line has the hash {expected}: its end was cut off, or the chain was written anew"
        )
    return Verified(len(parts), max(first, 0), head or Head())
