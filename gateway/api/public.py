"""The public port's HTTP: REST, and our own client for browsers. WebSockets never come here."""

from __future__ import annotations

import time

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from gateway.api import channels
from gateway.api.admission import check_origin, check_version
from gateway.api.channels import channels_router
from gateway.api.client import client_router
from gateway.api.cross_origin import CrossOrigin
from gateway.api.faults import answer_faults
from gateway.api.formats import answer
from gateway.api.keys import keys_router
from gateway.api.paths import SentPaths
from gateway.api.publishing import publishing_router
from gateway.api.revoking import revoking_router
from gateway.api.served import Served
from gateway.api.status import status_router


def create_app(edge: Served) -> FastAPI:
    """The app of the public port."""
    allowed = edge.settings.server.allowed_origins
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.add_middleware(CrossOrigin, allowed=allowed, exposed=channels.EXPOSED_HEADERS)
    app.add_middleware(SentPaths)
    answer_faults(app, edge.counts, edge.note)

    async def check(request: Request) -> None:
        check_origin(request, allowed)
        check_version(request)

    for router in (
        time_router(),
        channels_router(edge),
        status_router(edge),
        publishing_router(edge),
        keys_router(edge),
        revoking_router(edge),
    ):
        app.include_router(router, dependencies=[Depends(check)])
    app.include_router(client_router())
    return app


def time_router() -> APIRouter:
    """`/time`: the server's clock in milliseconds, for those who sign and do not trust their own (RSC16)."""
    router = APIRouter()

    @router.get("/time")
    async def tell_time(request: Request) -> Response:
        return answer(request, [time.time_ns() // 1_000_000])

    return router
