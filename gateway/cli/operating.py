"""`check`, `settings` and `audit verify`: what an operator looks at."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.terminal.options import config_option

if TYPE_CHECKING:
    from gateway.terminal.topic_advice import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command()
@config_option
def check(config: Path | None) -> None:
    """See whether settings, Kafka, its topics and Redis are as they should be; exit 1 if not."""
    from gateway.settings import load
    from gateway.terminal.examination import examine

    settings = load(config)
    findings = asyncio.run(examine(settings))
    _show_finding("ok", "settings", "can be used")
    for finding in findings:
        _show(finding)
    levels = [finding.level for finding in findings]
    click.echo(f"{levels.count('error')} errors, {levels.count('warning')} warnings")
    if "error" in levels:
        sys.exit(1)


@click.command()
def settings() -> None:
    """Print the table of all settings, in Markdown."""
    from gateway.settings import settings_table

    click.echo(settings_table(), nl=False)


@click.group()
def audit() -> None:
    """The audit journal."""


@audit.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--expect", metavar="HASH", help="A hash noted before: a line must have it.")
def verify(file: Path, expect: str | None) -> None:
    """See whether FILE, and what was put aside of it, is a whole and unchanged chain; exit 1 if not."""
    from gateway.terminal.audit import verify as verify_chain

    found = verify_chain(file, expect)
    click.echo(f"whole: lines {found.first} to {found.head.lines - 1} in {found.files} files")
    click.echo(f"last hash: {found.head.digest}")


def _show(finding: Finding) -> None:
    _show_finding(finding.level, finding.subject, finding.text)
    if finding.remedy:
        click.echo(f"         → {finding.remedy}")


def _show_finding(level: str, subject: str, text: str) -> None:
    click.echo(f"{click.style(f'{level:8}', fg=_COLOURS[level])} {subject}: {text}")
