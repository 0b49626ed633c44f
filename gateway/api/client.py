"""`/lastmile.js`: our own client, as an ES module that any page may import from the edge it talks to."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Request, Response

from gateway.api.asset import Asset

CLIENT = files("gateway") / "client" / "lastmile.js"
_HEADERS = {
    "Cache-Control": "public, max-age=300",  # a new edge's client is in use minutes later
    "Access-Control-Allow-Origin": "*",  # modules are fetched with CORS, and there is nothing secret in it
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def client_router() -> APIRouter:
    """The route of the client."""
    asset = Asset(CLIENT, _HEADERS)
    router = APIRouter()

    @router.api_route("/lastmile.js", methods=["GET", "HEAD"], include_in_schema=False)
    async def lastmile_js(request: Request) -> Response:
        return asset.answer(request)

    return router
