"""
The audit journal: events on their way to a file and to Kafka, in one chain.

    note     anybody, at any time: kept in memory, bounded; what does not fit is counted, and the count is chained
    run      a few times a second: seal what was noted, write it to the file; beside that, hand it to Kafka

The file is locked for as long as the process lives, so no two edges write one chain; workers that find it locked take
``audit.2.jsonl`` and so on. A restart goes on where the file ends. What was noted in the last moments before a
``kill -9`` is lost, as its connections are. The topic may hold a line twice, never half of one.

Source: docs/audit.md.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from gateway.core.audit_chain import Broken, Head, follow, seal
from gateway.core.published import OutgoingRecord
from gateway.errors import AuditUnwritable, BackendFault, MessageTooLarge
from gateway.metrics.counts import Counts
from gateway.settings import AuditSettings
from gateway.stream.producer import Producer

_log = logging.getLogger("gateway.audit")
WRITE_EVERY_SECONDS = 0.2
MAX_PENDING = 20_000
MAX_LINES = 20_000  # that wait for the file, and for Kafka
SHARE_LINES = 500
TOPIC_SECONDS = 10.0  # for one share to be acknowledged
MAX_CHAINS = 256
_TAIL_BYTES = 1 << 20
_BEGINNING = b'{"seq":'


class Journal:
    """
    One edge's chain.

    Args:
        settings: Where it goes.
        producer: For the topic.
        counts: What the metrics show.

    Attributes:
        edge: Name of this process in every line.
        is_wanted: Whether anything is written at all.
    """

    def __init__(self, settings: AuditSettings, producer: Producer, counts: Counts) -> None:
        self.edge = f"{socket.gethostname()}:{os.getpid()}"
        self.is_wanted = settings.file is not None or settings.topic is not None
        self._settings = settings
        self._producer = producer
        self._counts = counts
        self._pending: list[tuple[float, str, Mapping[str, object]]] = []
        self._lost = 0
        self._unwritten: list[bytes] = []
        self._unsent: deque[bytes] = deque()
        self._head = Head()
        self._file: BinaryIO | None = None
        self._path = Path()
        self._first = 0

    @property
    def unsent(self) -> int:
        """How many lines wait for Kafka."""
        return len(self._unsent)

    def note(self, event: str, **details: object) -> None:
        """
        Take an event down; never waits, never raises.

        Args:
            event: One of docs/audit.md's table.
            details: What is known; None is left out. Never a token, a secret or a payload.
        """
        if not self.is_wanted:
            return
        if len(self._pending) < MAX_PENDING:
            self._pending.append((time.time(), event, details))
        else:
            self._lost += 1

    def open(self) -> None:
        """
        Take the file, and find the end of its chain.

        Raises:
            AuditUnwritable: If it cannot be written, or does not end as a chain does.
        """
        wanted = self._settings.file
        if wanted is None:
            return
        for number in range(1, MAX_CHAINS + 1):
            path = wanted if number == 1 else wanted.with_suffix(f".{number}{wanted.suffix}")
            file = _locked(path)
            if file is not None:
                self._file, self._path = file, path
                self._head = _end_of_chain(file, path)
                self._first = self._head.lines
                return
        raise AuditUnwritable(f"audit.file: {wanted} and {MAX_CHAINS - 1} more beside it are in use by other edges")

    async def run(self) -> None:
        """Write for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_file(), name="audit file")
            if self._settings.topic is not None:
                tasks.create_task(self._run_topic(), name="audit topic")

    async def close(self) -> None:
        """Write what is left, and let go of the file; Kafka has one deadline for it."""
        await self.flush()
        await self._send_share()
        await self._producer.stop()
        if self._file is not None:
            self._file.close()
            self._file = None

    # ------------------------------------------------------------------ the chain

    def _seal(self) -> list[bytes]:
        pending, self._pending = self._pending, []
        lost, self._lost = self._lost, 0
        if lost:
            self._counts.audit["lost"] += lost
            _log.error("audit events were lost, more came than can be written", extra={"count": lost})
            pending.append((pending[-1][0], "lost", {"count": lost}))
        lines: list[bytes] = []
        for at, event, details in pending:
            told = {name: value for name, value in details.items() if value is not None}
            line, self._head = seal({"at": _time(at), "edge": self.edge, "event": event, **told}, self._head)
            lines.append(line)
        return lines

    # ------------------------------------------------------------------ the file

    async def _run_file(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what was noted to the file, and have it wait for the topic."""
        if not self._pending and not self._unwritten:
            return
        lines = self._seal()
        if self._settings.topic is not None:
            self._unsent.extend(lines)
            while len(self._unsent) > MAX_LINES:
                self._unsent.popleft()
                self._counts.audit["unsent"] += 1
        if self._file is None:
            return
        self._unwritten.extend(lines)
        try:
            await asyncio.to_thread(self._write, self._file, b"".join(self._unwritten))
        except OSError as error:
            _log.error("the audit file cannot be written", extra={"error": str(error), "count": len(self._unwritten)})
            dropped = len(self._unwritten) - MAX_LINES
            if dropped > 0:  # the chain then shows that they are missing
                del self._unwritten[:dropped]
                self._counts.audit["lost"] += dropped
        else:
            self._counts.audit["written"] += len(self._unwritten)
            self._unwritten.clear()

    def _write(self, file: BinaryIO, lines: bytes) -> None:
        """All of it or nothing."""
        size = file.seek(0, os.SEEK_END)
        try:
            _append(file, lines)
        except OSError:
            file.truncate(size)
            raise
        if file.tell() >= self._settings.max_file_bytes:
            self._turn_page(file)

    def _turn_page(self, file: BinaryIO) -> None:
        self._path.rename(self._path.with_name(f"{self._path.name}.{self._first:012d}"))
        self._file, self._first = _locked(self._path), self._head.lines
        file.close()

    # ------------------------------------------------------------------ the topic

    async def _run_topic(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_SECONDS)
            while self._unsent and await self._send_share():
                pass

    async def _send_share(self) -> bool:
        """Hand Kafka the oldest lines. Returns: whether it has them."""
        topic = self._settings.topic
        share = list(islice(self._unsent, SHARE_LINES))
        if topic is None or not share:
            return False
        try:
            async with asyncio.timeout(TOPIC_SECONDS):
                await self._produce(topic, share)
        except (BackendFault, MessageTooLarge, TimeoutError):
            _log.warning("audit lines wait for Kafka", extra={"count": len(self._unsent)})
            return False
        for line in share:
            if self._unsent and self._unsent[0] is line:  # else it was dropped meanwhile
                self._unsent.popleft()
        return True

    async def _produce(self, topic: str, lines: Sequence[bytes]) -> None:
        key = self.edge.encode()
        taken = [
            await self._producer.hand_over(topic, [OutgoingRecord(key, line.rstrip(b"\n"), [], "")]) for line in lines
        ]
        await asyncio.gather(*taken)


def _locked(path: Path) -> BinaryIO | None:
    """The file, to append to; None if another process has it."""
    try:
        file = path.open("ab+", buffering=0)
    except OSError as error:
        raise AuditUnwritable(f"audit.file: {path} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file  # unbuffered, so that what was not written is known


def _append(file: BinaryIO, lines: bytes) -> None:
    if file.write(lines) != len(lines):
        raise OSError(errno.ENOSPC, "not all of it was written")
    os.fsync(file.fileno())


def put_aside(path: Path) -> list[Path]:
    """The full files that *path* came after, oldest first."""
    return sorted(path.parent.glob(f"{path.name}.{'[0-9]' * 12}"))


def _end_of_chain(file: BinaryIO, path: Path) -> Head:
    """Where the chain is whose last file this is; an empty one may come after a full one."""
    head = _end_of(file, path)
    before = put_aside(path)
    if head.lines or not before:
        return head
    with before[-1].open("rb+") as last:
        return _end_of(last, before[-1])


def _end_of(file: BinaryIO, path: Path) -> Head:
    """Where its chain is; what a crash left of a last line is cut off."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read()
    whole = tail.rfind(b"\n") + 1
    is_ours = bool(whole) or not tail or tail.startswith(_BEGINNING)
    lines = tail[:whole].splitlines() if is_ours else [tail]
    try:
        head = follow(lines[-1:])
    except Broken as error:
        file.close()
        raise AuditUnwritable(
            f"audit.file: the last line of {path} {error.reason}; move the file away and keep it"
        ) from None
    file.truncate(size - len(tail) + whole)
    return head


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
