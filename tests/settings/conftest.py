"""A settings file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.reading import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a settings file."""

    def write_file(text: str) -> Path:
        path = tmp_path / "lastmile.toml"
        path.write_text(text)
        return path

    return write_file
