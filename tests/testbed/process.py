"""A program that a test started: its log, its end, and that it never outlives the test session."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0
LOG_TAIL_LINES = 30


def wait_until(is_so: Callable[[], bool], what: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """
    Look until it is so, and fail with *what* was waited for at the deadline.

    Args:
        is_so: Asked every 20 ms; an OSError counts as no.
        what: For the failure, such as "Kafka answers".
    """
    deadline = time.monotonic() + deadline_seconds
    while True:
        try:
            if is_so():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {deadline_seconds:.0f} s in vain: {what}")
        time.sleep(0.02)


class Process:
    """
    One process with its log in a file.

    It is in a session of its own, so that Ctrl-C reaches it only through pytest's fixtures, and the kernel kills it if
    pytest dies without them (setpriv, a part of Debian's util-linux). The kernel means the *thread* that started it:
    start processes from the main thread.

    Args:
        command: Program and arguments.
        log: File for both of its outputs; appended to, so a restart keeps the log of the life before.
        environment: Added to the session's, from which everything that begins with LASTMILE_ is taken away.
    """

    def __init__(self, command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None) -> None:
        wrapper = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LASTMILE_")}
        self.command = command
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [*wrapper, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=inherited | dict(environment or {}),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        return self._popen.poll()

    def log_text(self) -> str:
        """All that it has written."""
        return self.log.read_text(errors="replace")

    def wait_until(self, is_so: Callable[[], bool], what: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        """As the function, but fails at once, with the end of the log, if the process ends before it is so."""

        def look() -> bool:
            if self.exit_code is not None:
                raise RuntimeError(f"{self.command[0]} ended with {self.exit_code} before: {what}\n{self._log_tail()}")
            return is_so()

        try:
            wait_until(look, what, deadline_seconds=deadline_seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self._log_tail()}") from None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP; nothing if it has ended."""
        self._popen.send_signal(number)

    def wait(self, *, deadline_seconds: float = DEADLINE_SECONDS) -> int:
        """Wait for its end. Returns: the exit code."""
        return self._popen.wait(deadline_seconds)

    def terminate(self, *, deadline_seconds: float = DEADLINE_SECONDS) -> int:
        """SIGTERM, and wait; killed at the deadline."""
        self.send(signal.SIGTERM)
        try:
            return self.wait(deadline_seconds=deadline_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL, as a machine that loses power, and wait until its sockets are gone."""
        self._popen.kill()
        self._popen.wait()

    def _log_tail(self) -> str:
        return "\n".join(self.log_text().splitlines()[-LOG_TAIL_LINES:])
