"""`cursors` and `erase`: what Redis keeps of clients, for operators who are asked about it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from gateway.terminal.options import CursorName, config_option

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.terminal.cursors import Choice

_app = click.option("--app", "app_id", help="Of the settings; needed where they have several.")


@click.command()
@config_option
@_app
@click.option("--client-id", help="Whose; else everybody's.")
@click.option("--cursor", type=CursorName(), help="Which; else all.")
@click.option("--channel", help="Its position on this channel; else on all.")
@click.option("--remove", is_flag=True, help="Forget them; needs --client-id.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object a line, for programs.")
def cursors(config: Path | None, app_id: str | None, *, remove: bool, is_json: bool, **which: str | None) -> None:
    """List where devices stand that keep nothing themselves, or forget it."""
    from gateway.settings import load
    from gateway.terminal import cursors as kept

    settings = load(config)
    choice = kept.Choice(_app_of(settings, app_id), **which)
    if not remove:
        asyncio.run(_list_cursors(settings, choice, is_json=is_json))
        return
    if choice.client_id is None:
        raise click.UsageError("--remove needs --client-id: nothing is removed of everybody")
    removed = asyncio.run(kept.remove(settings, choice.app_id, choice.client_id, choice.cursor, choice.channel))
    click.echo(f"{removed} positions removed")


@click.command()
@config_option
@_app
@click.option("--client-id", required=True, help="Who.")
def erase(config: Path | None, app_id: str | None, client_id: str) -> None:
    """Forget what Redis keeps under a person's name. What Kafka keeps is told in docs/privacy.md."""
    from gateway.settings import load
    from gateway.terminal import cursors as kept

    settings = load(config)
    positions, connections = asyncio.run(kept.erase(settings, _app_of(settings, app_id), client_id))
    click.echo(f"{positions} positions and {connections} connections removed")


def _app_of(settings: Settings, app_id: str | None) -> str:
    names = [app.id for app in settings.apps]
    if app_id is None and len(names) == 1:
        return names[0]
    if app_id not in names:
        raise click.UsageError(f"--app is one of {', '.join(names)}")
    return app_id


async def _list_cursors(settings: Settings, choice: Choice, *, is_json: bool) -> None:
    from gateway.terminal.cursors import chosen

    async for client_id, entry in chosen(settings, choice):
        if is_json:
            shown = {"app": choice.app_id, "clientId": client_id, **entry.shown()}
            click.echo(msgspec.json.encode(shown).decode())
        else:
            at = datetime.fromtimestamp(entry.updated_at_ms / 1000, UTC).isoformat(" ", "seconds")
            click.echo("\t".join((client_id, entry.cursor, entry.channel, entry.serial or "-", at)))
