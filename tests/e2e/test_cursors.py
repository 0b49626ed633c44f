"""
Apps that keep nothing, with unmodified SDKs: killed without a goodbye, and started anew with the same cursor.

Everything after what was confirmed comes again: nothing is missing, order is kept, and what comes twice is what came last
before the kill; ids tell. From whichever tier has it, on whichever edge.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import Produce, StartEdge
from tests.e2e.conftest import StartSdk, writer_of
from tests.e2e.replaying import CHANNEL, NO_HISTORY, SHORT, numbers, texts, until_forgotten, until_written
from tests.testbed.edge import EdgeProcess
from tests.testbed.process import wait_until
from tests.testbed.redis import RedisServer
from tests.testbed.sdk import KINDS, Kind, Sdk

SEEN, UNDER_WAY, MISSED = 40, 20, 140
ALL = SEEN + UNDER_WAY + MISSED
LOSE_HISTORY = """EVAL "return #redis.call('KEYS', 'lastmile:history:*') > 0 and """
LOSE_HISTORY += """redis.call('DEL', unpack(redis.call('KEYS', 'lastmile:history:*')))" 0"""


@pytest.fixture
def alice() -> str:
    """A person whom no other test knows: Redis is shared."""
    return f"alice-{uuid4().hex[:8]}"


async def started(sdk: StartSdk, edge: EdgeProcess, client_id: str, kinds: Sequence[Kind] = KINDS) -> list[Sdk]:
    """An app of each kind on a device of its own; each attaches with the cursor of that device."""
    apps = [await sdk(kind, edge, token=writer_of(CHANNEL, client_id=client_id)) for kind in kinds]
    for app in apps:
        await app.attach(CHANNEL, params={"cursor": str(app.kind)})
    return apps


def entries_of(edge: EdgeProcess, client_id: str) -> list[dict[str, Any]]:
    """What the edge tells operators of a person's cursors."""
    with urllib.request.urlopen(
        f"http://127.0.0.1:{edge.ops_port}/cursors?app=bank&clientId={client_id}", timeout=5
    ) as answer:
        entries: list[dict[str, Any]] = json.load(answer)["cursors"]
    return entries


def until_heard(edge: EdgeProcess, client_id: str, count: int = len(KINDS)) -> None:
    """Wait until so many devices of a person are known to have heard where they began."""
    wait_until(
        lambda: sum(entry["serial"] is not None for entry in entries_of(edge, client_id)) == count,
        f"{count} devices have a position",
    )


async def killed_under_way(apps: Sequence[Sdk], edge: EdgeProcess, topic: str, produce: Produce, alice: str) -> None:
    """Let them have some, and kill them while more come; the rest is written when they are dead."""
    await asyncio.to_thread(produce, topic, numbers(SEEN))
    for app in apps:
        await app.until_received(CHANNEL, SEEN)
    await asyncio.to_thread(until_heard, edge, alice)
    await asyncio.to_thread(produce, topic, numbers(UNDER_WAY, SEEN))
    for app in apps:
        await app.kill()
    await asyncio.to_thread(produce, topic, numbers(MISSED, SEEN + UNDER_WAY))


async def prove(before: Sdk, after: Sdk, count: int = ALL) -> None:
    """The second life goes on where the first one was, or a bit before; and has the next one live."""
    await after.until(lambda: after.data(CHANNEL)[-1:] == [str(count - 1)], f"message {count - 1}")

    got, again = before.data(CHANNEL), after.data(CHANNEL)
    assert got == texts(len(got))
    assert again == texts(count)[-len(again) :]
    assert len(got) + len(again) >= count, f"{after.kind}: {len(got)} and {len(again)} of {count}"
    ids = {message["id"]: message["data"] for message in before.messages[CHANNEL] + after.messages[CHANNEL]}
    assert list(ids.values()) == texts(count)
    assert is_resumed(after)
    assert after.losses([CHANNEL]) == []


def is_resumed(app: Sdk) -> bool:
    """What it was told when it attached for the first time."""
    resumed: bool = next(change["resumed"] for change in app.channels[CHANNEL] if change["state"] == "attached")
    return resumed


async def test_they_go_on_from_the_window_of_another_edge(
    edge: StartEdge, topic: str, sdk: StartSdk, produce: Produce, alice: str
) -> None:
    first, second = (edge({"account": {"topic": topic, **NO_HISTORY}}) for _ in range(2))
    apps = await started(sdk, first, alice)
    await killed_under_way(apps, first, topic, produce, alice)

    for before, after in zip(apps, await started(sdk, second, alice), strict=True):
        await prove(before, after)
    assert second.metrics()["lastmile_scans_total"] == 0


async def test_they_go_on_after_their_edge_was_killed_with_them(
    edge: StartEdge, topic: str, sdk: StartSdk, produce: Produce, alice: str
) -> None:
    """Nobody could save where they were: what was saved before is old, and not too new."""
    first, second = (edge({"account": {"topic": topic, **NO_HISTORY}}) for _ in range(2))
    apps = await started(sdk, first, alice)
    await asyncio.to_thread(produce, topic, numbers(SEEN))
    for app in apps:
        await app.until_received(CHANNEL, SEEN)
    await asyncio.to_thread(until_heard, first, alice)
    await asyncio.to_thread(produce, topic, numbers(UNDER_WAY, SEEN))
    first.kill()
    for app in apps:
        await app.kill()
    await asyncio.to_thread(produce, topic, numbers(MISSED, SEEN + UNDER_WAY))

    for before, after in zip(apps, await started(sdk, second, alice), strict=True):
        await prove(before, after)


