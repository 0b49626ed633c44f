"""An outlet that keeps what it is given, and reads it back as a client would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from websockets.frames import Frame
from websockets.streams import StreamReader

from gateway.core.acknowledging import Outcome
from gateway.core.hub import Hub
from gateway.core.publication import Publication
from gateway.schema import Schema


class Collected:
    """Takes frames; full when it is told to be."""

    def __init__(self, capacity: int | None = None) -> None:
        self.frames: list[bytes] = []
        self.capacity = capacity
        self.is_finished = False
        self.is_reading = True
        self.on_full: Any = None
        self.waits_for_turn = False

    @property
    def is_full(self) -> bool:
        return self.capacity is not None and len(self.frames) >= self.capacity

    def write(self, frame: bytes) -> None:
        was_full = self.is_full
        self.frames.append(frame)
        if self.is_full and not was_full and self.on_full is not None:
            self.on_full(self)

    def write_later(self, frame: bytes) -> None:
        self.write(frame)

    def serve_soon(self) -> None:
        self.waits_for_turn = True

    def have_turns(self, hub: Hub) -> None:
        """Be served for as long as there is more, as a transport in the turns of its loop."""
        while self.waits_for_turn:
            self.waits_for_turn = hub.serve(self)

    def finish(self) -> None:
        self.is_finished = True

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def messages(self) -> list[dict[str, Any]]:
        """The protocol messages that were written, decoded by websockets and msgspec."""
        return [read_frame(frame) for frame in self.frames]

    def take(self) -> list[dict[str, Any]]:
        """The same, and forget them."""
        messages = self.messages()
        self.frames = []
        return messages


class Submitted:
    """Where publications go in tests of the core: kept until the test settles them."""

    def __init__(self, pending_per_connection: int = 100, pending_bytes_per_connection: int = 1 << 20) -> None:
        self.pending_per_connection = pending_per_connection
        self.pending_bytes_per_connection = pending_bytes_per_connection
        self.publications: list[Publication] = []
        self.settles: list[Callable[[Outcome], None]] = []
        self.schemas: dict[str, Schema] = {}
        self.stored: set[str] = set()
        self.answer: Callable[[Publication], Outcome] | None = None

    def is_stored(self, publication: Publication) -> bool:
        return publication.records[0].id in self.stored

    def submit(self, publication: Publication, settle: Callable[[Outcome], None], now: float) -> None:
        self.publications.append(publication)
        self.settles.append(settle)
        if self.answer is not None:
            settle(self.answer(publication))


def read_frame(data: bytes) -> dict[str, Any]:
    """One server frame's payload."""
    reader = StreamReader()
    reader.feed_data(data)
    parsing = Frame.parse(reader.read_exact, mask=False)
    try:
        next(parsing)
    except StopIteration as done:
        frame: Frame = done.value
    decode = msgspec.json.decode if frame.opcode == 1 else msgspec.msgpack.decode
    assert not reader.buffer
    return decode(bytes(frame.data))  # type: ignore[no-any-return]
