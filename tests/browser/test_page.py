"""The page that a person cuts the connection on: what it says was recovered is what was."""

from __future__ import annotations

import time

import pytest
from playwright.async_api import expect

from tests.browser.reader import PageReader, Shown
from tests.browser.witness import Posted, Witness
from tests.testbed.demo import DemoProcess


def posted(events: list[Shown]) -> list[Posted]:
    return [Posted(event.number, event.partition, event.offset, event.timestamp) for event in events]


async def test_events_arrive_as_kafka_has_them(demo: DemoProcess, page: PageReader) -> None:
    """From some before the page was opened to those that happen now, none missing, none twice, each with its position."""
    async with Witness(demo.invited("Kafka").split()[0], "1001") as witness:
        await page.open(demo.url, "1001")
        opened_at = int(time.time() * 1000)
        await witness.until_after(opened_at, 2)
        last = await page.until_number_after(witness.records[-1].number - 1)
        await witness.until_number(last)

        shown = await page.events()
        first = shown[0].number
        kafka_has = [record for record in witness.records if first <= record.number <= last]

    assert posted(shown) == kafka_has
    assert {event.kind for event in shown} <= {"transaction", "balance", "fraud_alert", "chat"}
    assert not any(event.is_recovered for event in shown)


async def test_what_was_recovered_is_marked_and_counted_right(demo: DemoProcess, page: PageReader) -> None:
    """Exactly the records that came to Kafka while the connection was cut, with their positions; and then it goes on."""
    async with Witness(demo.invited("Kafka").split()[0], "1002") as witness:
        await page.open(demo.url, "1002")
        before = (await page.events())[-1].number
        await page.until_number_after(before)

        await page.press("Cut the connection")
        await page.until_state("disconnected")
        cut_at = int(time.time() * 1000)
        last_before = (await page.events())[-1]
        await witness.until_after(cut_at, 4)
        still = (await page.events())[-1]
        mended_at = int(time.time() * 1000)
        await page.press("Mend the connection")
        await page.until_state("connected")
        last = await page.until_number_after(witness.records[-1].number)
        await witness.until_number(last)

        shown = await page.events()
        report = await page.report()

    recovered = [event for event in shown if event.is_recovered]
    missed = [
        record
        for record in witness.records
        if record.number > last_before.number and record.timestamp <= report["backAt"]
    ]
    surely_missed = {record.number for record in witness.records if cut_at < record.timestamp < mended_at}
    numbers = [event.number for event in shown]
    assert still == last_before
    assert posted(recovered) == missed
    assert surely_missed <= {event.number for event in recovered}
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert report["isResumed"]
    assert report["recovered"] == len(recovered) >= 4
    assert report["missing"] == 0
    assert report["title"] == f"{len(recovered)} events recovered"
    assert f"after {last_before.serial}" in report["text"]
    assert [(int(row[0]), row[3]) for row in report["rows"]] == [
        (event.number, f"{event.partition} @ {event.offset}") for event in recovered
    ]


async def test_many_quick_cuts_lose_nothing(demo: DemoProcess, page: PageReader) -> None:
    """As fast as somebody can press the button, in whatever state the connection is: the numbers have no gap."""
    page.expected = "WebSocket is closed before the connection is established"
    await page.open(demo.url, "1003")

    for _ in range(30):
        await page.press("Cut the connection")
        await page.press("Mend the connection")
    await page.until_state("connected")
    await page.until_number_after((await page.events())[-1].number + 1)

    numbers = [event.number for event in await page.events()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize("page", ["lastmile.js"], indirect=True)
async def test_it_mends_by_itself_after_ten_seconds(demo: DemoProcess, page: PageReader) -> None:
    """And says meanwhile how long it still takes."""
    await page.open(demo.url)

    await page.press("Cut for 10 seconds")
    await page.until_state("disconnected")
    await expect(page.page.locator("#cut-for")).to_be_disabled()
    await page.page.wait_for_selector('#cut-for-seconds:text-is("8 s")')
    await page.until_state("connected")
    await page.page.wait_for_selector('.report:not([data-recovered="0"])')

    report = await page.report()
    assert report["backAt"] - report["lostAt"] >= 9_000
    await expect(page.page.locator("#cut-for")).to_be_enabled()


async def test_what_cannot_be_proven_is_not_called_recovered(
    tmp_path_factory: pytest.TempPathFactory, page: PageReader
) -> None:
    """The demo is started anew, so its topics are: the page says that it was not resumed, and why."""
    page.expected = r"WebSocket connection to|ERR_CONNECTION_REFUSED|Ably: .* code=80008"
    with DemoProcess(tmp_path_factory.mktemp("demo")) as demo:
        await page.open(demo.url)
        demo.process.kill()
        await page.until_state("disconnected")
        demo.start()
        await page.until_state("connected")
        report = await page.report()
        await page.until_events(3)

    assert not report["isResumed"]
    assert report["recovered"] == 0
    assert report["title"].startswith("Not resumed")
    assert "(90003)" in report["text"]
    assert not any(event.is_recovered for event in await page.events())


async def test_another_account_is_another_phone(demo: DemoProcess, page: PageReader) -> None:
    """Picked with the keyboard; its events only, its name, its balance."""
    await page.open(demo.url, "1001")

    await page.page.get_by_role("radio", name="Amara Okafor").focus()
    await page.page.keyboard.press("ArrowRight")
    await page.page.wait_for_selector('#account-title:text-is("Jonas Lindqvist")')
    await page.until_state("connected")
    await page.until_events(2)

    await expect(page.page.locator("#account-number")).to_contain_text("1002")
    await expect(page.page.locator("#balance")).to_contain_text("SEK")
    numbers = [event.number for event in await page.events()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert "currency" not in await page.page.inner_text("#events")
