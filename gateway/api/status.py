"""
What is known of channels now.

    GET /channels/{name}    whether anybody is attached on this edge, and how many
    GET /channels           the channels of this edge that somebody is attached to

Source: PROTOCOL.md section 8; RSL8, CHD1 to CHM2.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response

from auth.principal import Principal
from gateway.api.admission import admit
from gateway.api.formats import answer
from gateway.api.occupancy import SLICE, Metrics, Occupancy
from gateway.api.paths import decoded
from gateway.api.served import Served
from gateway.core.history import parse_limit
from gateway.core.names import parse_channel_name
from gateway.errors import BadParameter, ChannelDenied, NoSuchChannel

OPERATION = "channel-metadata"
_FORMS = ("value", "id")


class Listed(NamedTuple):
    """
    Which channels are asked for.

    Args:
        prefix: With which their names begin.
        by: ``value``: with their status; ``id``: their names.
        limit: Of a page.
        page: The last name of the page before.
    """

    prefix: str
    by: str
    limit: int
    page: str


def status_router(edge: Served) -> APIRouter:
    """The routes of channels' status."""
    router = APIRouter()
    occupancy = Occupancy(edge.hub)

    @router.get("/channels/{name}")
    async def status(name: str, request: Request) -> Response:
        principal = await admit(request, edge.verifier, edge.settings.server.authentication_timeout_seconds)
        channel = parse_channel_name(decoded(name)).name
        if edge.router.source_of(channel) is None:
            raise NoSuchChannel("no namespace of this server has channels of this name")
        if not principal.capability.allows(OPERATION, channel):
            raise ChannelDenied(f"the credentials do not allow {OPERATION} on this channel; ask for ones that name it")
        return answer(request, status_of(channel, (await occupancy.look()).get(channel)))

    @router.get("/channels")
    async def channels(request: Request) -> Response:
        principal = await admit(request, edge.verifier, edge.settings.server.authentication_timeout_seconds)
        listed = parse_listed(request.query_params)
        found = await occupancy.look()
        allowed = await _first_names(list(found), listed, principal)
        page = allowed[: listed.limit]
        shown: list[Any] = page if listed.by == "id" else [status_of(name, found[name]) for name in page]
        return answer(request, shown, headers={"Link": _links(listed, page, has_more=len(allowed) > listed.limit)})

    return router


def status_of(channel: str, metrics: Metrics | None) -> dict[str, Any]:
    """A channel as SDKs read it (CHD2); without *metrics* nobody is attached."""
    shown = (metrics or Metrics()).shown()
    status = {"isActive": metrics is not None, "occupancy": {"metrics": shown}}
    return {"channelId": channel, "name": channel, "status": status}


def parse_listed(params: Mapping[str, str]) -> Listed:
    """
    Read the params of a request for channels; what is unknown is ignored.

    Raises:
        BadParameter: If a value is one that it cannot have.
    """
    by = params.get("by", "value")
    if by not in _FORMS:
        raise BadParameter("by is value or id")
    return Listed(params.get("prefix", ""), by, parse_limit(params), params.get("page", ""))


async def _first_names(names: Sequence[str], listed: Listed, principal: Principal) -> list[str]:
    """The first of a page by name, and one more if there is one; in slices, since there may be a hundred thousand."""
    first: list[str] = []
    for at in range(0, len(names), SLICE):
        wanted = (
            name
            for name in names[at : at + SLICE]
            if name > listed.page and name.startswith(listed.prefix) and principal.capability.allows(OPERATION, name)
        )
        first = heapq.nsmallest(listed.limit + 1, [*first, *wanted])
        await asyncio.sleep(0)
    return first


def _links(listed: Listed, page: list[str], *, has_more: bool) -> str:
    asked = {"by": listed.by, "limit": str(listed.limit), **({"prefix": listed.prefix} if listed.prefix else {})}
    pages = {"first": "", "current": listed.page, **({"next": page[-1]} if has_more else {})}
    return ", ".join(
        f'<./channels?{urlencode({**asked, "page": at} if at else asked, quote_via=quote, safe="")}>; rel="{rel}"'
        for rel, at in pages.items()
    )
