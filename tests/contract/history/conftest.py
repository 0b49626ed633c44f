"""The two sides of a history."""

from __future__ import annotations

import pytest

from gateway.store.history import HistoryStore
from gateway.store.history_writer import HistoryWriter
from gateway.store.redis import Client
from tests.contract.conftest import TIMEOUT_SECONDS
from tests.contract.history.steps import LEASE_SECONDS, RETENTION


@pytest.fixture
def store(redis: Client) -> HistoryStore:
    """Reads."""
    return HistoryStore(redis, TIMEOUT_SECONDS, RETENTION)


@pytest.fixture
def writer(redis: Client) -> HistoryWriter:
    """Writes."""
    return HistoryWriter(redis, TIMEOUT_SECONDS, RETENTION, LEASE_SECONDS)
