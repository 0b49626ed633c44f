"""The page for everybody: on a phone and on a desk, in light and dark, for eyes, ears and keyboards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import pytest
from playwright.async_api import Browser, expect

from tests.browser.reader import PageReader
from tests.testbed.demo import DemoProcess

PHONE, DESK = (390, 844), (1280, 900)
SIZES = [PHONE, (320, 568), (820, 1180), DESK]

# What is beyond the right edge of the window, but for the accounts, which a phone scrolls.
_BEYOND_THE_WINDOW = """() => [...document.body.querySelectorAll('*')].filter((element) => {
  if (!element.checkVisibility() || element.closest('.unseen, .accounts, svg, legend')) return false;
  return element.getBoundingClientRect().right > document.documentElement.clientWidth;
}).map((element) => `${element.className || element.tagName}: ${element.textContent}`)"""

# WCAG 2.2, success criterion 1.4.3: 4.5 to 1, 3 to 1 for large text. What is on a gradient is measured on its lightest
# end, which for white text is the worst.
_LOW_CONTRAST = """() => {
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const over = (colour, ground) => {
    context.fillStyle = ground;
    context.fillRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
    return `rgb(${r} ${g} ${b})`;
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[0-9]+/g).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const groundOf = (element) => {
    const style = getComputedStyle(element);
    const gradient = style.backgroundImage.match(/rgb[^)]*\\)/);
    if (gradient) return over(gradient[0], 'white');
    const below = element.parentElement ? groundOf(element.parentElement) : 'white';
    return over(style.backgroundColor, below);
  };
  const low = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest('.unseen, :disabled')) continue;
    const style = getComputedStyle(element);
    const [text, ground] = [luminance(over(style.color, groundOf(element))), luminance(groundOf(element))];
    const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) low.push(`${texts.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
  }
  return low;
}"""


@pytest.fixture
async def seen(
    chromium: Browser, demo: DemoProcess, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> AsyncIterator[PageReader]:
    """A page after a cut, so that everything it can show is there, without things in motion."""
    context = await chromium.new_context(color_scheme=scheme, reduced_motion="reduce")
    reader = PageReader(await context.new_page())
    await resize(reader, size)
    await reader.open(demo.url, "1002")  # whose sums are the longest
    await reader.press("Cut the connection")
    await reader.until_state("disconnected")
    await reader.press("Mend the connection")
    await reader.report()
    yield reader
    await context.close()


async def resize(reader: PageReader, size: tuple[int, int]) -> None:
    """Give the window another size."""
    await reader.page.set_viewport_size({"width": size[0], "height": size[1]})


@pytest.mark.parametrize("size", [PHONE], ids=["every size"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_can_be_read(seen: PageReader) -> None:
    """Nothing is wider than the window, and all text stands out from what is behind it."""
    await _check_at_every_size(seen)
    await seen.press("Cut the connection")
    await _check_at_every_size(seen)


async def _check_at_every_size(seen: PageReader) -> None:
    for size in SIZES:
        await resize(seen, size)
        assert await seen.page.evaluate(_BEYOND_THE_WINDOW) == [], size
        assert await seen.page.evaluate(_LOW_CONTRAST) == [], size


@pytest.mark.parametrize("size", [PHONE], ids=["phone"])
@pytest.mark.parametrize("scheme", ["light"])
async def test_a_thumb_reaches_the_button(seen: PageReader) -> None:
    """On a phone it stays at the foot of the window, however far the list is scrolled, and is large enough."""
    await seen.page.evaluate("scrollTo(0, 400)")

    box = await seen.page.get_by_role("button", name="Cut the connection").bounding_box()

    assert box is not None
    assert box["y"] + box["height"] > 780
    assert box["height"] >= 44


@pytest.mark.parametrize("size", [DESK], ids=["desk"])
@pytest.mark.parametrize("scheme", ["light"])
async def test_it_can_be_heard_and_typed(seen: PageReader) -> None:
    """Names for what can be pressed, one line said when the connection is back, and all of it by keyboard."""
    page = seen.page
    await expect(page.get_by_role("group", name="Whose phone is this?").get_by_role("radio")).to_have_count(5)
    await expect(page.get_by_role("status")).to_contain_text("Back after")

    await page.get_by_role("radio", checked=True).focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await seen.until_state("disconnected")

    await expect(page.get_by_role("status")).to_contain_text("Connection cut at")
    await expect(page.get_by_role("button", name="Mend the connection")).to_be_focused()


@pytest.mark.parametrize("size", [DESK], ids=["desk"])
@pytest.mark.parametrize("scheme", ["light"])
async def test_nothing_moves_where_that_is_not_wanted(seen: PageReader) -> None:
    """prefers-reduced-motion."""
    await seen.until_number_after((await seen.events())[-1].number)

    moving = await seen.page.evaluate("document.getAnimations().length + document.querySelectorAll('.dot').length")

    assert moving == 0
