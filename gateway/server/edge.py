"""One edge, from start to its end."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable, Sequence
from importlib.metadata import version

import uvicorn
from fastapi import FastAPI

from auth.revocation import Address
from gateway.api.ops import create_ops_app
from gateway.api.public import create_app
from gateway.core.wire import Lag
from gateway.memory import Guard
from gateway.reloading import Change, Reload
from gateway.server.condition import Condition
from gateway.server.drain import drain
from gateway.server.failure import failure_of
from gateway.server.parts import Parts
from gateway.settings import Settings
from gateway.transport.certificate import Certificate
from gateway.transport.enforcement import enforce, enforce_keys
from gateway.transport.house import House
from gateway.transport.listener import REQUEST_GRACE_SECONDS, Uvicorn, bind, certificate_of, listen, public_server

_log = logging.getLogger("gateway.server")
TICK_SECONDS = 0.1
PUBLISHER_STOP_SECONDS = 5.0
# The collector looks at few objects at a time, so that it stops the loop for milliseconds, and hardly ever at old ones:
# what ends here leaves no cycles behind. When memory is short it looks at all, see gateway.memory.
GC_THRESHOLDS = (10_000, 2, 1000)


class Edge:
    """
    One edge process.

    Args:
        settings: All of them.
        extend: Adds routes to the public app, such as the demo's page.
        reuse_port: Whether several processes share the public port.
        reread: Gives the settings as they are written now, for SIGHUP; None: SIGHUP is not heard.

    Attributes:
        condition: How it is.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        extend: Callable[[FastAPI], None] | None = None,
        reuse_port: bool = False,
        reread: Callable[[], Settings] | None = None,
    ) -> None:
        self.settings = settings
        self._parts = Parts(settings, self._enforce)
        self._version = version("lastmile")
        self.condition = Condition(self._parts, self._version)
        note = self._parts.note
        self._reload = None if reread is None else Reload(reread, settings, [self._trust, self._renew], note)
        self._certificate: Certificate | None = None
        self._reuse_port = reuse_port
        self._stop = asyncio.Event()
        self._app = create_app(self._parts)
        if extend is not None:
            extend(self._app)

    def stop(self) -> None:
        """Drain and end `serve`."""
        self._stop.set()

    async def serve(self) -> None:
        """
        Run until `stop` or a signal, then drain.

        Raises:
            GatewayError: With one sentence, if a part failed for good or a port cannot be had.
        """
        loop = asyncio.get_running_loop()
        journal, server = self._parts.journal, self.settings.server
        journal.open()
        journal.note("start", version=self._version)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        if self._reload is not None:
            loop.add_signal_handler(signal.SIGHUP, self._reload)
        try:
            with (
                listen(server, reuse_port=self._reuse_port) as public,
                bind(server.ops_host, server.ops_port, "server.ops_port") as ops,
            ):
                await self._serve(public, ops)
        except BaseExceptionGroup as failures:
            raise failure_of(failures) from None
        finally:
            journal.note("stop", version=self._version)
            await journal.close()
            await self._parts.close()

    async def _serve(self, public_socket: socket.socket, ops_socket: socket.socket) -> None:
        parts, server = self._parts, self.settings.server
        async with asyncio.TaskGroup() as tasks:
            house = self.condition.house = parts.house(tasks)
            guard = self.condition.guard = Guard(self.settings.limits.max_memory_bytes, house)
            public, ops = public_server(self._app, house, server), self._ops_server()
            running = [
                tasks.create_task(parts.tail.run(), name="tail"),
                tasks.create_task(parts.historian.run(), name="historian"),
                tasks.create_task(parts.replayer.run(), name="replayer"),
                tasks.create_task(parts.listing.run(), name="listing"),
                tasks.create_task(house.wheel.run(), name="wheel"),
                tasks.create_task(house.ledger.run(), name="ledger"),
                tasks.create_task(parts.sharing.run(), name="sharing"),
                tasks.create_task(parts.receipts.run(), name="receipts"),
                tasks.create_task(parts.cursor_ledger.run(), name="cursors"),
                tasks.create_task(self._tick(house), name="tick"),
                tasks.create_task(parts.journal.run(), name="audit"),
                tasks.create_task(guard.run(), name="memory"),
            ]
            if parts.revocations is not None:
                running.append(tasks.create_task(parts.revocations.follower.run(), name="revocations"))
            self._certificate = certificate_of(public, server)
            if self._certificate is not None:
                running.append(tasks.create_task(self._certificate.run(), name="certificate"))
            serving = [
                tasks.create_task(public.serve([public_socket]), name="public port"),
                tasks.create_task(ops.serve([ops_socket]), name="ops port"),
            ]
            _log.info("serving", extra={"address": server.host, "port": server.port, "ops_port": server.ops_port})
            gc.collect()
            gc.freeze()  # what lives as long as the process need not be looked at again
            gc.set_threshold(*GC_THRESHOLDS)
            await self._stop.wait()
            await drain(parts, house, self.condition)
            public.should_exit = ops.should_exit = True
            await asyncio.wait(serving)
            await asyncio.gather(
                parts.publisher.stop(PUBLISHER_STOP_SECONDS), parts.receipts.stop(PUBLISHER_STOP_SECONDS)
            )
            if parts.revocations is not None:
                await parts.revocations.stop()
            for task in running:
                task.cancel()

    def _ops_server(self) -> Uvicorn:
        return Uvicorn(
            uvicorn.Config(
                create_ops_app(self._parts, self.condition),
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=REQUEST_GRACE_SECONDS,
            )
        )

    async def _enforce(self, addresses: Sequence[Address]) -> None:
        """Bring rulings to who is connected; before the edge serves there is nobody."""
        if self.condition.house is not None:
            await enforce(self.condition.house, addresses)

    def _trust(self, settings: Settings) -> Change:
        """Get ready for other keys and issuers, and to look at who came in by those of before."""
        change_trust = self._parts.trust.prepare(settings)

        def change() -> None:
            change_trust()
            house = self.condition.house
            if house is not None:
                house.tasks.create_task(enforce_keys(house))

        return change

    def _renew(self, _settings: Settings) -> Change:
        """Get ready to show the certificate that the files hold now."""
        return self._certificate.prepare() if self._certificate is not None else (lambda: None)

    async def _tick(self, house: House) -> None:
        """What must go on while nothing flows: the window ages, attaches that wait lose patience, the loop is watched."""
        hub, tail, revocations = house.hub, self._parts.tail, self._parts.revocations
        while True:
            before = house.loop.time()
            await asyncio.sleep(TICK_SECONDS)
            house.counts.loop_delay.observe(house.loop.time() - before - TICK_SECONDS)
            now = house.now()
            hub.window.evict(now)
            hub.waiting.settle(now)
            self._parts.publisher.sweep(now)
            hub.freshness.lags = {name: Lag(lag.records, round(lag.seconds * 1000)) for name, lag in tail.lag().items()}
            hub.freshness.look(int(now * 1000), tail.as_of_ms)
            if revocations is not None:
                await revocations.turn(now)
