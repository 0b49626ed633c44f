"""All commands under one name; an error of ours ends in a sentence, not in a traceback."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli.clients import publish, subscribe, token
from gateway.cli.kept import cursors, erase
from gateway.cli.operating import audit, check, settings
from gateway.cli.serving import dev, run
from gateway.errors import GatewayError


class _Commands(click.Group):
    """Commands whose errors of ours end in a sentence, not in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            raise click.ClickException(error.message) from None


@click.group(
    cls=_Commands,
    commands=[audit, check, cursors, dev, erase, publish, run, settings, subscribe, token],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="lastmile", message="lastmile %(version)s")
def main() -> None:
    """A realtime edge between Kafka and devices."""
