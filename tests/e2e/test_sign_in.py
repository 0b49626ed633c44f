"""How apps let unmodified SDKs sign in: by a URL of theirs or by a function, with each kind of answer that Ably takes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest

from tests.conftest import Produce
from tests.e2e.conftest import StartSdk
from tests.e2e.test_rest import WITH_KEY, each_kind, rest_client
from tests.testbed.edge import EdgeProcess, token
from tests.testbed.sdk import KINDS, Fault, Kind, Sdk

COMPANY_SECRET = "a-secret-that-lastmile-has-never-heard-of"
HOUR_MS = 3_600_000


class SignIn:
    """
    The app's own server: answers ``/FORM`` with what the test put there, the next one each time and the last for ever.

    Attributes:
        answers: By path.
        asked: The paths of the requests, in order.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[str | dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.port = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode().partition("?")[0]
            self.asked.append(path)
            waiting = self.answers[path]
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            kind = "application/jwt" if isinstance(answer, str) else "application/json"
            body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
                % (kind.encode(), len(body), body)
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def sign_in() -> AsyncIterator[SignIn]:
    served = SignIn()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    yield served
    server.close()
    await server.wait_closed()


def anonymous(channel: str, *, ttl_seconds: float = 3600) -> str:
    """A token of nobody: ably-python takes a bare token only as long as it knows no clientId (PROTOCOL.md section 3)."""
    return token(now=time.time(), ttl_seconds=ttl_seconds, capability={channel: ["subscribe", "history"]})


def wrapped(inner: str) -> str:
    """The company's own token, with one of ours in it."""
    claims = {"sub": "somebody", "exp": int(time.time()) + 3600}
    return jwt.encode(claims, COMPANY_SECRET, headers={"x-ably-token": inner})


def details(text: str, channel: str) -> dict[str, Any]:
    """TokenDetails (TD1 to TD7), as an app's server may write them."""
    now_ms = int(time.time() * 1000)
    capability = json.dumps({channel: ["subscribe", "history"]})
    return {"token": text, "issued": now_ms, "expires": now_ms + HOUR_MS, "capability": capability}


@each_kind
async def test_every_way_to_sign_in(
    kind: Kind,
    shared_edge: EdgeProcess,
    shared_topic: str,
    account: str,
    sdk: StartSdk,
    produce: Produce,
    sign_in: SignIn,
) -> None:
    """
    RSA4, RSA8c, RSA8d: authUrl and authCallback, each with TokenRequest, TokenDetails, a JWT, and a JWT in another.

    The realtime client of ably from PyPI finds no REST beside a port of its own, so there its REST client alone
    exchanges TokenRequests.
    """
    channel = f"account:{account}"
    wish = {"capability": json.dumps({channel: ["subscribe", "history"]}), "ttl": HOUR_MS}
    handed: list[str | dict[str, Any]] = []
    health_url = f"http://127.0.0.1:{shared_edge.ops_port}/health/live"
    async with Sdk(kind, shared_edge.port, health_url=health_url, mint=lambda: handed.pop(0)) as server:
        signed = [await server.token_request(WITH_KEY, **wish) for _ in range(2)]
        forms: dict[str, str | dict[str, Any]] = {
            "/request": signed[0],
            "/details": details(anonymous(channel), channel),
            "/jwt": anonymous(channel),
            "/wrapped": wrapped(anonymous(channel)),
        }
        sign_in.answers = {path: [answer] for path, answer in forms.items()}

        for path in forms:
            if path == "/request" and kind.language == "python":
                await server.walk(channel, {"authUrl": sign_in.url(path)})
                continue
            device = await sdk(kind, shared_edge, authUrl=sign_in.url(path))
            assert device.state == "connected", (path, device.connection)
            await device.attach(channel)
            produce(shared_topic, [(account, f"hello to {path}")])
            await device.until(lambda device=device, path=path: f"hello to {path}" in device.data(channel), path)
            with pytest.raises(Fault) as refusal:
                await device.attach("account:of-somebody-else")
            assert refusal.value.code == 40160

        handed.extend([signed[1], *list(forms.values())[1:]])
        for _ in forms:
            assert await server.walk(channel, {"asksForTokens": True})

    assert sorted(set(sign_in.asked)) == sorted(forms)
    assert server.tokens_asked == len(forms)


@each_kind
async def test_what_is_not_signed_by_the_key_is_exchanged_for_nothing(kind: Kind, shared_edge: EdgeProcess) -> None:
    """RSA9g: another mac, another clientId than was signed, more rights: 40101, and the SDK hears it."""
    async with rest_client(kind, shared_edge) as client:
        request = await client.token_request(WITH_KEY, capability='{"account:1":["subscribe"]}')
        for change in (
            {"mac": "bm90IHRoZSBtYWM="},
            {"clientId": "mallory"},
            {"capability": '{"*":["*"]}'},
            {"ttl": HOUR_MS * 20},
        ):
            with pytest.raises(Fault) as refusal:
                await client.exchange(request | change, {})
            assert (refusal.value.code, refusal.value.status) == (40101, 401), change

        assert (await client.exchange(request, {}))["token"], "whoever failed has not used it up"


@pytest.mark.parametrize("kind", [KINDS[1], KINDS[2]], ids=str)
async def test_the_url_is_asked_again_before_the_token_ends(
    kind: Kind, shared_edge: EdgeProcess, account: str, sdk: StartSdk, sign_in: SignIn
) -> None:
    """RTN22: the edge asks, the SDK asks the app, and the connection stays the same."""
    channel = f"account:{account}"
    sign_in.answers["/jwt"] = [anonymous(channel, ttl_seconds=4), anonymous(channel)]
    device = await sdk(kind, shared_edge, authUrl=sign_in.url("/jwt"))
    await device.attach(channel)
    first_id = device.connection[-1]["id"]

    await device.until(lambda: device.connection[-1]["kind"] == "update", "renewed in band")

    assert sign_in.asked == ["/jwt", "/jwt"]
    assert device.connection[-1]["id"] == first_id
    assert device.connections == 1
