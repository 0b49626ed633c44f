"""The programs of docs/producing.md, in Java, Go and Python: run as they stand there, against a real Kafka and an edge."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.partitioner import DefaultPartitioner

from tests.e2e.conftest import StartSdk
from tests.e2e.test_publishing import SEVERAL, writer_of
from tests.testbed.edge import EdgeProcess
from tests.testbed.process import ROOT
from tests.testbed.records import Records
from tests.testbed.sdk import KINDS
from tests.testbed.snippets import programs, start

PROGRAMS = programs(ROOT / "docs/producing.md")
OUTBOUND, INBOUND = "edge.accounts", "edge.inbound"
PARTITIONS = 12
DEADLINE_SECONDS = 90.0  # a compiler may have to run first, beside all else


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory, records: Records, redis_url: str) -> Iterator[EdgeProcess]:
    """An edge with the settings of the page."""
    for topic in (OUTBOUND, INBOUND):
        records.make_topic(PARTITIONS, name=topic)
    namespace = {"topic": OUTBOUND, "publish_topic": INBOUND, "id_header": "id"}
    with EdgeProcess(
        tmp_path_factory.mktemp("bank"),
        kafka=records.address,
        redis_url=redis_url,
        namespaces={"account": namespace},
        sections={},
    ) as edge:
        yield edge
    for topic in (OUTBOUND, INBOUND):
        records.delete_topic(topic)


def test_the_page_has_a_program_of_each_kind_in_each_language() -> None:
    """None of them goes unseen by the tests below."""
    assert sorted(PROGRAMS) == ["Consume.java", "Produce.java", "consume.go", "consume.py", "produce.go", "produce.py"]


@pytest.mark.parametrize("name", ["Produce.java", "produce.go", "produce.py"])
async def test_what_a_service_produces_arrives_as_the_page_says(
    name: str, bank: EdgeProcess, records: Records, account: str, sdk: StartSdk, tmp_path: Path
) -> None:
    """Once, in order, with its name and headers, in the partition that every other producer would choose."""
    channel = f"account:{account}"
    client = await sdk(KINDS[0], bank, token=writer_of(channel))
    await client.attach(channel)

    program = start(name, PROGRAMS[name], tmp_path / "program", account, kafka=records.address)
    assert program.wait(deadline_seconds=DEADLINE_SECONDS) == 0, program.log_text()
    records.produce(OUTBOUND, [(account, "the end")])  # of murmur2 too: behind what the program wrote
    await client.until_received(channel, 3)

    got = client.messages[channel]
    assert [(one.get("name"), one["data"]) for one in got] == [
        ("payment", {"amount": 12}), ("balance", {"balance": 88}), (None, "the end"),
    ]  # fmt: skip
    assert [one.get("clientId") for one in got[:2]] == ["ledger", "ledger"]
    assert got[0]["extras"]["headers"] == {"trace": "t-1"}
    partitions = list(range(PARTITIONS))
    expected = DefaultPartitioner()(account.encode(), partitions, partitions)
    assert [one["extras"]["kafka"]["partition"] for one in got] == [expected] * 3


@pytest.mark.parametrize("name", ["Consume.java", "consume.go", "consume.py"])
async def test_what_a_client_publishes_is_read_as_the_page_says(
    name: str, bank: EdgeProcess, records: Records, account: str, sdk: StartSdk, tmp_path: Path
) -> None:
    """All kinds of data, the app's headers, and who published, stamped by the edge."""
    channel = f"account:{account}"
    client = await sdk(KINDS[1], bank, token=writer_of(channel))
    for message in SEVERAL:
        await client.publish(channel, message)

    program = start(name, PROGRAMS[name], tmp_path / "program", f"group-{account}", kafka=records.address)

    def lines() -> list[list[str]]:
        split = [line.split("\t") for line in program.log_text().split("\n")[:-1]]
        return [line for line in split if line[0] == account]

    program.wait_until(lambda: len(lines()) >= len(SEVERAL), "all is read", deadline_seconds=DEADLINE_SECONDS)
    program.kill()
    read = lines()
    assert [line[1:3] for line in read] == [_written(message.get("data")) for message in SEVERAL]
    for message, (_, _, _, *fields) in zip(SEVERAL, read, strict=True):
        headers = dict(field.split("=", 1) for field in fields)
        assert headers.get("name") == message.get("name")
        assert headers.get("encoding") == (
            "json" if isinstance(message.get("data"), dict | list) and not _is_bytes(message["data"]) else None
        )
        stamped = {"clientId": "phone", "lastmile-app": "bank", "lastmile-key": "bank.server"}
        assert stamped.items() <= headers.items()
        assert headers["id"].startswith(headers["connectionId"])
    last = dict(field.split("=", 1) for field in read[-1][3:])
    assert last["trace"] == "t1"
    assert json.loads(last["extras"]) == {"headers": {"id": "not-mine"}, "ref": {"type": "reply"}}


def _is_bytes(data: Any) -> bool:
    return isinstance(data, dict) and "bytes" in data


def _written(data: Any) -> list[str]:
    """Kind and data as the programs print them; objects as ably-js writes JSON."""
    if data is None:
        return ["1 none", ""]
    if _is_bytes(data):
        return ["1 bytes", base64.b64encode(base64.b64decode(data["bytes"])).decode()]
    if isinstance(data, str):
        return ["1 text", data]
    return ["1 text", json.dumps(data, ensure_ascii=False, separators=(",", ":"))]
