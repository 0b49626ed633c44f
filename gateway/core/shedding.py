"""
What is given up first when memory runs short.

    share of the budget   level     given up
    under 0.8             CALM      nothing
    from 0.8              WINDOW    recent messages: who comes back is served from the history instead
    from 0.9              DOORS     newcomers: they are told to come back, and the load balancer to look elsewhere
    from 1.0              READERS   clients that do not read, the fullest first: they come back and resume

Each costs more than the one before it, and none of them loses a message. A level ends 0.05 below where it began.

Source: docs/limits.md.
"""

from __future__ import annotations

from enum import IntEnum

SLACK = 0.05
WINDOW_STEP = 0.95  # of the window's bound, at each look: a larger one would stop the loop while it evicts
SMALLEST_WINDOW = 0.1


class Level(IntEnum):
    """How short memory is."""

    CALM = 0
    WINDOW = 1
    DOORS = 2
    READERS = 3


_FROM = {Level.WINDOW: 0.8, Level.DOORS: 0.9, Level.READERS: 1.0}


def level_of(used_bytes: int, budget_bytes: int, before: Level) -> Level:
    """How short memory is now, if it was *before* a moment ago."""
    share = used_bytes / budget_bytes
    level = max((level for level, at in _FROM.items() if share >= at), default=Level.CALM)
    if level < before and share >= _FROM[before] - SLACK:
        return before
    return level


def window_bytes_of(level: Level, now_bytes: int, whole_bytes: int) -> int:
    """The window's next bound: a step smaller while memory is short, a step larger until it is what the settings say."""
    if level is Level.CALM:
        return min(whole_bytes, int(now_bytes / WINDOW_STEP) + 1)
    return max(int(whole_bytes * SMALLEST_WINDOW), int(now_bytes * WINDOW_STEP))
