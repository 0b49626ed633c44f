"""The load balancer as it is deployed: Debian's HAProxy with deploy/haproxy.cfg, told addresses by its environment."""

from __future__ import annotations

import csv
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.testbed.ports import free_port
from tests.testbed.process import ROOT, Process

CONFIG = ROOT / "deploy" / "haproxy.cfg"
MAX_CONNECTIONS = 2000  # HAProxy wants two file descriptors for each, which a developer's shell need not allow
SERVERS = ("gateway-1", "gateway-2")


class HAProxy:
    """
    One HAProxy before two edges.

    Args:
        directory: For its log.
        edges: Public port and ops port of each; they need not run yet.
    """

    def __init__(self, directory: Path, edges: Sequence[tuple[int, int]]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port, self.stats_port = free_port(), free_port()
        self._log = directory / "haproxy.log"
        self._process: Process | None = None
        self._environment = environment(self.port, self.stats_port, edges)

    @property
    def url(self) -> str:
        """Its public port, for REST."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def health_url(self) -> str:
        """Says whether it could serve anybody."""
        return f"http://127.0.0.1:{self.stats_port}/health/ready"

    def start(self) -> Self:
        """Start, and wait until it says what it thinks of the edges."""
        self._process = Process(["haproxy", "-db", "-f", str(CONFIG)], self._log, environment=self._environment)
        self._process.wait_until(lambda: set(self.states()) >= set(SERVERS), "HAProxy answers")
        return self

    def states(self) -> dict[str, str]:
        """What it thinks of each edge: ``UP``, ``DOWN``, or on the way, such as ``UP 1/2``."""
        return {row["svname"]: row["status"] for row in self._rows()}

    def sessions(self) -> dict[str, int]:
        """How many connections are with each edge now."""
        return {row["svname"]: int(row["scur"]) for row in self._rows()}

    def wait_until_up(self, *servers: str) -> None:
        """Wait until these are sent clients."""
        assert self._process is not None
        self._process.wait_until(
            lambda: all(self.states()[server] == "UP" for server in servers), f"{servers} are up for HAProxy"
        )

    def wait_until_down(self, server: str) -> None:
        """Wait until this one is not sent clients any more."""
        assert self._process is not None
        self._process.wait_until(lambda: self.states()[server].startswith("DOWN"), f"{server} is down for HAProxy")

    def log_text(self) -> str:
        """What it has logged."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """Kill it if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rows(self) -> list[dict[str, str]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.stats_port}/;csv", timeout=5) as answer:
            lines = answer.read().decode().removeprefix("# ").splitlines()
        return [row for row in csv.DictReader(lines) if row["svname"] in SERVERS]


def environment(port: int, stats_port: int, edges: Sequence[tuple[int, int]]) -> Mapping[str, str]:
    """
    What deploy/haproxy.cfg asks of its environment, for processes of loopback.

    Args:
        edges: Public port and ops port of each.
    """
    given = {
        "PUBLIC_BIND": f"127.0.0.1:{port}",
        "STATS_BIND": f"127.0.0.1:{stats_port}",
        "MAXCONN": str(MAX_CONNECTIONS),
    }
    for number, (public, ops) in enumerate(edges, 1):
        given |= {f"GATEWAY_{number}": f"127.0.0.1:{public}", f"GATEWAY_{number}_OPS_PORT": str(ops)}
    return given
