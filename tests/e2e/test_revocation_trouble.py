"""The revocation topic is the state: Redis, edges and Kafka come and go, and what was taken back stays so."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path

from tests.conftest import StartEdge
from tests.e2e.revoking import ask, code_of, revoke, token_of
from tests.testbed.batches import UndecodableName, produce_batch
from tests.testbed.edge import EdgeProcess
from tests.testbed.kafka import KafkaBroker
from tests.testbed.records import Records
from tests.testbed.redis import RedisServer
from tests.testbed.watchers import Watchers

CONNECTIONS = 2000
AGE, BROKEN = "lastmile_revocations_age_seconds", "lastmile_rulings_broken_total"


def until_known(edge: EdgeProcess) -> None:
    """Everything was read a moment ago, and the edge knows it."""
    edge.process.wait_until(lambda: edge.metrics()[AGE] < 3, "all of the topic is read")


def test_what_was_revoked_stays_so_whatever_is_lost(
    broker: KafkaBroker, redis_server: RedisServer, edge: StartEdge
) -> None:
    """Redis flushed, the edge killed, records that are none, Kafka away: what is known holds, and how old it is, is told."""
    with Records(broker.address) as records:
        topic, rulings = records.make_topic(), records.make_topic(1, cleanup_policy="compact")
        gone, out, good = (token_of(name, "account:1") for name in ("gone", "out", "good"))
        served = edge(
            {"account": {"topic": topic}},
            kafka=broker.address,
            redis_url=redis_server.url,
            revocation={"topic": rulings},
        )
        revoke(served, "clientId:gone")
        assert (code_of(served, gone), code_of(served, good)) == (40141, None)

        redis_server.flush()
        assert code_of(served, gone) == 40141
        served.kill()
        served.start()
        assert (code_of(served, gone), code_of(served, good)) == (40141, None)

        nonsense = [
            ("clientId:good", "{}"),
            ("revoke:bank:clientId:good", '{"issuedBefore": 1764043200}'),
            (b"\xff", "x"),
        ]
        records.produce(rulings, nonsense)
        records.produce(rulings, [("revoke:bank:clientId:out", "{}")])
        served.process.wait_until(lambda: code_of(served, out) == 40141, "a service's own revocation holds")
        assert served.metrics()[BROKEN] == len(nonsense)
        assert "a record of the revocation topic does not hold" in served.log_text()
        assert code_of(served, good) is None

        until_known(served)
        broker.kill()
        _, refused = ask(served, "/keys/bank.server/revokeTokens", {"targets": ["clientId:good"]})
        assert refused["results"][0]["error"]["code"] == 50003
        served.process.wait_until(lambda: served.metrics()[AGE] > 5, "what is known grows old")
        status, told = served.health("ready")
        assert status == 200
        assert told["revocations"]["age_seconds"] > 4
        assert (code_of(served, gone), code_of(served, out), code_of(served, good)) == (40141, 40141, None)

        broker.start()
        until_known(served)
        revoke(served, "clientId:good")
        assert code_of(served, good) == 40141
        assert math.isfinite(served.metrics()[AGE])


def test_an_edge_is_not_ready_before_it_knows_what_was_revoked(
    tmp_path: Path, kafka: str, redis_url: str, records: Records
) -> None:
    """A topic that is not there yet is waited for; then all of it is read, of which only the last of each key is left."""
    topic = records.make_topic()
    name = f"{topic}.later"
    waiting = EdgeProcess(
        tmp_path,
        kafka=kafka,
        redis_url=redis_url,
        namespaces={"account": {"topic": topic}},
        sections={"revocation": {"topic": name}},
    ).launch()
    try:
        said = "the revocation topic does not exist, this edge waits for it"
        waiting.process.wait_until(lambda: said in waiting.log_text(), "it is missed")
        reason = "the revocation topic is not read up to where it ended at the start"
        waiting.process.wait_until(
            lambda: waiting.health("ready")[1].get("reason") == reason, "it waits for nothing else"
        )

        old = token_of("ada", "account:1")
        records.make_topic(1, name=name, cleanup_policy="compact")
        records.produce(name, [("revoke:bank:clientId:ada", None), ("revoke:bank:clientId:ada", json.dumps({}))])
        waiting.wait_until_ready()

        waiting.process.wait_until(lambda: code_of(waiting, old) == 40141, "its token is refused")
        assert code_of(waiting, token_of("ada", "account:1")) is None
    finally:
        waiting.close()


async def test_a_ruling_in_a_batch_that_cannot_be_decoded_holds(edge: StartEdge, topic: str, records: Records) -> None:
    """A header's name that is not UTF-8 fails the whole batch in aiokafka; a ruling has no use for headers."""
    rulings = records.make_topic(1, cleanup_policy="compact")
    served = edge({"account": {"topic": topic}}, revocation={"topic": rulings})
    ada, bob, good = (token_of(name, "account:1") for name in ("ada", "bob", "good"))

    undecodable = [(b"{}", [(UndecodableName("x"), b"v")])]
    await produce_batch(records.address, rulings, undecodable, key=b"revoke:bank:clientId:ada")
    records.produce(rulings, [("revoke:bank:clientId:bob", "{}")])

    for token in (ada, bob):
        served.process.wait_until(lambda token=token: code_of(served, token) == 40141, "the ruling holds")  # type: ignore[misc]
    assert code_of(served, good) is None
    until_known(served)
    assert served.metrics()[BROKEN] == 0


async def test_many_who_are_let_go_under_load_get_nothing_more(
    redis_server: RedisServer, edge: StartEdge, records: Records
) -> None:
    """
    Of 2,000 connections with traffic half are revoked, Redis being flushed meanwhile: each is told 40141 and gets nothing
    after that, nothing that was written after the answer comes to any, and the other half goes on whole and in order.
    """
    topic, rulings = records.make_topic(), records.make_topic(1, cleanup_policy="compact")
    served = edge({"account": {"topic": topic}}, redis_url=redis_server.url, revocation={"topic": rulings})
    channels = [f"account:{number % 20}" for number in range(CONNECTIONS)]
    clients = [(token_of(f"client-{number}", channel), channel) for number, channel in enumerate(channels)]
    async with Watchers(served.port, clients) as watchers:
        going, staying = watchers.all[::2], watchers.all[1::2]
        flow = asyncio.create_task(asyncio.to_thread(write, records, topic, 0, 50))
        for at in range(0, len(going), 100):
            targets = [f"clientId:client-{2 * number}" for number in range(at, at + 100)]
            await asyncio.to_thread(revoke, served, *targets)
            if at == 300:
                redis_server.flush()
        await asyncio.to_thread(write, records, topic, 1000, 1005)
        await flow
        await asyncio.to_thread(write, records, topic, 2000, 2001)
        await watchers.until_got(staying, "2000")
        await watchers.until_gone(going)

        assert {watcher.code for watcher in going} == {40141}
        assert sum(watcher.after for watcher in going) == 0
        assert not {datum for watcher in going for datum in watcher.data} & {"2000", *map(str, range(1000, 1005))}
        for watcher in staying:
            assert [datum for datum in watcher.data if int(str(datum)) < 1000] == [str(number) for number in range(50)]
            assert not watcher.gone.is_set()


def write(records: Records, topic: str, first: int, end: int) -> None:
    """Each number to all channels."""
    for number in range(first, end):
        records.produce(topic, [(str(account), str(number)) for account in range(20)])
