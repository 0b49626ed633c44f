"""What `/metrics` answers: an edge and its process."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest

from gateway.metrics.collector import EdgeCollector
from gateway.metrics.counts import Counts
from gateway.metrics.readings import Readings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def registry_of(counts: Counts, read: Callable[[], Readings], version: str) -> CollectorRegistry:
    """A registry of an edge and its process; each edge has its own, so several can live in one process."""
    registry = CollectorRegistry()
    registry.register(EdgeCollector(counts, read, version))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """What `/metrics` answers, of type `CONTENT_TYPE`."""
    return generate_latest(registry)
