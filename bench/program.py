"""C programs that are compiled here and asked line by line."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.testbed.process import ROOT

SOURCES = Path(__file__).parent
BUILD = ROOT / ".testbed" / "bench"


def compiled(name: str) -> Path:
    """The program of *name*.c, compiled anew if its source or a header is younger."""
    source, program = SOURCES / f"{name}.c", BUILD / name
    written_at = max(file.stat().st_mtime for file in (source, *SOURCES.glob("*.h")))
    if not program.exists() or program.stat().st_mtime < written_at:
        BUILD.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", str(program), str(source)], check=True)
    return program


class Program:
    """
    A running program that answers each line on stdin with a line of JSON.

    The kernel kills it when this process dies, however it dies.

    Args:
        name: Of its source, without ``.c``.
        arguments: Of its command line.
    """

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        wrapper = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self._name = name
        self._popen = subprocess.Popen(
            [*wrapper, str(compiled(name)), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self) -> Any:
        """
        The next line it writes.

        Raises:
            RuntimeError: If it ended instead.
        """
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended with {self._popen.wait()}")
        return json.loads(line)

    def tell(self, command: str) -> None:
        """Say a line without waiting for the answer."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(command + "\n")
        self._popen.stdin.flush()

    def ask(self, command: str) -> Any:
        """Say a line and wait for the answer."""
        self.tell(command)
        return self.read()

    def close(self) -> None:
        """End it."""
        self._popen.kill()
        self._popen.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
