"""`token`, `subscribe` and `publish`: a client in the terminal."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import sys
import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from gateway.errors import GatewayError
from gateway.terminal.options import Address, CapabilityText, Duration, KeyText, Position, Rewind, Utf8

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from auth.capability import Capability
    from auth.keys import Key
    from gateway.terminal.posting import Posting

MAX_LINE_BYTES = 1 << 20
_key = click.option("--key", type=KeyText(), envvar="LASTMILE_KEY", help="A key; better given as LASTMILE_KEY.")
_url = click.option("--url", type=Address(), default="ws://127.0.0.1:8080", show_default=True, help="The edge.")
_token = click.option("--token", envvar="LASTMILE_TOKEN", help="A token; better given as LASTMILE_TOKEN.")


class _ReaderGone(Exception):
    """Whoever read our output has closed it."""


@click.command()
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


@click.command()
@click.argument("channel")
@_url
@_token
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


@click.command()
@click.argument("channel", type=Utf8())
@click.argument("data", type=Utf8())
@_url
@_token
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


def _print_message(message: Mapping[str, Any]) -> None:
    try:
        sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise _ReaderGone from None


def _tell(sentence: str) -> None:
    click.echo(sentence, err=True)
