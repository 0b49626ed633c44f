"""
What publishing costs: from a client's MESSAGE to its ACK, beside producers that have no gateway before them.

Three are measured in turn, each on its own topic of the same broker: clients of an edge, aiokafka's producer as it is
(acks=all, idempotent), and the edge's producer alone. One, ten, a hundred and a thousand publish at a time; each waits for
its ACK before it publishes the next.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from auth.ably_token import mint
from auth.capability import Capability
from bench.figures import Figure, ratios
from bench.ground import KEY, PARTITIONS, TOKEN_SECONDS, Ground, Speaker
from bench.limits import INBOUND, RATES
from bench.scale import Scale
from bench.usage import cpu_seconds

CHANNELS = 200
PUBLISHERS = (1, 10, 100, 1000)
SECONDS = 4.0
WARM_UP_SECONDS = 2.0


@dataclass
class _Measured:
    """Who publishes, and what it took in each run, by the number of publishers."""

    speaker: Speaker
    cpu_of: Sequence[int]
    p50_ms: dict[int, list[float]] = field(default_factory=dict)
    per_second: dict[int, list[float]] = field(default_factory=dict)
    cpu_us: dict[int, list[float]] = field(default_factory=dict)
    per_request: dict[int, list[float]] = field(default_factory=dict)

    def run(self, publishers: int, seconds: float) -> None:
        before = sum(map(cpu_seconds, self.cpu_of))
        told = self.speaker.ask(f"{publishers} {seconds}")
        cpu = sum(map(cpu_seconds, self.cpu_of)) - before
        took: list[float] = told["seconds"]
        self.p50_ms.setdefault(publishers, []).append(quantiles(took, n=2)[0] * 1000)
        self.per_second.setdefault(publishers, []).append(len(took) / seconds)
        self.cpu_us.setdefault(publishers, []).append(cpu / len(took) * 1e6)
        if "requests" in told:
            self.per_request.setdefault(publishers, []).append(told["requests"] / len(took))


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """Latency and CPU of the edge beside a bare producer's, and how many publications share a request."""
    unlimited = dict.fromkeys((*RATES, *INBOUND), 0)
    edge = ground.lastmile(history_messages=0, limits={"max_connections": 2000} | unlimited)
    token = mint(
        KEY,
        now=time.time(),
        ttl_seconds=TOKEN_SECONDS,
        client_id="publisher",
        capability=Capability.parse({"account:*": ["publish"]}),
    )
    clients = ground.speaker("bench.publishers", str(edge.port), token, str(CHANNELS))
    bare, ours = (
        ground.speaker("bench.producers", ground.kafka, ground.records.make_topic(PARTITIONS), str(CHANNELS), kind)
        for kind in ("bare", "ours")
    )
    served = _Measured(clients, [edge.process.pid])
    others = [_Measured(speaker, [speaker.pid]) for speaker in (bare, ours)]
    for one in (served, *others):
        one.speaker.ask(f"{max(PUBLISHERS)} {scale.seconds(WARM_UP_SECONDS)}")
    for _ in scale.runs("publish"):
        for publishers in PUBLISHERS:
            for one in (served, *others):
                one.run(publishers, scale.seconds(SECONDS))
    return [figure for publishers in PUBLISHERS for figure in _figures(publishers, served, *others)]


def _figures(publishers: int, served: _Measured, bare: _Measured, ours: _Measured) -> list[Figure]:
    who = f"{publishers:,} publishers" if publishers > 1 else "1 publisher"
    return [
        Figure(
            0,
            f"{who}: from MESSAGE to ACK, p50, of a bare producer's",
            "",
            ratios(served.p50_ms[publishers], bare.p50_ms[publishers]),
        ),
        Figure(0, f"{who}: p50: Lastmile", "ms", served.p50_ms[publishers]),
        Figure(0, f"{who}: p50: bare producer", "ms", bare.p50_ms[publishers]),
        Figure(0, f"{who}: p50: the edge's producer alone", "ms", ours.p50_ms[publishers]),
        Figure(
            0,
            f"{who}: CPU of a publication, of a bare producer's",
            "",
            ratios(served.cpu_us[publishers], bare.cpu_us[publishers]),
        ),
        Figure(0, f"{who}: CPU of a publication: Lastmile", "µs", served.cpu_us[publishers]),
        Figure(0, f"{who}: publications a second: Lastmile", "", served.per_second[publishers]),
        Figure(0, f"{who}: publications a second: bare producer", "", bare.per_second[publishers]),
        Figure(0, f"{who}: produce requests a publication: the edge's producer", "", ours.per_request[publishers]),
        Figure(0, f"{who}: produce requests a publication: bare producer", "", bare.per_request[publishers]),
    ]
