"""docs/security.md in step with the tree: what it says is somewhere is there."""

from __future__ import annotations

import re

import pytest

from tests.testbed.process import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
FILES = sorted(set(re.findall(r"`((?:auth|gateway|tests)/[\w/]+\.py)`", PAGE)))
LINKS = sorted(set(re.findall(r"\]\(([^)#]+)\)", PAGE)))


@pytest.mark.parametrize("path", FILES)
def test_each_file_is_there(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("link", LINKS)
def test_each_page_is_there(link: str) -> None:
    assert (ROOT / "docs" / link).is_file()


def test_each_check_has_code_and_a_test() -> None:
    rows = PAGE.partition("### Behind the door")[2].partition("\n### ")[0].splitlines()
    cells = [row.split("|") for row in rows if row.startswith("| ") and "code | test" not in row]

    assert len(cells) > 20
    for _, check, code, test, _ in cells:
        assert re.search(r"`(auth|gateway)/", code), check
        assert "`tests/" in test, check
