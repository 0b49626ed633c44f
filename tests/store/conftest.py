"""A Redis inside the process, whose clock the test moves: hours pass in a step, and keys expire by it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import fakeredis._socket._base
import fakeredis.commands_mixins.server_mixin
import pytest
from fakeredis import FakeAsyncRedis, FakeServer


class Clock:
    """Stands for the module `time` inside fakeredis."""

    def __init__(self) -> None:
        self.passed = 0.0

    def time(self) -> float:
        return 1_700_000_000.0 + self.passed

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


CLOCK = Clock()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of every fakeredis."""
    monkeypatch.setattr(fakeredis._socket._base, "time", CLOCK)
    monkeypatch.setattr(fakeredis.commands_mixins.server_mixin, "time", CLOCK)
    CLOCK.passed = 0.0
    return CLOCK


@pytest.fixture
async def redis() -> AsyncIterator[FakeAsyncRedis]:
    """An empty one."""
    redis = FakeAsyncRedis(server=FakeServer())
    yield redis
    await redis.aclose()
