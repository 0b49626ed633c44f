"""Unmodified SDKs and the REST side of an edge: tokens for signed requests, pages of the past, keys over TLS."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

from tests.auth.certificates import self_signed_pem
from tests.conftest import Produce, StartEdge
from tests.e2e.conftest import StartSdk, reader_of
from tests.testbed.edge import KEY, EdgeProcess
from tests.testbed.sdk import KINDS, Fault, Kind, Sdk

each_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
WITH_KEY = {"key": KEY}


def rest_client(kind: Kind, edge: EdgeProcess) -> Sdk:
    """An SDK of which only REST is used."""
    return Sdk(kind, edge.port, health_url=f"http://127.0.0.1:{edge.ops_port}/health/live")


@each_kind
async def test_a_signed_token_request_lets_a_device_connect(
    kind: Kind, shared_edge: EdgeProcess, shared_topic: str, account: str, sdk: StartSdk, produce: Produce
) -> None:
    """
    RSA8, RSA9: the bank's server signs with its key; the device exchanges that for a token, and listens by it.

    The realtime client of ably from PyPI takes no port but in its host, and then finds no REST beside it: there the
    REST client exchanges.
    """
    channel = f"account:{account}"
    wish = {"capability": json.dumps({channel: ["subscribe"]}), "ttl": 60000}
    wish["clientId" if kind.language == "js" else "client_id"] = "phone"
    async with rest_client(kind, shared_edge) as server:
        request = await server.token_request(WITH_KEY, **wish)
        handed = request if kind.language == "js" else (await server.exchange(request, {}))["token"]

    device = await sdk(kind, shared_edge, mint=lambda: handed)
    await device.attach(channel)
    produce(shared_topic, [(account, "hello")])
    await device.until_received(channel, 1)

    assert device.data(channel) == ["hello"]
    with pytest.raises(Fault) as refusal:
        await device.attach("account:of-somebody-else")
    assert refusal.value.code == 40160


@each_kind
async def test_a_token_request_is_exchanged_once(kind: Kind, shared_edge: EdgeProcess) -> None:
    """TE5: who has a copy of it gets nothing; the error reaches the SDK as it was said."""
    async with rest_client(kind, shared_edge) as client:
        before_ms = time.time() * 1000
        request = await client.token_request(WITH_KEY)

        details = await client.exchange(request, {})
        with pytest.raises(Fault) as refusal:
            await client.exchange(request, {})

    assert details["token"].count(".") == 2
    assert int(before_ms) <= details["issued"] < details["expires"]
    assert (refusal.value.code, refusal.value.status) == (40105, 401)


@each_kind
async def test_a_key_without_tls_is_used_by_way_of_tokens(kind: Kind, shared_edge: EdgeProcess, account: str) -> None:
    """RSA4: the SDK signs, exchanges and asks, all by itself."""
    async with rest_client(kind, shared_edge) as client:
        pages = await client.walk(f"account:{account}", {**WITH_KEY, "usesTokens": True})

    assert pages == [[]]


@each_kind
async def test_pages_lead_through_the_whole_past(
    kind: Kind, shared_edge: EdgeProcess, shared_topic: str, account: str, sdk: StartSdk, produce: Produce
) -> None:
    """TG: next after next, in both directions, on a channel whose name must be encoded."""
    channel = f"account:{account}/ü+messages?%"
    key = channel.partition(":")[2]
    reader = {"token": reader_of(channel)}
    client = await sdk(kind, shared_edge, **reader)
    await client.attach(channel)
    produce(shared_topic, [(key, json.dumps(n)) for n in range(7)])
    await client.until_received(channel, 7)

    backwards = await client.walk(channel, reader, limit=3)
    forwards = await client.walk(channel, reader, limit=3, direction="forwards")

    assert [[message["data"] for message in page] for page in backwards] == [["6", "5", "4"], ["3", "2", "1"], ["0"]]
    assert [[message["data"] for message in page] for page in forwards] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.language == "js"], ids=str)
async def test_until_attach_and_live_make_one_whole(
    kind: Kind, shared_edge: EdgeProcess, shared_topic: str, account: str, sdk: StartSdk, produce: Produce
) -> None:
    """RTL10b: what came before the attachment is there, what comes live is not, and nothing lies between."""
    channel = f"account:{account}"
    reader = reader_of(channel)
    witness = await sdk(kind, shared_edge, token=reader)
    await witness.attach(channel)
    produce(shared_topic, [(account, f"before {n}") for n in range(3)])
    await witness.until_received(channel, 3)

    client = await sdk(kind, shared_edge, token=reader)
    await client.attach(channel)
    produce(shared_topic, [(account, "live")])
    await client.until_received(channel, 1)
    past = await client.before_attach(channel)

    assert [message["data"] for message in past] == ["before 2", "before 1", "before 0"]
    assert client.data(channel) == ["live"]


@each_kind
async def test_a_key_is_good_over_tls(
    kind: Kind, edge: StartEdge, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RSA1: an SDK shows a key over nothing else; the certificate is one that its operator vouches for."""
    pem = tmp_path / "edge.pem"
    pem.write_bytes(self_signed_pem())
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(pem))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    secure = edge({"account": {"topic": topic}}, server={"tls_certificate_file": str(pem), "tls_key_file": str(pem)})
    async with rest_client(kind, secure) as client:
        pages = await client.walk("account:1", {**WITH_KEY, "isSecure": True})
        with pytest.raises(Fault) as refusal:
            await client.walk("account:1", {"key": "bank.server:not-the-secret-of-this-key", "isSecure": True})

    assert pages == [[]]
    assert refusal.value.code == 40101


async def test_any_edge_goes_on_with_the_pages_of_another(
    edge: StartEdge, topic: str, produce: Produce, account: str
) -> None:
    """Behind a load balancer each page is answered by whoever is next, and the pages adjoin."""
    channel, namespaces = f"/channels/account:{account}/messages", {"account": {"topic": topic}}
    headers = {"Authorization": f"Bearer {reader_of(f'account:{account}')}"}
    first, second = edge(namespaces), edge(namespaces)
    produce(topic, [(account, str(n)) for n in range(10)])
    seen: list[str] = []

    async with httpx.AsyncClient(headers=headers) as client:

        async def page(edge: EdgeProcess, query: str) -> str:
            response = await client.get(f"{edge.url}{channel}?{query}")
            seen.extend(message["data"] for message in response.json())
            return response.links["next"]["url"].partition("?")[2] if "next" in response.links else ""

        while len(seen) < 3:
            seen.clear()
            query = await page(first, "limit=3")
        while query:
            first, second = second, first
            query = await page(first, query)

    assert seen == [str(n) for n in range(9, -1, -1)]
