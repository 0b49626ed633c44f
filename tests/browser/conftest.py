"""The demo's page in real Chromium, on our own client and on ably-js in its place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.reader import PageReader
from tests.testbed.demo import DemoProcess
from tests.testbed.process import ROOT

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
SEAM = Path(__file__).with_name("ably_client.js")
ABLY = ROOT / "tests/e2e/js/node_modules/ably/build/ably.min.js"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    """One that nobody stops."""
    with DemoProcess(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture(params=["lastmile.js", "ably-js"])
async def page(request: pytest.FixtureRequest, chromium: Browser) -> AsyncIterator[PageReader]:
    """
    A page on each client, not opened yet. Whatever the browser complains about fails the test, unless it says before
    that it expects it.
    """
    reader = PageReader(await chromium.new_page(viewport={"width": 390, "height": 844}))
    await reader.listen()
    if request.param == "ably-js":
        await reader.page.route("**/page/client.js", lambda route: route.fulfill(path=SEAM))
        await reader.page.route("**/page/ably.js", lambda route: route.fulfill(path=ABLY))
    yield reader
    complaints = [complaint for complaint in reader.complaints if not reader.expects(complaint)]
    assert complaints == []
