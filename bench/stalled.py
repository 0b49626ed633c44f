"""
Target 4, second half: what a client that reads no more holds in the kernel, and in the gateway.

All clients of one channel stop reading while far more is written than any buffer takes.
"""

from __future__ import annotations

from bench.figures import Figure, at_most
from bench.ground import Ground
from bench.load import write_all
from bench.scale import Scale
from bench.usage import kernel_bytes_by_socket, resident_bytes
from tests.testbed.edge import EdgeProcess
from tests.testbed.process import wait_until

STALLED = 200
READERS = 10
RECORDS = 20_000  # of 280 bytes: 5 MB for each client
ACCOUNT = "1001"
WAIT_SECONDS = 60.0


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """Kernel memory of the fullest socket; growth of VmRSS, the window's share of it included."""
    kernel: list[float] = []
    resident: list[float] = []
    for _ in scale.runs("stalled"):
        gateway = ground.lastmile()
        crowd = ground.crowd(gateway, [ACCOUNT] * (STALLED + READERS))
        crowd.open(STALLED + READERS)
        crowd.stall(STALLED)
        before = resident_bytes(gateway.process.pid)
        write_all(ground.records, gateway.topic, [ACCOUNT], RECORDS)
        crowd.wait(RECORDS * READERS, WAIT_SECONDS)
        _wait_until_lagging(gateway.edge)
        kernel.append(max(kernel_bytes_by_socket(gateway.port)) / 1024)
        resident.append((resident_bytes(gateway.process.pid) - before) / STALLED / 1024)
        crowd.close()
        ground.end(gateway)
    return [
        Figure(4, "kernel memory of a stalled connection", "KB", kernel, at_most(256)),
        Figure(0, "resident memory by stalled connection, the window's included", "KB", resident),
    ]


def _wait_until_lagging(edge: EdgeProcess) -> None:
    wait_until(lambda: edge.metrics()["lastmile_attachments_lagging"] >= STALLED, "the stalled clients lag")
