"""A whole edge but for Kafka: real sockets, the real front door and devices, a hub that the test speaks into."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from fakeredis import FakeAsyncRedis, FakeServer
from fastapi import FastAPI
from starlette.types import ASGIApp

from auth.ably_token import mint
from auth.capability import Capability
from auth.keys import Key, KeyRing
from auth.revocation import Rulings
from auth.verifier import Verifier
from gateway.core.duplicates import Duplicates
from gateway.core.hub import Hub
from gateway.core.message import Message
from gateway.core.routing import Router
from gateway.core.terms import Terms
from gateway.core.window import Window
from gateway.core.wire import ConnectionDetails
from gateway.metrics.counts import Counts
from gateway.settings import CursorSettings, LimitSettings, ServerSettings
from gateway.store.connections import ConnectionStore
from gateway.store.cursors import CursorStore
from gateway.transport.certificate import Certificate
from gateway.transport.cursors import CursorLedger
from gateway.transport.house import House
from gateway.transport.listener import certificate_of, listen, public_server
from tests.core.outlet import Submitted

TOPIC = "edge.accounts"
KEY = Key("bank", "server", b"secret-secret-secret-secret-secret", Capability.parse({"*": ["*"]}))


@dataclass
class Ground:
    """An edge to stand on."""

    house: House
    hub: Hub
    port: int
    cursors: CursorStore
    cursor_ledger: CursorLedger
    redis: FakeServer
    certificate: Certificate | None = None
    next_offset: int = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    def token(
        self, *, ttl_seconds: float = 3600, client_id: str | None = None, capability: dict[str, list[str]] | None = None
    ) -> str:
        return mint(
            KEY,
            now=self.house.now(),
            ttl_seconds=ttl_seconds,
            client_id=client_id,
            capability=Capability.parse(capability) if capability else None,
        )

    def say(self, channel: str, data: str = "x", count: int = 1) -> None:
        for _ in range(count):
            message = Message(id=f"{TOPIC}:0:{self.next_offset}", timestamp=int(self.house.now() * 1000), data=data)
            self.hub.accept(TOPIC, 0, self.next_offset, channel, message, len(data), self.house.now())
            self.next_offset += 1


@contextlib.asynccontextmanager
async def standing(
    app: ASGIApp | None = None,
    *,
    limits: LimitSettings | None = None,
    save_cursors_every_seconds: float = 1.0,
    refresh_cursors_every_seconds: float = 600.0,
    **server: Any,
) -> AsyncIterator[Ground]:
    """Serve on a free port of loopback until the block ends; *app* answers what is no WebSocket."""
    settings = ServerSettings(host="127.0.0.1", **server)
    hub = Hub(Window(max_bytes=1 << 28, max_seconds=600, remembered_channels=1000), Duplicates(1000))
    hub.begin(TOPIC, "aaaaaaaa", {0: 0}, now=0.0)
    counts = Counts()
    terms = Terms(
        hub,
        Router({"account": SimpleNamespace(topic=TOPIC, key="{rest}")}),
        ConnectionDetails(
            "",
            settings.max_message_bytes,
            settings.max_frame_bytes,
            120000,
            int(settings.idle_interval_seconds * 1000),
            "edge",
        ),
        channels_per_connection=200,
        rewind_namespaces=frozenset({"account"}),
        count_refusal=counts.refused,
        publishing=Submitted(),
    )
    redis = FakeServer()
    shelf = CursorStore(FakeAsyncRedis(server=redis), 2.0, CursorSettings())
    cursors = CursorLedger(shelf, save_cursors_every_seconds, refresh_cursors_every_seconds, time.time)
    terms.cursors, terms.confirmations = cursors, (cursors,)
    async with asyncio.TaskGroup() as tasks:
        rulings = Rulings(max_token_age_seconds=86400, max_count=1000)
        verifier = Verifier(KeyRing([KEY]), (), rulings=rulings)
        store = ConnectionStore(FakeAsyncRedis(), 2.0)
        house = House(settings, limits or LimitSettings(), terms, verifier, store, counts, tasks)
        public = public_server(app or FastAPI(), house, settings)
        certificate = certificate_of(public, settings)
        running = [tasks.create_task(house.wheel.run()), tasks.create_task(house.ledger.run())]
        running.append(tasks.create_task(cursors.run()))
        listener = listen(settings.model_copy(update={"port": 0}), reuse_port=False)
        serving = tasks.create_task(public.serve([listener]))
        while not public.started:
            await asyncio.sleep(0.01)
        try:
            port = public.servers[0].sockets[0].getsockname()[1]
            yield Ground(house, hub, port, shelf, cursors, redis, certificate)
        finally:
            for device in list(house.devices):
                device.abort()
            public.should_exit = True
            await serving
            await cursors.close()
            for task in running:
                task.cancel()
