"""What may stand on a command line, checked before anything is done. What is a secret is never repeated in a complaint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from auth.capability import Capability
from auth.errors import AuthError
from auth.keys import Key
from gateway.core.attaching import parse_rewind
from gateway.core.names import parse_cursor_name
from gateway.core.serial import parse_serial
from gateway.errors import GatewayError

_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)", re.ASCII)
_UNIT_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_KEY = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+):(.+)", re.DOTALL)
_URL = re.compile(r"(ws|http)(s?)://([^/?#@\s]+)/?", re.ASCII)

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file; else lastmile.toml if it is there, else the environment alone.",
)


class Utf8(click.ParamType[str]):
    """Text; what a shell passes on may be none."""

    name = "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it is."""
        text = str(value)
        if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
            self.fail("this is not UTF-8", param, ctx)
        return text


class KeyText(click.ParamType[Key]):
    """``APP.KEY:SECRET``."""

    name = "APP.KEY:SECRET"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Key:
        """Take it apart; its capability is unknown here, the edge knows it."""
        if isinstance(value, Key):
            return value
        match = _KEY.fullmatch(str(value).strip())
        if match is None:
            self.fail("a key is written APP.KEY:SECRET", param, ctx)
        return Key(match[1], match[2], match[3].encode("utf-8", "surrogateescape"), Capability.parse({"*": ["*"]}))


class CapabilityText(click.ParamType[Capability]):
    """A capability as JSON."""

    name = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Capability:
        """Refuse operations that do not exist."""
        if isinstance(value, Capability):
            return value
        try:
            return Capability.parse(str(value))
        except AuthError:
            self.fail("""write patterns and operations as JSON: {"account:42": ["subscribe"]}""", param, ctx)


class Duration(click.ParamType[float]):
    """A time span such as ``90s``, ``30m``, ``1h`` or ``7d``; a bare number is seconds."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """In seconds."""
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value))
        if match is None or int(match[1]) == 0:
            self.fail("a time span is written 90s, 30m, 1h or 7d", param, ctx)
        return int(match[1]) * _UNIT_SECONDS[match[2]]


class Address(click.ParamType[str]):
    """The public port of an edge, as ws://, wss://, http:// or https://."""

    name = "URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As ws:// or wss://; the query is ours."""
        match = _URL.fullmatch(str(value))
        if match is None:
            self.fail("the address of an edge is written ws://host:port, or wss:// for TLS, without a path", param, ctx)
        return f"ws{match[2]}://{match[3]}/"


class Rewind(click.ParamType[str]):
    """How far back to begin: ``10`` messages, ``15s`` or ``2m``."""

    name = "N|15s|2m"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As the edge wants it."""
        return _checked(self, parse_rewind, value, param, ctx)


class Position(click.ParamType[str]):
    """The ``serial`` of the last message that is known."""

    name = "SERIAL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it was printed."""
        return _checked(self, parse_serial, value, param, ctx)


class CursorName(click.ParamType[str]):
    """What a device calls its position."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it is."""
        return _checked(self, parse_cursor_name, value, param, ctx)


def _checked(
    kind: click.ParamType[str], parse: Any, value: Any, param: click.Parameter | None, ctx: click.Context | None
) -> str:
    text = str(value)
    try:
        parse(text)
    except GatewayError as error:
        kind.fail(error.message, param, ctx)
    return text
