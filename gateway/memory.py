"""
The guard of the memory budget: looks twice a second how much the process has, and has the rest of the edge make room.

What is given up in which order is decided in gateway.core.shedding.

Source: docs/limits.md; proc(5) for statm; the kernel's cgroup-v2 documentation for memory.max.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from pathlib import Path

from gateway.core.shedding import Level, level_of, window_bytes_of
from gateway.transport.house import House

_log = logging.getLogger("gateway.memory")
LOOK_EVERY_SECONDS = 0.5
OWN_SHARE = 0.8  # of what the machine or the container has, where no budget is set
DROPPED_SHARE = 0.1  # of those who do not read, at each look
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class Guard:
    """
    Keeps a process within its memory.

    Args:
        budget_bytes: What it may have; None: `OWN_SHARE` of what there is.
        house: Whose window, door and clients make room.

    Attributes:
        budget_bytes: What it may have.
        level: How short memory is.
    """

    def __init__(self, budget_bytes: int | None, house: House) -> None:
        self.budget_bytes = budget_bytes or int(available_bytes() * OWN_SHARE)
        self.level = Level.CALM
        self._house = house
        self._whole_window_bytes = house.hub.window.max_bytes

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            self.look(resident_bytes())

    def look(self, used_bytes: int) -> None:
        """Go by what the process has now."""
        before, self.level = self.level, level_of(used_bytes, self.budget_bytes, self.level)
        if self.level > before:
            gc.collect()  # old objects are hardly ever looked at otherwise; it may take a second, and nobody is dropped for it
        if self.level is not before:
            _log.warning(
                "memory is short, something is given up" if self.level else "memory is enough again",
                extra={"level": self.level.name.lower(), "used_bytes": used_bytes, "budget_bytes": self.budget_bytes},
            )
        window = self._house.hub.window
        wanted_bytes = window_bytes_of(self.level, window.max_bytes, self._whole_window_bytes)
        if wanted_bytes != window.max_bytes:
            window.max_bytes = wanted_bytes
            window.evict(time.time())
        self._house.is_short_of_memory = self.level >= Level.DOORS
        if self.level is Level.READERS:
            self._drop_readers()

    def _drop_readers(self) -> None:
        full = sorted((device for device in self._house.devices if device.is_full), key=lambda d: -d.unsent_bytes)
        for device in full[: int(len(full) * DROPPED_SHARE) + 1]:
            device.abort()


def resident_bytes() -> int:
    """What the process has in memory."""
    return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES


def available_bytes() -> int:
    """What the container may have, or the machine has."""
    machine_bytes = os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES
    for path in _LIMITS:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            return min(machine_bytes, int(text))
    return machine_bytes
