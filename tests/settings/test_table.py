"""The table of settings in the docs, and what it says of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import Settings, SettingsFault, load, settings_table
from gateway.settings.documented import documented


def test_the_table_in_the_docs_is_that_of_the_code() -> None:
    """`lastmile settings > docs/settings.md` after each change."""
    assert Path("docs/settings.md").read_text() == settings_table()


def test_every_setting_is_bounded_and_described() -> None:
    """Whoever adds one says what it is for and what it may be."""
    settings = list(documented(Settings))

    assert len(settings) > 60
    assert [s.name for s in settings if not s.meaning.endswith(".")] == []
    assert [s.name for s in settings if not s.bounds or "None" in s.bounds] == []


def test_every_duration_and_size_carries_its_unit() -> None:
    """A number that crosses a boundary says what it counts."""
    numbers = [s.name for s in documented(Settings) if s.bounds.startswith("a number")]

    assert [name for name in numbers if not name.endswith("_seconds") and "_per_second" not in name] == []


@given(st.integers(-10, 70000))
def test_a_port_is_taken_exactly_within_its_bounds(port: int) -> None:
    """The bounds of the table are those that are enforced."""
    environ = {
        "LASTMILE_SERVER__PORT": str(port),
        "LASTMILE_SERVER__OPS_PORT": "1",
        "LASTMILE_SERVER__OPS_HOST": "127.0.0.9",
    }

    with pytest.raises(SettingsFault) as caught:
        load(environ=environ)

    assert ("server.port" in {fault.name for fault in caught.value.faults}) == (not 1 <= port <= 65535)
