"""`lastmile dev` as a person starts it."""

from __future__ import annotations

import fcntl
import re
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.testbed.edge import LASTMILE
from tests.testbed.ports import free_port
from tests.testbed.process import Process

INVITED = "Ctrl-C ends it"


class DemoProcess:
    """
    One demo.

    Args:
        directory: For its log.
        environment: Added to the session's.
    """

    def __init__(self, directory: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self._log = directory / "demo.log"
        self._environment = {"PYTHONUNBUFFERED": "1"} | dict(environment or {})

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}"

    def invited(self, label: str) -> str:
        """What was printed after a label, such as ``key``."""
        found = re.search(rf"^  {re.escape(label)}\s+(\S.*)$", self.process.log_text(), re.MULTILINE)
        assert found is not None, self.process.log_text()
        return found[1].strip()

    @property
    def subscription(self) -> list[str]:
        """The command to paste into another terminal, as this test session would call it."""
        _, found, arguments = self.process.log_text().partition(" subscribe ")
        assert found
        return [str(LASTMILE), "subscribe", *shlex.split(arguments.splitlines()[0])]

    def start(self) -> Self:
        """Start it, and wait until it says that all is there; one at a time on this machine, for each looks for a free ops port."""
        with (Path(tempfile.gettempdir()) / "lastmile-demo.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.process = Process(
                [str(LASTMILE), "dev", "--port", str(self.port)], self._log, environment=self._environment
            )
            self.process.wait_until(lambda: INVITED in self.process.log_text(), "the demo is ready")
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
