"""Thousands of WebSocket clients in one C process, cheap enough that the gateway is what is measured."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

from bench.program import Program

SOURCES = 4  # addresses of loopback that they connect from, so that ports suffice
AHEAD = 128  # handshakes under way at once


class Client(NamedTuple):
    """
    What one client sends: the target of its request, and a text frame once the server has spoken (or none).

    *is_whole*: whether the request has its end.
    """

    target: str
    first_message: str | None
    is_whole: bool = True


class Delivered(NamedTuple):
    """What reached all clients together since the last reset; latencies are of messages that carry ``at_ns``."""

    messages: int
    bytes: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def frame_bytes(self) -> int:
        """Of one frame on the wire, header included."""
        return round(self.bytes / max(1, self.messages)) + 4


class Crowd(Program):
    """
    Clients of one server.

    Args:
        port: Of the server.
        clients: Who they are; each gets the answer to its request, one frame, and then one for its own.
    """

    def __init__(self, port: int, clients: Iterable[Client]) -> None:
        self._directory = TemporaryDirectory()
        plan = Path(self._directory.name) / "plan"
        plan.write_bytes(b"".join(_entry(client) for client in clients))
        super().__init__("clients", [str(port), str(plan), str(SOURCES)])

    def open(self, count: int, *, frames: int = 2, ahead: int = AHEAD) -> float:
        """
        Connect the next *count* clients and wait until each has got so many frames.

        Returns:
            The seconds it took.

        Raises:
            RuntimeError: If some were refused or dropped.
        """
        answer = self.ask(f"open {count} {ahead} {frames}")
        if answer["failed"]:
            raise RuntimeError(f"{answer['failed']} of {count} clients were refused or dropped")
        return float(answer["seconds"])

    def knock(self, count: int, *, frames: int, ahead: int = AHEAD) -> int:
        """
        Connect the next *count* clients, whatever becomes of them: each until it has got so many frames, or is put out.

        Returns:
            How many were put out before.
        """
        return int(self.ask(f"open {count} {ahead} {frames}")["failed"])

    def leave(self) -> None:
        """
        Close every connection with a reset; `open` begins with the first client again.

        Who has seen a channelSerial attaches with it then, as SDKs do.
        """
        self.ask("leave")

    def reset(self) -> None:
        """Forget what was counted."""
        self.ask("reset")

    def wait(self, messages: int, seconds: float) -> None:
        """
        Wait until so many messages have come since the last reset.

        Raises:
            TimeoutError: If they have not in time.
        """
        got = self.ask(f"await {messages} {seconds}")["messages"]
        if got < messages:
            raise TimeoutError(f"{got} of {messages} messages came within {seconds} s")

    def report(self) -> Delivered:
        """What has come since the last reset."""
        told = self.ask("report")
        return Delivered(told["messages"], told["bytes"], told["seconds"], told["p50_us"] / 1000, told["p99_us"] / 1000)

    def stall(self, count: int) -> None:
        """Let the first *count* clients read no more."""
        self.ask(f"stall {count}")

    def close_all(self) -> None:
        """Close every connection with a reset, so that no port stays taken."""
        self.ask("close")

    def close(self) -> None:
        """End it."""
        super().close()
        self._directory.cleanup()

    def __enter__(self) -> Self:
        return self


def _entry(client: Client) -> bytes:
    request = (
        f"GET {client.target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "User-Agent: bench\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        + ("\r\n" if client.is_whole else "")
    ).encode()
    frame = b"" if client.first_message is None else _masked(client.first_message.encode())
    return struct.pack("=II", len(request), len(frame)) + request + frame


def _masked(payload: bytes) -> bytes:
    """A text frame under the mask of zeros: for the server the same work as any other."""
    assert len(payload) < 126
    return struct.pack("!BB4x", 0x81, 0x80 | len(payload)) + payload
