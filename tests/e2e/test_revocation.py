"""Tokens and rights that are taken back: over REST and by records of services, on live connections of unmodified SDKs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.conftest import Produce
from tests.e2e.conftest import StartSdk
from tests.e2e.revoking import code_of, revoke, token_of
from tests.testbed.edge import KEY, EdgeProcess
from tests.testbed.records import Records
from tests.testbed.sdk import KINDS, Fault, Kind

each_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


@pytest.fixture(scope="module")
def rulings_topic(records: Records) -> str:
    """What is taken back."""
    return records.make_topic(1, cleanup_policy="compact")


@pytest.fixture(scope="module")
def revoking_edges(
    tmp_path_factory: pytest.TempPathFactory, kafka: str, redis_url: str, shared_topic: str, rulings_topic: str
) -> Iterator[list[EdgeProcess]]:
    """Two edges that go by it."""
    edges = [
        EdgeProcess(
            tmp_path_factory.mktemp("revoking"),
            kafka=kafka,
            redis_url=redis_url,
            namespaces={"account": {"topic": shared_topic}},
            sections={"revocation": {"topic": rulings_topic}},
        ).launch()
        for _ in range(2)
    ]
    try:
        for edge in edges:
            edge.wait_until_ready()
        yield edges
    finally:
        for edge in edges:
            edge.close()


@each_kind
@pytest.mark.parametrize("by", ["clientId", "revocationKey"])
async def test_a_revoked_token_is_renewed_and_nothing_is_missed(
    kind: Kind,
    by: str,
    revoking_edges: list[EdgeProcess],
    shared_topic: str,
    account: str,
    sdk: StartSdk,
    produce: Produce,
) -> None:
    """40141 on the live connection, whichever edge was asked; the SDK asks its app for a token and resumes (RTN15h2)."""
    mine, other = revoking_edges
    channel, client_id, group = f"account:{account}", f"client-{account}", f"group-{account}"
    client = await sdk(kind, mine, mint=lambda: token_of(client_id, channel, revocation_key=group))
    bystander = await sdk(kind, mine, token=token_of(f"bystander-{account}", channel))
    await client.attach(channel)
    await bystander.attach(channel)
    first_id = client.connection[-1]["id"]
    produce(shared_topic, [(account, f"before {n}") for n in range(20)])
    await client.until_received(channel, 20)

    revoke(other, f"clientId:{client_id}" if by == "clientId" else f"revocationKey:{group}")
    produce(shared_topic, [(account, f"after {n}") for n in range(20)])
    await client.until(lambda: client.connections == 2, "connected with a new token")
    await client.until_received(channel, 40)
    await bystander.until_received(channel, 40)

    assert client.data(channel) == [f"{when} {n}" for when in ("before", "after") for n in range(20)]
    assert client.losses([channel]) == []
    assert client.connection[-1]["id"] == first_id
    assert any((change.get("reason") or {}).get("code") == 40141 for change in client.connection)
    assert client.tokens_asked == 2
    assert bystander.connections == 1


@each_kind
async def test_who_cannot_renew_is_out(
    kind: Kind, revoking_edges: list[EdgeProcess], account: str, sdk: StartSdk
) -> None:
    """RSA4a2: a token without a way to another one ends as FAILED."""
    client = await sdk(kind, revoking_edges[0], token=token_of(f"client-{account}", f"account:{account}"))

    revoke(revoking_edges[0], f"clientId:client-{account}")
    await client.until(lambda: client.state == "failed", "failed")

    assert client.connection[-1]["reason"]["code"] in (40141, 40171)


async def test_ably_js_revokes_by_itself(revoking_edges: list[EdgeProcess], account: str, sdk: StartSdk) -> None:
    """RSA17, TRS2, TRF2: the batch's result, with a target that is none; then a margin, in which AUTH is asked."""
    edge, channel = revoking_edges[0], f"account:{account}"
    client = await sdk(KINDS[1], edge, mint=lambda: token_of(f"client-{account}", channel))
    await client.attach(channel)
    first_id = client.connection[-1]["id"]
    began_ms = time.time() * 1000

    targets = [{"type": "clientId", "value": f"client-{account}"}, {"type": "planet", "value": "mars"}]
    result = await client.revoke(targets, {"key": KEY}, allowReauthMargin=True)
    await client.until(lambda: client.tokens_asked == 2, "a new token is asked for")
    await client.until(lambda: client.connection[-1]["kind"] == "update", "renewed in band")

    done, failed = result["results"]
    assert (result["successCount"], result["failureCount"]) == (1, 1)
    assert done["target"] == f"clientId:client-{account}"
    assert done["appliesAt"] >= began_ms + 30_000 > done["issuedBefore"] >= began_ms - 5_000
    assert (failed["target"], failed["error"]["statusCode"]) == ("planet:mars", 400)
    assert client.connection[-1]["id"] == first_id
    assert client.connections == 1


@each_kind
async def test_a_service_takes_an_account_from_a_client_and_gives_it_back(
    kind: Kind,
    revoking_edges: list[EdgeProcess],
    shared_topic: str,
    rulings_topic: str,
    account: str,
    sdk: StartSdk,
    produce: Produce,
) -> None:
    """An entitlement caps what tokens say: 40160 on that channel at once, and nothing of it any more; all else goes on."""
    client_id = f"client-{account}"
    kept, lost = f"account:{account}-kept", f"account:{account}-lost"
    token = token_of(client_id, kept, lost)
    client = await sdk(kind, revoking_edges[0], token=token)
    witness = await sdk(kind, revoking_edges[0], token=token_of(f"witness-{account}", lost))
    for one, channel in ((client, kept), (client, lost), (witness, lost)):
        await one.attach(channel)
    key = f"entitle:bank:clientId:{client_id}"

    produce(rulings_topic, [(key, json.dumps({"capability": {kept: ["*"]}}))])
    await client.until(lambda: client.channel_state(lost) == "failed", "the channel is refused")
    produce(shared_topic, [(f"{account}-lost", "not for it"), (f"{account}-kept", "for it")])
    await client.until_received(kept, 1)
    await witness.until_received(lost, 1)

    assert client.channels[lost][-1]["reason"]["code"] == 40160
    assert client.data(lost) == []
    assert client.connections == 1
    with pytest.raises(Fault) as refusal:
        await client.publish(lost, {"data": "x"})
    assert refusal.value.code in (40160, 90001)
    for edge in revoking_edges:
        edge.process.wait_until(lambda edge=edge: code_of(edge, token, lost) == 40160, "either edge goes by it")
        assert code_of(edge, token, kept) is None

    produce(rulings_topic, [(key, None)])
    edge = revoking_edges[0]
    edge.process.wait_until(lambda: code_of(edge, token, lost) is None, "the entitlement is withdrawn")
    await client.attach(lost)
    produce(shared_topic, [(f"{account}-lost", "for it again")])
    await client.until(lambda: client.data(lost) == ["for it again"], "its own again")
