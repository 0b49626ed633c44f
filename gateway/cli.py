"""
The command `lastmile`.

Each command imports what it needs when it is called, so that minting a token does not wait for Kafka's libraries.
Keys and tokens may come from LASTMILE_KEY and LASTMILE_TOKEN instead of the command line, which others can see.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from gateway.errors import GatewayError
from gateway.terminal.options import Address, CapabilityText, CursorName, Duration, KeyText, Position, Rewind, Utf8

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from auth.capability import Capability
    from auth.keys import Key
    from gateway.settings import Settings
    from gateway.terminal.cursors import Choice
    from gateway.terminal.posting import Posting
    from gateway.terminal.topic_advice import Finding

MAX_WORKERS = 256
MAX_LINE_BYTES = 1 << 20
_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


class _ReaderGone(Exception):
    """Whoever read our output has closed it."""


class _Commands(click.Group):
    """Commands whose errors of ours end in a sentence, not in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            raise click.ClickException(error.message) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lastmile", message="lastmile %(version)s")
def main() -> None:
    """A realtime edge between Kafka and devices."""


_config = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file; else lastmile.toml if it is there, else the environment alone.",
)
_key = click.option("--key", type=KeyText(), envvar="LASTMILE_KEY", help="A key; better given as LASTMILE_KEY.")


@main.command()
@_config
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


@main.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Of the page, on 127.0.0.1."
)
def dev(port: int) -> None:
    """Try it: everything in one process, with a demo bank. Nothing is kept, nothing but this machine is served."""
    from gateway.dev import run as run_dev

    run_dev(port=port)


@main.command()
@_config
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


@main.command()
def settings() -> None:
    """Print the table of all settings, in Markdown."""
    from gateway.settings import settings_table

    click.echo(settings_table(), nl=False)


@main.group()
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


@main.command()
@_key
@click.option("--client-id", help="Whose token it is; '*' may claim to be anybody.")
@click.option("--capability", type=CapabilityText(), help="What it allows, within the key's rights; else all of them.")
@click.option("--ttl", type=Duration(), default="1h", show_default=True, help="How long it is good.")
def token(key: Key | None, client_id: str | None, capability: Capability | None, ttl: float) -> None:
    """Mint a token (a JWT that every edge with this key accepts)."""
    from auth.ably_token import mint

    if key is None:
        raise click.UsageError("a key is needed: --key APP.KEY:SECRET or LASTMILE_KEY")
    click.echo(mint(key, now=time.time(), ttl_seconds=ttl, client_id=client_id, capability=capability))


@main.command()
@click.argument("channel")
@click.option("--url", type=Address(), default="ws://127.0.0.1:8080", show_default=True, help="The edge.")
@click.option("--token", envvar="LASTMILE_TOKEN", help="A token; better given as LASTMILE_TOKEN.")
@_key
@click.option("--client-id", help="Who to be, where the token or key leaves a choice.")
@click.option("--rewind", type=Rewind(), help="Begin with earlier messages: so many, or of so long.")
@click.option("--from", "serial", type=Position(), help="Go on after this serial.")
def subscribe(channel: str, url: str, token: str | None, key: Key | None, **choices: str | None) -> None:
    """
    Print the messages of CHANNEL, one JSON object a line, over drops and restarts of the edge.

    What happens to the connection is told on standard error. Ends with Ctrl-C, or with an error that a retry cannot heal.
    """
    from gateway.terminal.subscription import Request, Subscription

    credentials = _credentials(token, key)
    if choices["rewind"] is not None and choices["serial"] is not None:
        raise click.UsageError("--rewind and --from say different things; give one of them")
    request = Request(url=url, channel=channel, credentials=credentials, **choices)
    try:
        asyncio.run(Subscription(request, _print_message, _tell).run())
    except KeyboardInterrupt:
        return
    except _ReaderGone:
        _leave_output()


