"""
Names that clients give: channels, with the qualifier that may stand before them, and cursors.

    [?rewind=10&cursor=phone-7]account:8731
     └ params, as in ATTACH's `params` ┘└ name ┘

Source: PROTOCOL.md section 4; RTS3, RTL4k.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl

from gateway.errors import BadChannelName, BadCursorName

MAX_NAME_BYTES = 2048
_CURSOR = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class ChannelName(NamedTuple):
    """A channel as a client asked for it: its plain name and the params of its qualifier."""

    name: str
    params: dict[str, str]


def parse_channel_name(text: str | None) -> ChannelName:
    """
    Tell name and qualifier apart, and refuse what no channel can be called.

    Args:
        text: For example ``"account:8731"`` or ``"[?rewind=1]account:8731"``.

    Raises:
        BadChannelName: If it is empty, too long, has control characters, begins with ``:`` or with a
            qualifier that names something other than params.
    """
    if not text:
        raise BadChannelName("a channel name is missing")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise BadChannelName(f"a channel name may have at most {MAX_NAME_BYTES} bytes")
    params: dict[str, str] = {}
    name = text
    if text[0] == "[":
        qualifier, closing, name = text[1:].partition("]")
        if not closing or not qualifier.startswith("?"):
            raise BadChannelName("of qualified channels only [?param=value]name is offered")
        params = _qualifier_params(qualifier[1:])
    if not name or name[0] in ":[" or not name.isprintable():
        raise BadChannelName(
            f"{name[:80]!r} is not a channel name: it must not be empty, begin with ':' or '[', or hold control characters"
        )
    return ChannelName(name, params)


def parse_cursor_name(text: str) -> str:
    """
    Pass on what a cursor can be called.

    Args:
        text: For example ``"phone-7"``.

    Raises:
        BadCursorName: If it is anything but 1 to 64 letters, digits, dots, underscores and hyphens.
    """
    if _CURSOR.fullmatch(text) is None:
        raise BadCursorName(
            "a cursor's name has 1 to 64 letters, digits, '.', '_' or '-'; name the device by it, such as phone-7"
        )
    return text


def _qualifier_params(query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=16))
    except ValueError:
        raise BadChannelName("the qualifier before the channel name is not of the form [?param=value]") from None
