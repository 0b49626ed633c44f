"""A ground for each test."""

from __future__ import annotations

import pytest

from tests.api.ground import Ground


@pytest.fixture
def ground() -> Ground:
    """The public port's HTTP."""
    return Ground()
