"""
`/cursors` and `/clients` of the ops port: where devices stand, and what is kept of a person.

    GET    /cursors?app=bank                                          clients that have cursors, page by page
    GET    /cursors?app=bank&clientId=alice                           all of hers
    DELETE /cursors?app=bank&clientId=alice[&cursor=…][&channel=…]    some, or all
    DELETE /clients?app=bank&clientId=alice                           cursors and connections: everything in Redis under her name

A param that is not known is refused: a misspelt one would remove more than was meant.

Source: docs/privacy.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from fastapi import APIRouter, Request, Response

from gateway.api.formats import answer
from gateway.core.names import parse_channel_name, parse_cursor_name
from gateway.core.terms import Note
from gateway.errors import BadParameter
from gateway.settings import Settings
from gateway.store.connections import ConnectionStore
from gateway.store.cursors import CursorStore

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000


class Keeper(Protocol):
    """What these routes see of an edge."""

    @property
    def settings(self) -> Settings:
        """All of them."""

    @property
    def note(self) -> Note | None:
        """For the audit journal; None where none is kept."""

    @property
    def cursors(self) -> CursorStore:
        """Where devices stand."""

    @property
    def connections(self) -> ConnectionStore:
        """Connections that can be resumed."""


def cursors_router(edge: Keeper) -> APIRouter:
    """The routes of cursors."""
    router = APIRouter()

    def asked(request: Request, *optional: str) -> dict[str, str]:
        return check_params(request.query_params, {app.id for app in edge.settings.apps}, ("app", *optional))

    def told(event: str, params: Mapping[str, str], **counts: int) -> None:
        if edge.note is not None:
            which = {name: params[name] for name in ("cursor", "channel") if name in params}
            edge.note(event, app=params["app"], client=params["clientId"], **which, **counts)

    @router.get("/cursors")
    async def listed(request: Request) -> Response:
        params = asked(request, "clientId", "after", "limit")
        client_id = params.get("clientId")
        if client_id is not None:
            entries = await edge.cursors.of_client(params["app"], client_id)
            return answer(request, {"cursors": [entry.shown() for entry in entries]})
        page = await edge.cursors.clients(params["app"], params.get("after", ""), limit_of(params.get("limit")))
        return answer(request, {"clients": page.clients, "after": page.after})

    @router.delete("/cursors")
    async def removed(request: Request) -> Response:
        params = asked(request, "clientId", "cursor", "channel")
        count = await edge.cursors.remove(params["app"], client_of(params), params.get("cursor"), params.get("channel"))
        told("remove", params, cursors=count)
        return answer(request, {"cursors": count})

    @router.delete("/clients")
    async def erased(request: Request) -> Response:
        params = asked(request, "clientId")
        client_id = client_of(params)
        cursors = await edge.cursors.remove(params["app"], client_id)
        connections = await edge.connections.erase(params["app"], client_id)
        told("erase", params, cursors=cursors, connections=connections)
        return answer(request, {"cursors": cursors, "connections": connections})

    return router


def check_params(params: Mapping[str, str], apps: Collection[str], known: Collection[str]) -> dict[str, str]:
    """
    See that a request says what it means.

    Args:
        params: Of the query.
        apps: By the settings.
        known: Names that may stand there.

    Raises:
        BadParameter: If there is another one, one is empty, or the app is none of the settings.
        BadCursorName, BadChannelName: If nothing can be called so.
    """
    unknown = sorted(set(params) - set(known))
    if unknown:
        raise BadParameter(f"{unknown[0][:80]!r} is not known here; there are {', '.join(known)}")
    empty = sorted(name for name, value in params.items() if not value)
    if empty:
        raise BadParameter(f"{empty[0]} is empty; leave it out, or say which")
    if params.get("app") not in apps:
        raise BadParameter(f"app is one of {', '.join(sorted(apps))}")
    if "cursor" in params:
        parse_cursor_name(params["cursor"])
    if "channel" in params:
        parse_channel_name(params["channel"])
    return dict(params)


def client_of(params: Mapping[str, str]) -> str:
    """
    Whose state it is.

    Raises:
        BadParameter: If that is not said: nothing is ever removed of everybody.
    """
    client_id = params.get("clientId")
    if client_id is None:
        raise BadParameter("clientId is missing; it says whose state is removed")
    return client_id


def limit_of(text: str | None) -> int:
    """
    How many clients a page has, about.

    Raises:
        BadParameter: If it is no number from 1 to 1000.
    """
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT):
        raise BadParameter(f"limit is a number from 1 to {MAX_LIMIT}")
    return int(text)
