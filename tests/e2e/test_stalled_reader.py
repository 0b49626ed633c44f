"""Clients that stop reading: what they cost, that nobody else notices, and that they get all of it when they read again."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.conftest import StartEdge
from tests.e2e.conftest import StartSdk, reader_of
from tests.testbed.edge import EdgeProcess
from tests.testbed.flow import Flow
from tests.testbed.process import wait_until
from tests.testbed.records import Records
from tests.testbed.sdk import Kind
from tests.transport.raw import Raw, frame

TEXT, ATTACH, ATTACHED, MESSAGE, RESUMED = 1, 10, 11, 15, 1 << 2
CHANNEL = "account:a"
RECORDS = 3000
RECORD_BYTES = 2000
STALLED = 20
RECEIVE_BUFFER_BYTES = 4096  # so that the kernel takes little of what is not read
SETTINGS = {"write_high_water_bytes": 16384, "send_buffer_bytes": 16384}


class Reader:
    """A WebSocket that reads when it is told to."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self.numbers: list[int] = []
        self.told: list[int] = []

    async def read_until(self, number: int) -> None:
        """Read on until the message of that number has come; note numbers, and codes of ATTACHED without RESUMED."""
        while not self.numbers or self.numbers[-1] < number:
            got = await self._raw.read()
            assert got is not None, f"closed after {self.numbers[-1:]}"
            if got.opcode != TEXT:
                continue
            message = json.loads(got.payload)
            if message["action"] == MESSAGE:
                self.numbers += [json.loads(each["data"])["n"] for each in message["messages"]]
            elif message["action"] == ATTACHED and not message["flags"] & RESUMED:
                self.told.append(message["error"]["code"])


@asynccontextmanager
async def attached(edge: EdgeProcess, count: int) -> AsyncIterator[Sequence[Reader]]:
    """So many sockets, attached to CHANNEL and not reading."""
    raws: list[Raw] = []
    try:
        for _ in range(count):
            opened = socket.socket()
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            opened.setblocking(False)
            await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", edge.port))
            raw = await Raw.open(edge.port, f"accessToken={reader_of(CHANNEL)}", on=opened)
            raws.append(raw)
            raw.writer.write(frame(TEXT, json.dumps({"action": ATTACH, "channel": CHANNEL}).encode()))
            while (got := await raw.read()) is None or json.loads(got.payload)["action"] != ATTACHED:
                assert got is not None
        yield [Reader(raw) for raw in raws]
    finally:
        for raw in raws:
            raw.close()


def resident_bytes(edge: EdgeProcess) -> int:
    """What the edge holds in memory."""
    status = Path(f"/proc/{edge.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def numbered(first: int, end: int) -> list[tuple[str, str]]:
    return [("a", json.dumps({"n": number, "padding": "x" * RECORD_BYTES})) for number in range(first, end)]


async def test_stalled_readers_cost_the_window_and_nothing_each_and_catch_up_whole(
    edge: StartEdge, topic: str, sdk: StartSdk, records: Records
) -> None:
    """All of them lack the same messages, which are held once; who reads gets everything meanwhile."""
    serving = edge({"account": {"topic": topic}}, server=SETTINGS)
    quick = await sdk(Kind("js", is_binary=False), serving, token=reader_of(CHANNEL))
    await quick.attach(CHANNEL)
    async with attached(serving, STALLED) as stalled:
        before = resident_bytes(serving)
        records.produce(topic, numbered(0, RECORDS))
        await quick.until_received(CHANNEL, RECORDS)
        metrics, grown = serving.metrics(), resident_bytes(serving) - before
        await asyncio.gather(*(reader.read_until(RECORDS - 1) for reader in stalled))
        records.produce(topic, numbered(RECORDS, RECORDS + 1))
        await asyncio.gather(*(reader.read_until(RECORDS) for reader in stalled))
        await quick.until_received(CHANNEL, RECORDS + 1)

    lacking = STALLED * RECORDS * RECORD_BYTES
    assert metrics["lastmile_attachments_lagging"] == STALLED
    assert grown < lacking / 3, f"{grown >> 20} MiB for {lacking >> 20} MiB that clients lacked"
    assert [data["n"] for data in quick.data(CHANNEL)] == list(range(RECORDS + 1))
    for reader in stalled:
        assert reader.numbers == list(range(RECORDS + 1))
        assert reader.told == []


async def test_who_falls_off_everything_is_told_between_what_it_got_and_what_comes(
    edge: StartEdge, topic: str, sdk: StartSdk, records: Records
) -> None:
    """RTL12: never a silent gap, where there is neither history nor scan. Before it and after it there is none."""
    serving = edge(
        {"account": {"topic": topic, "history_seconds": 0}},
        server=SETTINGS,
        window={"max_bytes": 1 << 20},
        replay={"max_records": 0},
    )
    quick = await sdk(Kind("python", is_binary=True), serving, token=reader_of(CHANNEL))
    await quick.attach(CHANNEL)
    async with attached(serving, 1) as (reader,):
        for first in range(0, RECORDS, 100):
            records.produce(topic, numbered(first, first + 100))
            await quick.until_received(CHANNEL, first + 100)
        reading = asyncio.create_task(reader.read_until(RECORDS))
        await asyncio.to_thread(
            wait_until, lambda: serving.metrics()["lastmile_attachments_lagging"] == 0, "it is live"
        )
        records.produce(topic, numbered(RECORDS, RECORDS + 1))
        await reading

    lost = next(at for at, number in enumerate(reader.numbers) if at != number)
    assert reader.told == [80006]
    assert reader.numbers[:lost] == list(range(lost))
    assert reader.numbers[lost:] == list(range(reader.numbers[lost], RECORDS + 1))


async def test_a_frozen_app_goes_on_where_it_was(edge: StartEdge, topic: str, sdk: StartSdk, records: Records) -> None:
    """A phone that stops all of an app, and lets it run again: the SDK's own connection, no message missed."""
    serving = edge({"account": {"topic": topic}}, server=SETTINGS)
    kinds = [Kind("js", is_binary=True), Kind("python", is_binary=False)]
    frozen, quick = [await sdk(kind, serving, token=reader_of(CHANNEL)) for kind in kinds]
    for client in (frozen, quick):
        await client.attach(CHANNEL)
    frozen.freeze()
    flow = Flow(records, topic, ["a"], total=20_000, per_second=20_000)

    await flow.run()
    await flow.prove(quick, deadline_seconds=60)
    lagging = serving.metrics()["lastmile_attachments_lagging"]
    frozen.thaw()
    await flow.prove(frozen, deadline_seconds=60)

    assert lagging == 1
    assert frozen.losses([CHANNEL]) == []