async def test_they_go_on_from_the_history(
    edge: StartEdge, topic: str, sdk: StartSdk, produce: Produce, alice: str
) -> None:
    first, second = (edge({"account": {"topic": topic}}, window=SHORT) for _ in range(2))
    apps = await started(sdk, first, alice)
    await killed_under_way(apps, first, topic, produce, alice)
    for one in (first, second):
        await asyncio.to_thread(until_forgotten, one, ALL)
    await asyncio.to_thread(wait_until, lambda: is_written(first, second), "the history is written")

    for before, after in zip(apps, await started(sdk, second, alice), strict=True):
        await prove(before, after)
    metrics = second.metrics()
    assert metrics['lastmile_replayed_messages_total{tier="history"}'] >= len(KINDS) * MISSED
    assert metrics["lastmile_scans_total"] == 0


def is_written(*edges: EdgeProcess) -> bool:
    """Whether the history of all partitions, which the edges share, has everything."""
    written = 0
    for each in edges:
        metrics = each.metrics()
        written += int(metrics["lastmile_history_partitions"])
        if any(value for name, value in metrics.items() if name.startswith("lastmile_history_lag_records")):
            return False
    return written == 4


@pytest.mark.parametrize("history", ["off", "lost"])
async def test_they_go_on_from_kafka(
    edge: StartEdge,
    topic: str,
    sdk: StartSdk,
    produce: Produce,
    redis_server: RedisServer,
    alice: str,
    history: str,
) -> None:
    namespaces = {"account": {"topic": topic, **(NO_HISTORY if history == "off" else {})}}
    served = edge(namespaces, window=SHORT, redis_url=redis_server.url)
    apps = await started(sdk, served, alice)
    await killed_under_way(apps, served, topic, produce, alice)
    await asyncio.to_thread(until_forgotten, served, ALL)
    if history == "lost":
        await asyncio.to_thread(until_written, served)
        redis_server.command(LOSE_HISTORY)

    for before, after in zip(apps, await started(sdk, served, alice), strict=True):
        await prove(before, after)
    assert served.metrics()['lastmile_replayed_messages_total{tier="kafka"}'] > 0


async def test_a_redis_that_forgot_them_makes_them_begin_and_does_not_call_it_resumed(
    edge: StartEdge, topic: str, sdk: StartSdk, produce: Produce, redis_server: RedisServer, alice: str
) -> None:
    """The app sees what it sees the first time: `resumed` false, without an error; and what comes next comes."""
    served = edge({"account": {"topic": topic}}, redis_url=redis_server.url)
    apps = await started(sdk, served, alice)
    await asyncio.to_thread(until_heard, served, alice)
    killed_at_ms = time.time() * 1000
    for app in apps:
        await app.kill()
    await asyncio.to_thread(produce, topic, numbers(ALL))
    await asyncio.to_thread(
        wait_until,
        lambda: all(entry["updatedAt"] >= killed_at_ms for entry in entries_of(served, alice)),
        "all are saved for the last time",
    )
    redis_server.flush()

    again = await started(sdk, served, alice)
    await asyncio.to_thread(produce, topic, numbers(1, ALL))
    for app in again:
        await app.until_received(CHANNEL, 1)

    for app in again:
        assert app.data(CHANNEL) == [str(ALL)]
        assert not is_resumed(app)
        assert app.channels[CHANNEL][-1].get("reason") is None


async def test_a_redis_that_forgot_them_while_they_were_there_learns_where_they_are(
    edge: StartEdge, topic: str, sdk: StartSdk, produce: Produce, redis_server: RedisServer, alice: str
) -> None:
    """By what they confirm next: it is kept anew, and they go on from there."""
    served = edge({"account": {"topic": topic}}, redis_url=redis_server.url, cursors={"save_every_seconds": 0.5})
    apps = await started(sdk, served, alice)
    await asyncio.to_thread(until_heard, served, alice)
    redis_server.flush()

    await killed_under_way(apps, served, topic, produce, alice)

    for before, after in zip(apps, await started(sdk, served, alice), strict=True):
        await prove(before, after)


async def test_each_device_has_its_own_and_another_person_has_none(
    edge: StartEdge, topic: str, sdk: StartSdk, produce: Produce, alice: str
) -> None:
    """One device was away for longer; bob, who names both, sees nothing of what was kept of alice."""
    served = edge({"account": {"topic": topic}})
    phone_kind, tablet_kind = KINDS[0], KINDS[3]
    (phone,) = await started(sdk, served, alice, [phone_kind])
    (tablet,) = await started(sdk, served, alice, [tablet_kind])
    await asyncio.to_thread(produce, topic, numbers(10))
    for app in (phone, tablet):
        await app.until_received(CHANNEL, 10)
    await asyncio.to_thread(until_heard, served, alice, 2)
    await phone.kill()
    await asyncio.to_thread(produce, topic, numbers(10, 10))
    await tablet.until_received(CHANNEL, 20)
    await tablet.kill()
    await asyncio.to_thread(produce, topic, numbers(10, 20))

    bobs = await started(sdk, served, f"bob-{alice}", [phone_kind, tablet_kind])
    (phone_again,) = await started(sdk, served, alice, [phone_kind])
    (tablet_again,) = await started(sdk, served, alice, [tablet_kind])

    await prove(phone, phone_again, 30)
    await prove(tablet, tablet_again, 30)
    assert len(phone_again.data(CHANNEL)) >= 20
    for bob in bobs:
        assert bob.data(CHANNEL) == []
        assert not is_resumed(bob)
