"""What a process uses, as the kernel counts it."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

_WRITE_QUEUE = re.compile(r"skmem:\(r(\d+),rb\d+,t(\d+),tb\d+,f(\d+),w(\d+)")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process so far, to the nanosecond (its CPU clock, clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


def resident_bytes(pid: int) -> int:
    """VmRSS."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024


def kernel_bytes_by_socket(port: int) -> list[int]:
    """Kernel memory of each connection that a server holds on *port*: receive and write queue with their overhead."""
    told = subprocess.run(
        ["ss", "-tmnH", "state", "established", "sport", "=", f":{port}"], capture_output=True, text=True, check=True
    )
    return [sum(map(int, match)) for match in _WRITE_QUEUE.findall(told.stdout)]
