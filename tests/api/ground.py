"""The public port's HTTP without sockets: the real app on real parts, with a window that the test speaks into."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
import msgspec
from fakeredis import FakeAsyncRedis
from redis.asyncio import Redis

from auth.ably_token import mint
from auth.capability import Capability
from auth.keys import Key
from auth.verifier import Verifier
from gateway.api.public import create_app
from gateway.core.duplicates import Duplicates
from gateway.core.hub import Hub
from gateway.core.interpreter import Interpreter
from gateway.core.message import Message
from gateway.core.retention import Retention
from gateway.core.routing import Router
from gateway.core.shared_limits import SharedLimits
from gateway.core.window import Window
from gateway.credentials import issuers_of, keyring_of
from gateway.metrics.counts import Counts
from gateway.replay import Tiers
from gateway.replay.listing import Listing
from gateway.settings import KafkaSettings, Settings
from gateway.sharing import limit_terms
from gateway.store.history import HistoryStore
from gateway.store.nonces import NonceStore
from gateway.stream.past import Past
from tests.core.outlet import Submitted

TOPIC, LIFE = "edge.accounts", "aaaaaaaa"
SECRET = "the-secret-of-these-tests-and-of-nothing-else"
KEY_TEXT = f"bank.server:{SECRET}"
KEY = Key("bank", "server", SECRET.encode(), Capability.parse({"*": ["*"]}))
NARROW_SECRET = "another-secret-of-these-tests-and-nothing-else"
HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"  # RFC 5737: an address of nobody
PAGE = "https://app.bank.example"
MSGPACK = "application/x-msgpack"


class Tail:
    """Whether the topics were read, as the test says."""

    is_ready = True


class Ground:
    """
    What requests need of an edge.

    Args:
        redis: Where nonces are kept; absent: one in the process.
        limits: Settings of `limits`.
        namespaces: Settings of these; absent: `account`.
        server: Settings of `server`.
    """

    def __init__(
        self,
        redis: Redis | None = None,
        *,
        limits: dict[str, Any] | None = None,
        namespaces: dict[str, Any] | None = None,
        **server: Any,
    ) -> None:
        self.settings = Settings.model_validate(
            {
                "server": {"allowed_origins": [PAGE], **server},
                "limits": limits or {},
                "kafka": {"bootstrap_servers": "127.0.0.1:1"},
                "redis": {"url": "redis://127.0.0.1:1/0"},
                "apps": [
                    {
                        "id": "bank",
                        "keys": [
                            {"id": "server", "secret": SECRET},
                            {"id": "narrow", "secret": NARROW_SECRET, "capability": {"account:*": ["history"]}},
                        ],
                    }
                ],
                "namespaces": namespaces or {"account": {"topic": TOPIC}},
            }
        )
        self.keyring = keyring_of(self.settings)
        self.verifier = Verifier(self.keyring, issuers_of(self.settings))
        self.revocations = None
        self.nonces = NonceStore(redis or FakeAsyncRedis(), 2.0)
        self.router = Router(self.settings.namespaces)
        self.hub = Hub(Window(max_bytes=1 << 28, max_seconds=600, remembered_channels=1000), Duplicates(1000))
        self.hub.begin(TOPIC, LIFE, {0: 0}, now=time.time())
        retention = Retention(self.settings.namespaces, self.router)
        tiers = Tiers(
            HistoryStore(redis or FakeAsyncRedis(), 2.0, retention),
            _past(),
            self.settings.kafka,
            self.router,
            Interpreter(self.router, self.settings.namespaces, 1 << 20),
        )
        self.counts = Counts()
        self.listing = Listing(self.hub.window, tiers, retention, 0, self.counts)
        self.publisher = Submitted()
        self.limits = limit_terms(self.settings, SharedLimits(), self.counts.limit)
        self.tail = Tail()
        self.next_offset = 0
        self.noted: list[dict[str, object]] = []
        self.app = create_app(self)

    def note(self, event: str, **details: object) -> None:
        """The audit journal's part."""
        self.noted.append({"event": event, **details})

    def say(self, channel: str, *values: str | bytes, **fields: Any) -> None:
        """Records arrive."""
        for value in values:
            message = Message(id=f"{TOPIC}:0:{self.next_offset}", timestamp=1000 + self.next_offset, data=value)
            message = msgspec.structs.replace(message, **fields)
            self.hub.accept(TOPIC, 0, self.next_offset, channel, message, len(value), time.time())
            self.next_offset += 1

    async def ask(
        self, method: str, url: str, *, client: str = HERE, scheme: str = "http", **request: Any
    ) -> httpx.Response:
        """One request, from an address, over a plain line or not."""
        transport = httpx.ASGITransport(self.app, client=(client, 1234))
        async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://edge.bank.example") as asking:
            return await asking.request(method, url, **request)

    async def get(self, url: str, **request: Any) -> httpx.Response:
        """With a token for everything, unless the test says who asks."""
        if "headers" not in request:
            request["headers"] = bearer(token())
        return await self.ask("GET", url, **request)


@cache
def _past() -> Past:
    """One for all grounds, which FastAPI's caches keep: each has a client of librdkafka, with file descriptors."""
    return Past(KafkaSettings(bootstrap_servers="127.0.0.1:1"), dict)


def token(
    capability: Mapping[str, list[str]] | None = None, *, ttl_seconds: float = 3600, client_id: str | None = None
) -> str:
    """A token of the key that may do everything."""
    allowed = None if capability is None else Capability.parse(capability)
    return mint(KEY, now=time.time(), ttl_seconds=ttl_seconds, client_id=client_id, capability=allowed)


def base64_of(text: str) -> str:
    """As headers carry it."""
    return base64.b64encode(text.encode()).decode()


def bearer(token: str) -> dict[str, str]:
    """As SDKs show a token."""
    return {"Authorization": f"Bearer {base64_of(token)}"}


def basic(key: str = KEY_TEXT) -> dict[str, str]:
    """As SDKs show a key."""
    return {"Authorization": f"Basic {base64_of(key)}"}


def code_of(response: httpx.Response) -> int:
    """The code of an error, which body and header agree on."""
    error = response.json()["error"]
    assert response.headers["X-Ably-ErrorCode"] == str(error["code"])
    assert response.status_code == error["statusCode"]
    code: int = error["code"]
    return code
