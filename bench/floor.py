"""The floor of fan-out: one send(2) a frame, in C, with nothing around it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from bench.crowd import Client, Crowd
from bench.program import Program


class SendFloor:
    """
    A C program with so many clients that are sent to in turn.

    Args:
        sockets: How many.
    """

    def __init__(self, sockets: int) -> None:
        self._program = Program("send_floor", [str(sockets)])
        self._crowd = Crowd(int(self._program.read()), [Client("/", None)] * sockets)
        self._crowd.open(sockets, frames=0)

    def cpu_microseconds(self, rounds: int, interval_seconds: float, frame_bytes: int) -> float:
        """CPU of one frame when each socket gets one every *interval_seconds*."""
        told = self._program.ask(f"send {rounds} {round(interval_seconds * 1e6)} {frame_bytes}")
        return float(told["cpu_seconds"]) / int(told["frames"]) * 1e6

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._crowd.close()
        self._program.close()
