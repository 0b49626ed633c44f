"""What limits cost: CPU of a publication with all of them on, of the same with none, two edges sharing them."""

from __future__ import annotations

import json
import time
from typing import Any

from websockets.sync.client import ClientConnection, connect

from auth.ably_token import mint
from bench.figures import Figure, ratios
from bench.ground import KEY, TOKEN_SECONDS, Ground, Lastmile
from bench.scale import Scale
from bench.usage import cpu_seconds

PUBLICATIONS = 6000
UNDER_WAY = 150
ENOUGH = 1_000_000.0
RATES = (
    "attaches_per_second",
    "publishes_per_second_per_connection",
    "publishes_per_second_per_client",
    "publishes_per_second_per_channel",
    "publishes_per_second_per_app",
)
INBOUND = {"inbound_messages_per_second": 1_000_000, "inbound_bytes_per_second": 1 << 30}


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """Publications one after the other on each edge, in turn."""
    limits: dict[str, Any] = dict.fromkeys(RATES, ENOUGH) | INBOUND
    with_them = ground.lastmile(limits=limits)
    without = ground.lastmile(limits=dict.fromkeys(limits, 0))
    for edge in (with_them, without):
        _publish(edge, PUBLICATIONS // 10)
    cpu_us: dict[Lastmile, list[float]] = {with_them: [], without: []}
    for _ in scale.runs("limits"):
        for edge, found in cpu_us.items():
            found.append(_cpu_us(edge, scale.count(PUBLICATIONS)))
    return [
        Figure(0, "CPU of a publication with limits, of without", "", ratios(cpu_us[with_them], cpu_us[without])),
        Figure(0, "CPU of a publication with limits", "µs", cpu_us[with_them]),
        Figure(0, "CPU of a publication without", "µs", cpu_us[without]),
    ]


def _cpu_us(edge: Lastmile, count: int) -> float:
    before = cpu_seconds(edge.process.pid)
    _publish(edge, count)
    return (cpu_seconds(edge.process.pid) - before) / count * 1e6


def _publish(edge: Lastmile, count: int) -> None:
    """Have *count* messages acknowledged, some always under way."""
    token = mint(KEY, now=time.time(), ttl_seconds=TOKEN_SECONDS, client_id="phone")
    with connect(f"ws://127.0.0.1:{edge.port}/?v=3&heartbeats=false&accessToken={token}") as socket:
        acknowledged = 0
        for serial in range(count):
            socket.send(f'{{"action":15,"channel":"account:1","msgSerial":{serial},"messages":[{{"data":"x"}}]}}')
            while serial - acknowledged >= UNDER_WAY:
                acknowledged += _acknowledged(socket)
        while acknowledged < count:
            acknowledged += _acknowledged(socket)


def _acknowledged(socket: ClientConnection) -> int:
    told = json.loads(socket.recv())
    if told["action"] == 2:
        raise RuntimeError(f"a publication was refused: {told['error']}")
    return int(told["count"]) if told["action"] == 1 else 0
