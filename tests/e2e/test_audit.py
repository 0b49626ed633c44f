"""What an auditor finds after a day on an edge: every event, in one chain, in file and topic, and nothing that is secret."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from websockets.asyncio.client import connect

from gateway.core.audit_chain import follow
from tests.conftest import MakeTopic, Produce, StartEdge
from tests.e2e.conftest import reader_of
from tests.e2e.revoking import ask, revoke
from tests.e2e.test_operations import Client
from tests.testbed.edge import LASTMILE
from tests.testbed.records import Records

CONNECTED, ERROR, NACK, MESSAGE = 4, 9, 2, 15


async def lines_of(address: str, topic: str, until: int) -> list[bytes]:
    """The first lines of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=None)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek(TopicPartition(topic, 0), 0)
        return [(await consumer.getone()).value for _ in range(until)]
    finally:
        await consumer.stop()


async def test_what_happens_is_written_once_and_chained_in_file_and_topic(
    edge: StartEdge, make_topic: MakeTopic, records: Records, tmp_path: Path
) -> None:
    topic, journal, file = make_topic(), make_topic(partitions=1), tmp_path / "audit.jsonl"
    process = edge({"account": {"topic": topic}}, audit={"file": str(file), "topic": journal})
    token = reader_of("account:1")
    async with connect(f"{process.ws_url}/?accessToken={token}") as socket:
        client = Client(socket)
        await client.read(CONNECTED)
        await client.attach("account:1")
        await client.refused("account:2")
        await socket.send(
            json.dumps({"action": MESSAGE, "channel": "account:1", "msgSerial": 0, "messages": [{"data": "a payload"}]})
        )
        await client.read(NACK)
    async with connect(f"{process.ws_url}/?accessToken={token}x") as socket:
        await Client(socket).read(ERROR)
    async with httpx.AsyncClient() as rest:
        path = "/channels/account:3/messages"
        await rest.get(process.url + path, headers={"Authorization": f"Bearer {token}"})
    process.terminate()
    lines = file.read_bytes().splitlines()

    events = [json.loads(line) for line in lines]
    verified = subprocess.run([LASTMILE, "audit", "verify", file], capture_output=True, text=True, check=True)
    in_topic = await lines_of(records.address, journal, len(lines))

    told = [event["event"] for event in events]
    assert (told[0], told[-1]) == ("start", "stop")
    assert sorted(told[1:-1]) == [
        "attach",
        "connect",
        "deny",
        "disconnect",
        "publish-deny",
        "refuse",
        "request-deny",
    ]
    by_name = {event["event"]: event for event in events}
    assert (by_name["attach"]["channel"], by_name["attach"]["modes"]) == ("account:1", ["subscribe"])
    assert (by_name["deny"]["channel"], by_name["deny"]["code"]) == ("account:2", 40160)
    assert by_name["publish-deny"]["code"] == 40160
    assert (by_name["request-deny"]["path"], by_name["request-deny"]["code"]) == (path, 40160)
    assert {event["connection"] for event in events if "connection" in event} == {by_name["connect"]["connection"]}
    assert "whole: lines 0 to" in verified.stdout
    assert in_topic == lines
    assert follow(lines).digest in verified.stdout
    for secret in (token, token.rpartition(".")[2], "a payload"):
        assert secret not in file.read_text()


async def test_what_was_given_out_taken_back_and_changed_is_in_it(
    edge: StartEdge, topic: str, make_topic: MakeTopic, records: Records, produce: Produce, tmp_path: Path
) -> None:
    """A token, a revocation by its key and over the topic, SIGHUP taken and refused; not what was there at the start."""
    rulings, file = make_topic(1, cleanup_policy="compact"), tmp_path / "audit.jsonl"
    produce(rulings, [("entitle:bank:clientId:before", '{"capability": {"account:1": ["subscribe"]}}')])
    process = edge({"account": {"topic": topic}}, audit={"file": str(file)}, revocation={"topic": rulings})

    def told(event: str) -> list[dict[str, object]]:
        return [line for line in map(json.loads, file.read_text().splitlines()) if line["event"] == event]

    status, details = ask(process, "/keys/bank.server/requestToken", {"keyName": "bank.server", "clientId": "ada"})
    revoke(process, "clientId:ada")
    produce(rulings, [("entitle:bank:clientId:eve", '{"capability": {}}'), ("entitle:bank:clientId:eve", None)])
    process.process.wait_until(lambda: len(told("ruling")) == 3, "the rulings are in the journal")
    process.process.send(signal.SIGHUP)
    process.process.wait_until(lambda: len(told("reload")) == 1, "the reload is in the journal")
    written = process.config.read_text()
    process.config.write_text("this is not TOML")
    process.process.send(signal.SIGHUP)
    process.process.wait_until(lambda: len(told("reload")) == 2, "the refused one is, too")
    process.config.write_text(written)
    process.terminate()

    (token,), (revoked,) = told("token"), told("revoke")
    assert status == 201
    assert (token["key"], token["client"], token["ttl_seconds"]) == ("bank.server", "ada", 3600)
    assert (revoked["key"], revoked["target"], "code" in revoked) == ("bank.server", "clientId:ada", False)
    assert [(line["kind"], line["scope"], line["target"]) for line in told("ruling")] == [
        ("revoke", "bank.server", "clientId:ada"),
        ("entitle", "bank", "clientId:eve"),
        ("entitle-withdrawn", "bank", "clientId:eve"),
    ]
    assert [line["taken"] for line in told("reload")] == [True, False]
    assert details["token"] not in file.read_text()
