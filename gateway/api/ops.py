"""
The ops port: what load balancers, orchestrators and Prometheus ask. Not for the internet.

    /health/live     200 as long as the loop turns
    /health/ready    200 when clients should be sent here; 503 with the reason before that and while draining
    /metrics         Prometheus text
    /cursors         where devices stand, listed and removed; /clients: what is kept of a person, removed (gateway.api.cursors)
"""

from __future__ import annotations

from math import isfinite
from typing import Protocol

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry

from gateway.api.cursors import Keeper, cursors_router
from gateway.api.faults import answer_faults
from gateway.metrics.counts import Counts
from gateway.metrics.exposition import CONTENT_TYPE, exposition
from gateway.metrics.readings import TopicLag


class Operated(Keeper, Protocol):
    """What the ops port sees of an edge's parts."""

    @property
    def counts(self) -> Counts:
        """What the metrics show."""


class Watched(Protocol):
    """How an edge is."""

    @property
    def registry(self) -> CollectorRegistry:
        """Its metrics."""

    def unready_because(self) -> str | None:
        """Why no clients should be sent here; None if they should."""

    def revocation_age_seconds(self) -> float | None:
        """How old what is known of revocations may be; None where there are none."""

    def lag(self) -> dict[str, TopicLag]:
        """How far the tail is behind, by namespace."""


def create_ops_app(parts: Operated, condition: Watched) -> FastAPI:
    """The app of the ops port."""
    app = FastAPI(openapi_url=None)
    answer_faults(app, parts.counts, parts.note)
    app.include_router(cursors_router(parts))

    @app.get("/health/live")
    async def live() -> JSONResponse:
        return JSONResponse({"status": "live"})

    @app.get("/health/ready")
    async def ready() -> JSONResponse:
        reason = condition.unready_because()
        lag = {
            namespace: {
                "topic": lag.topic,
                "records": lag.records,
                "milliseconds": round(lag.seconds * 1000),
                "as_of": lag.as_of_ms,
            }
            for namespace, lag in condition.lag().items()
        }
        age_seconds = condition.revocation_age_seconds()
        known: dict[str, object] = {"lag": lag}
        if age_seconds is not None:
            known["revocations"] = {"age_seconds": round(age_seconds, 3) if isfinite(age_seconds) else None}
        if reason is not None:
            return JSONResponse({"status": "not ready", "reason": reason, **known}, status_code=503)
        return JSONResponse({"status": "ready", **known})

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(exposition(condition.registry), media_type=CONTENT_TYPE)

    return app
