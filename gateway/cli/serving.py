"""`run` and `dev`: the edge, for devices and to try it."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from gateway.terminal.options import config_option

MAX_WORKERS = 256


@click.command()
@config_option
@click.option("--host", help="Instead of server.host.")
@click.option("--port", type=click.IntRange(1, 65535), help="Instead of server.port.")
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    default=1,
    show_default=True,
    help="Processes that share the port, one a core.",
)
def run(config: Path | None, host: str | None, port: int | None, workers: int) -> None:
    """Serve devices: the edge."""
    from gateway.settings import load

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    reread = partial(load, config, overrides={"server": given} if given else None)
    settings = reread()

    from gateway import logs, server

    logs.configure(settings.log)
    if workers == 1:
        server.run(settings, reread=reread)
        return
    from gateway.terminal.workers import run_workers

    sys.exit(run_workers(settings, workers, reread))


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Of the page, on 127.0.0.1."
)
def dev(port: int) -> None:
    """Try it: everything in one process, with a demo bank. Nothing is kept, nothing but this machine is served."""
    from gateway.dev import run as run_dev

    run_dev(port=port)
