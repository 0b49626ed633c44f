"""Programs that stand in the docs, run as they stand there."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from tests.testbed.kafka import JARS
from tests.testbed.process import ROOT, Process

GO_MODULE = ROOT / "tests/testbed/go"  # what Go programs may import, with its sums
BUILD_DEADLINE_SECONDS = 180.0
_PROGRAM = re.compile(
    r"`(?P<name>[A-Za-z]+\.(?:java|go|py))`[^\n]*\n\n```(?:java|go|python)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


def programs(page: Path) -> dict[str, str]:
    """File name → text of each program of a page: a code block below a line that names its file in backquotes."""
    return {found["name"]: found["text"] for found in _PROGRAM.finditer(page.read_text("utf-8"))}


def start(name: str, text: str, directory: Path, *arguments: str, kafka: str) -> Process:
    """
    Write a program to a directory of its own and start it, as the page says.

    Args:
        kafka: Bootstrap servers, for its environment.
    """
    directory.mkdir(parents=True)
    source = directory / name
    source.write_text(text, "utf-8")
    command = {".java": _java, ".go": _go, ".py": _python}[source.suffix](source)
    return Process([*command, *arguments], directory / "out", environment={"KAFKA": kafka})


def _java(source: Path) -> list[str]:
    return ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*", str(source)]


def _go(source: Path) -> list[str]:
    for name in ("go.mod", "go.sum"):
        shutil.copy(GO_MODULE / name, source.parent / name)
    program = source.with_suffix("")
    command = ["go", "build", "-C", str(source.parent), "-mod=readonly", "-o", str(program), source.name]
    build = Process(command, source.parent / "build")
    if build.wait(deadline_seconds=BUILD_DEADLINE_SECONDS):
        raise RuntimeError(f"{source.name} cannot be built:\n{build.log_text()}")
    return [str(program)]


def _python(source: Path) -> list[str]:
    return [sys.executable, str(source)]
