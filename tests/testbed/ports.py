"""Ports of loopback for servers that tests start, such that no two test runs on one machine ever want the same."""

from __future__ import annotations

import socket
from random import SystemRandom

LOWEST_PORT = 12_000
EPHEMERAL_PORTS = 32_768  # of Linux (ip_local_port_range)
BLOCK_PORTS = 128
_BLOCKS = range(LOWEST_PORT, EPHEMERAL_PORTS - BLOCK_PORTS + 1, BLOCK_PORTS)


def free_port() -> int:
    """A port that nobody listens on, and that nobody is given again while this process lives."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of so many ports in a row that are as those of `free_port`; no more than a block has."""
    return _OURS.take(count)


class _Blocks:
    """
    The blocks of ports that this process has claimed.

    They lie below the system's ephemeral ports, so no server on port 0 of a test run beside this one ever gets the port
    of an edge that was killed, which SDKs go on calling. And they are claimed, because a broker listens seconds after it
    was given its ports: another run would find them free until then.
    """

    def __init__(self) -> None:
        self._claims: list[socket.socket] = []  # open until the process ends
        self._left = range(0)

    def take(self, count: int) -> int:
        while True:
            wanted = self._left[:count]
            if len(wanted) < count:
                self._left = self._claim()
            elif all(_is_free(port) for port in wanted):
                self._left = self._left[count:]
                return wanted.start
            else:
                self._left = self._left[1:]

    def _claim(self) -> range:
        """One more, by the name of an abstract socket, which the kernel frees however this process ends."""
        for start in SystemRandom().sample(_BLOCKS, len(_BLOCKS)):
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                claim.bind(f"\0lastmile-test-ports-{start}")
            except OSError:
                claim.close()
            else:
                self._claims.append(claim)
                return range(start, start + BLOCK_PORTS)
        raise RuntimeError(f"all {len(_BLOCKS)} blocks of test ports are claimed: too many test runs at once")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


_OURS = _Blocks()
