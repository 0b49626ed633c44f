"""What the demo's page shows, read as a person would who counts."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from playwright.async_api import Page

DEADLINE_MS = 30_000
_EVENTS = """items => items.map(({ dataset, className }) => ({
  number: +dataset.number, partition: +dataset.partition, offset: +dataset.offset, timestamp: +dataset.timestamp,
  serial: dataset.serial, is_recovered: dataset.recovered === 'true', kind: className.split(' ')[1].slice(3),
})).reverse()"""
_REPORT = """card => ({
  recovered: +card.dataset.recovered, missing: +card.dataset.missing, isResumed: card.dataset.resumed === 'true',
  lostAt: +card.dataset.lostAt, backAt: +card.dataset.backAt, text: card.textContent,
  title: card.querySelector('h3').textContent.trim(),
  rows: [...card.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent)),
})"""


class Shown(NamedTuple):
    """One event of the list."""

    number: int
    partition: int
    offset: int
    timestamp: int
    serial: str
    is_recovered: bool
    kind: str


class PageReader:
    """
    The page of one person.

    Args:
        page: Playwright's.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.expected: str | None = None

    async def listen(self) -> None:
        """Note all that the browser complains about: errors, warnings, and what the page's policy forbids."""
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on(
            "console",
            lambda message: (
                message.type in {"error", "warning"} and self.complaints.append(f"{message.type}: {message.text}")
            ),
        )
        await self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"
        )

    def expects(self, complaint: str) -> bool:
        """Whether a test has said that it would come, as a pattern in `expected`."""
        return self.expected is not None and re.search(self.expected, complaint) is not None

    async def open(self, url: str, account: str = "1001") -> None:
        """Open it and wait until it is connected and shows something."""
        await self.page.goto(f"{url}/#{account}")
        await self.until_state("connected")
        await self.page.wait_for_selector(".event")

    async def until_state(self, state: str) -> None:
        """Wait for a state of the connection."""
        await self.page.wait_for_selector(f'#state[data-state="{state}"]', timeout=DEADLINE_MS)

    async def until_events(self, count: int) -> None:
        """Wait until the list has so many events."""
        await self.page.wait_for_selector(f":nth-match(.event, {count})", timeout=DEADLINE_MS)

    async def until_number_after(self, number: int) -> int:
        """Wait until an event with a higher number is shown. Returns: the highest."""
        await self.page.wait_for_function(
            "number => +document.querySelector('.event')?.dataset.number > number", arg=number, timeout=DEADLINE_MS
        )
        return (await self.events())[-1].number

    async def events(self) -> list[Shown]:
        """The list, oldest first."""
        shown: list[dict[str, Any]] = await self.page.eval_on_selector_all(".event", _EVENTS)
        return [Shown(**event) for event in shown]

    async def press(self, name: str) -> None:
        """Press the button of this name, as somebody would who hears the page."""
        await self.page.get_by_role("button", name=name).click()

    async def report(self) -> dict[str, Any]:
        """The newest report."""
        await self.page.wait_for_selector(".report", timeout=DEADLINE_MS)
        found: dict[str, Any] = await self.page.eval_on_selector(".report", _REPORT)
        return found
