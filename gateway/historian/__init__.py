"""
The writer of the history: reads Kafka once more, and keeps in Redis what clients may come back for.

    shares     which partitions are this edge's, by leases in Redis
    beginnings where a history begins, and begins anew
    scribe     records of a partition → steps of its history
    detour     around records that the client library cannot decode
    progress   how far behind, and whether reading stands still
    historian  the loop around all of it

Each partition has one writer over all edges. It goes on where Redis says that its history ends, so whatever happens to an
edge or to Redis, nothing is left out: an edge that dies is followed by another, a Redis that forgot everything is filled
again from Kafka, as far back as is promised.
"""

from gateway.historian.historian import Historian

__all__ = ["Historian"]
