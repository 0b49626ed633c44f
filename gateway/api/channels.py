"""
`/channels/{name}/messages`: a channel's past, page by page.

Source: PROTOCOL.md section 8; RSL2, RTL10, TG1 to TG7.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response

from auth.principal import Principal
from gateway.api.admission import admit
from gateway.api.formats import answer, format_of
from gateway.api.paths import decoded
from gateway.api.served import Served
from gateway.core.frames import rest_form
from gateway.core.history import Page, Query, parse_query
from gateway.core.names import parse_channel_name
from gateway.core.postponed import PATIENCE_SECONDS
from gateway.core.serial import Position
from gateway.core.window import Window
from gateway.errors import ChannelDenied, KafkaUnavailable, NoSuchChannel

WHOLE_SINCE = "X-Lastmile-Whole-Since"
EXPOSED_HEADERS = ("Link", WHOLE_SINCE)
LOOK_SECONDS = 0.05
_KEPT = ("start", "end", "fromSerial", "from_serial", "format")  # of a request, in its links; never its credentials


def channels_router(edge: Served) -> APIRouter:
    """The routes of channels."""
    router = APIRouter()

    @router.get("/channels/{name}/messages")
    async def history(name: str, request: Request) -> Response:
        principal = await admit(request, edge.verifier, edge.settings.server.authentication_timeout_seconds)
        channel = parse_channel_name(decoded(name)).name
        source = edge.router.source_of(channel)
        if source is None:
            raise NoSuchChannel("no namespace of this server has channels of this name")
        check_history(principal, channel)
        query = parse_query(request.query_params)
        if not edge.tail.is_ready:
            raise KafkaUnavailable("this server has not read up to the present yet; ask again")
        await until_read(edge.hub.window, source.topic, query.positions)
        page = await edge.listing.page(source.topic, channel, query)
        check_history(edge.verifier.review(principal, time.time()), channel)  # it may have been waited for
        wire = format_of(request)
        return answer(
            request,
            [rest_form(wire, entry.message, entry.serial) for entry in page.entries],
            headers={
                "Link": links(request.query_params, query, page),
                WHOLE_SINCE: str(int(page.whole_since * 1000) + 1 if page.whole_since else 0),
            },
        )

    return router


def check_history(principal: Principal, channel: str) -> None:
    """
    See whether somebody may read a channel's past.

    Raises:
        ChannelDenied: If not.
    """
    if not principal.capability.allows("history", channel):
        raise ChannelDenied("the credentials do not allow history on this channel; ask for ones that name it")


async def until_read(window: Window, topic: str, positions: Iterable[Position]) -> None:
    """
    Wait until this edge has read up to positions that another one gave, which may be a moment ahead; but not long.

    Raises:
        KafkaUnavailable: If the topic is not being read yet.
    """
    ahead = [position for position in positions if window.is_ahead(topic, position)]
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while ahead and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(LOOK_SECONDS)
        ahead = [position for position in ahead if window.is_ahead(topic, position)]


def links(params: Mapping[str, str], query: Query, page: Page) -> str:
    """
    Where the first page is, this one, and the next one if there is any (TG6).

    Args:
        params: Of the request.
    """
    asked = {"limit": str(query.limit), "direction": "forwards" if query.is_forwards else "backwards"}
    asked |= {name: params[name] for name in _KEPT if params.get(name)}
    pages = {"first": None, "current": params.get("page") or None, "next": page.next_page}
    if page.next_page is None:
        del pages["next"]
    return ", ".join(
        f'<./messages?{urlencode(asked if at is None else {**asked, "page": at}, quote_via=quote, safe="")}>; rel="{rel}"'
        for rel, at in pages.items()
    )
