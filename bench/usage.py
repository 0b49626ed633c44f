"""What a process uses, as the kernel counts it."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from pathlib import Path

from tests.testbed.redis import RedisServer

_CALLS = re.compile(r"cmdstat_([a-z|-]+):calls=(\d+)")
_WRITE_QUEUE = re.compile(r"skmem:\(r(\d+),rb\d+,t(\d+),tb\d+,f(\d+),w(\d+)")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process so far, to the nanosecond (its CPU clock, clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


def resident_bytes(pid: int) -> int:
    """VmRSS."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024


def peak_bytes_since_reset(pid: int) -> int:
    """The most that was resident since `reset_peak` (VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def reset_peak(pid: int) -> None:
    """Forget what was resident before (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def redis_calls(redis: RedisServer) -> Counter[str]:
    """How often each command was called so far, those inside of scripts included (INFO commandstats)."""
    return Counter({name: int(calls) for name, calls in _CALLS.findall(redis.command("INFO commandstats"))})


def kernel_bytes_by_socket(port: int) -> list[int]:
    """Kernel memory of each connection that a server holds on *port*: receive and write queue with their overhead."""
    told = subprocess.run(
        ["ss", "-tmnH", "state", "established", "sport", "=", f":{port}"], capture_output=True, text=True, check=True
    )
    return [sum(map(int, match)) for match in _WRITE_QUEUE.findall(told.stdout)]