@main.command()
@click.argument("channel", type=Utf8())
@click.argument("data", type=Utf8())
@click.option("--url", type=Address(), default="ws://127.0.0.1:8080", show_default=True, help="The edge.")
@click.option("--token", envvar="LASTMILE_TOKEN", help="A token; better given as LASTMILE_TOKEN.")
@_key
@click.option("--client-id", type=Utf8(), help="Who to be, where the token or key leaves a choice.")
@click.option("--name", type=Utf8(), help="The message's name.")
@click.option(
    "--id", "message_id", type=Utf8(), help="The message's id; lines get ID:0, ID:1 and so on. Else a new one."
)
@click.option(
    "--encoding", type=Utf8(), help="What DATA is, such as base64; '' for text that looks like JSON. Else found out."
)
@click.option("--ephemeral", "is_ephemeral", is_flag=True, help="For those who listen now; not stored for later.")
def publish(
    channel: str,
    data: str,
    url: str,
    token: str | None,
    key: Key | None,
    client_id: str | None,
    message_id: str | None,
    **form: Any,
) -> None:
    """
    Publish DATA on CHANNEL, and print where it is: one JSON object with channel, id and serial.

    DATA that is a JSON object or array is sent as such, else as text; - publishes each line of standard input, in order.
    Ends with 0 when Kafka has everything. What was not answered is sent again for 30 s, and delivered once.
    """
    from gateway.terminal.posting import Destination, Form, Posting

    destination = Destination(url, channel, _credentials(token, key), client_id)
    ids = _ids(message_id, is_one=data != "-")
    try:
        with Posting(destination, Form(**form), _tell) as posting:
            for number, text in _lines() if data == "-" else [(0, data)]:
                _print_message(_posted(posting, number, text, next(ids)))
    except KeyboardInterrupt:
        sys.exit(130)
    except _ReaderGone:
        _leave_output()


def _posted(posting: Posting, line: int, text: str, message_id: str) -> Mapping[str, Any]:
    """What is to be printed. *line*: of standard input, from 1 on; 0 for what came by the command line."""
    try:
        return posting.post(text, message_id)
    except GatewayError as error:
        where = f"line {line} and those after it were not published: " if line else ""
        raise click.ClickException(where + error.message) from None


def _ids(given: str | None, *, is_one: bool) -> Iterator[str]:
    """Ids, so that what is sent again is delivered once."""
    base = given or secrets.token_urlsafe(9)
    return iter([base]) if is_one else (f"{base}:{number}" for number in itertools.count())


def _lines() -> Iterator[tuple[int, str]]:
    """Lines of standard input that are not blank, with their numbers from 1 on."""
    lines = iter(lambda: sys.stdin.buffer.readline(MAX_LINE_BYTES + 1), b"")
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE_BYTES:
            raise click.ClickException(f"line {number} has more than {MAX_LINE_BYTES} bytes")
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise click.ClickException(f"line {number} is not UTF-8; give bytes as --encoding base64") from None
        if text.strip():
            yield number, text


def _credentials(token: str | None, key: Key | None) -> str | Key:
    """What was typed counts before what the environment has, and a token before a key."""
    if token is None and key is None:
        raise click.UsageError(
            "credentials are needed: --token or LASTMILE_TOKEN, or --key APP.KEY:SECRET or LASTMILE_KEY"
        )
    is_key_typed = click.get_current_context().get_parameter_source("key") is click.core.ParameterSource.COMMANDLINE
    return key if key is not None and (is_key_typed or token is None) else token or ""


def _leave_output() -> None:
    """Whoever read it is gone, and what is still buffered has nowhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_app = click.option("--app", "app_id", help="Of the settings; needed where they have several.")


@main.command()
@_config
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


@main.command()
@_config
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


def _print_message(message: Mapping[str, Any]) -> None:
    try:
        sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise _ReaderGone from None


def _tell(sentence: str) -> None:
    click.echo(sentence, err=True)


def _show(finding: Finding) -> None:
    _show_finding(finding.level, finding.subject, finding.text)
    if finding.remedy:
        click.echo(f"         → {finding.remedy}")


def _show_finding(level: str, subject: str, text: str) -> None:
    click.echo(f"{click.style(f'{level:8}', fg=_COLOURS[level])} {subject}: {text}")
