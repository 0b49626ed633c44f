"""
An edge, put together: tail, hub, devices, REST and the ops port, from start to drain.

    start    the tail reads up to where the topics ended; then the edge is ready
    serve    until SIGTERM or SIGINT
    drain    not ready, so the load balancer looks elsewhere; clients are told to move, a few at a time; exit 0

A part that fails for good (a bug, an unreadable certificate) takes the process down with its reason in one sentence;
Kafka or Redis being away does not.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import signal
import socket
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version

import uvicorn
import uvloop
from fastapi import FastAPI

from auth.revocation import Address
from auth.verifier import Verifier
from gateway.api.ops import create_ops_app
from gateway.api.public import create_app
from gateway.audit import Journal
from gateway.core.duplicates import Duplicates
from gateway.core.hub import Hub
from gateway.core.interpreter import Interpreter
from gateway.core.retention import Retention
from gateway.core.routing import Router
from gateway.core.shared_limits import SharedLimits
from gateway.core.terms import Note, Terms
from gateway.core.window import Window
from gateway.core.wire import ConnectionDetails, Lag
from gateway.credentials import issuers_of, keyring_of
from gateway.errors import Draining, GatewayError, PartFailed
from gateway.historian import Historian
from gateway.memory import Guard
from gateway.metrics.counts import Counts
from gateway.metrics.exposition import registry_of
from gateway.metrics.readings import Readings, TopicLag
from gateway.publisher import Publisher
from gateway.receipts import Receipts
from gateway.reloading import Change, Reload
from gateway.replay import Replayer, Tiers
from gateway.replay.listing import Listing
from gateway.revocation import Revocations
from gateway.settings import Settings
from gateway.sharing import LEASE_SECONDS, Sharing, limit_terms
from gateway.store.connections import ConnectionStore
from gateway.store.cursors import CursorStore
from gateway.store.history import HistoryStore
from gateway.store.history_writer import HistoryWriter
from gateway.store.limits import LimitStore
from gateway.store.nonces import NonceStore
from gateway.store.redis import connect, disconnect
from gateway.stream.past import Past
from gateway.stream.producer import Producer
from gateway.tail import Tail
from gateway.transport.certificate import Certificate
from gateway.transport.cursors import CursorLedger
from gateway.transport.enforcement import enforce, enforce_keys
from gateway.transport.house import House
from gateway.transport.listener import REQUEST_GRACE_SECONDS, Uvicorn, bind, certificate_of, listen, public_server

_log = logging.getLogger("gateway.server")
DRAIN_GROUPS = 20
NOT_READY_SECONDS = 1.0  # given to the load balancer to notice, before clients are told
LAST_WORDS_SECONDS = 3.0  # for closing handshakes, after the last client was told
TICK_SECONDS = 0.1
PUBLISHER_STOP_SECONDS = 5.0
CURSOR_REFRESH_SECONDS = 600.0
# Young objects are looked at rarely, old ones hardly ever: what ends here leaves no cycles behind, and a look at all of
# ten thousand connections stops the loop for tens of milliseconds.
GC_THRESHOLDS = (20_000, 20, 50)


class Edge:
    """
    One edge process.

    Args:
        settings: All of them.
        extend: Adds routes to the public app, such as the demo's page.
        reuse_port: Whether several processes share the public port.
        reread: Gives the settings as they are written now, for SIGHUP; None: SIGHUP is not heard.
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
        self.counts = Counts()
        self.journal = Journal(settings.audit, Producer(settings.kafka), self.counts)
        self.hub = Hub(
            Window(
                max_bytes=settings.window.max_bytes,
                max_seconds=settings.window.max_seconds,
                remembered_channels=settings.window.remembered_channels,
            ),
            Duplicates(settings.publish.remembered_ids),
        )
        self.router = Router(settings.namespaces)
        self.keyring = keyring_of(settings)
        self._issuers, self._trusted = issuers_of(settings), settings
        topic = settings.revocation.topic
        self.revocations = (
            None if topic is None else Revocations(settings, topic, self.counts, self._enforce, self.note)
        )
        self.verifier = Verifier(
            self.keyring,
            self._issuers,
            max_token_length=settings.limits.max_token_bytes,
            rulings=None if self.revocations is None else self.revocations.rulings,
        )
        self._reload = None if reread is None else Reload(reread, settings, [self._trust, self._renew], self.note)
        self._redis = connect(settings.redis)
        redis_seconds = settings.redis.timeout_seconds
        self.connections = ConnectionStore(self._redis, redis_seconds)
        self.nonces = NonceStore(self._redis, redis_seconds)
        self.cursors = CursorStore(self._redis, redis_seconds, settings.cursors)
        self._cursor_ledger = CursorLedger(
            self.cursors, min(CURSOR_REFRESH_SECONDS, settings.cursors.ttl_seconds / 4), time.time
        )
        self.tail = Tail(
            settings.kafka, settings.namespaces, settings.window.max_seconds, self.router, self.hub, self.counts
        )
        self.publisher = Publisher(
            Producer(settings.kafka),
            settings.namespaces,
            self.hub,
            settings.publish,
            self.counts,
        )
        shared_limits = SharedLimits()
        self.limits = limit_terms(settings, shared_limits, self.counts.limit)
        self._sharing = Sharing(shared_limits, LimitStore(self._redis, redis_seconds, LEASE_SECONDS))
        self.name = f"lastmile-{secrets.token_hex(4)}"
        self.receipts = Receipts(
            Producer(settings.kafka),
            {name: of.receipts_topic for name, of in settings.namespaces.items() if of.receipts_topic is not None},
            self.router,
            settings.receipts,
            self.name,
            self.counts,
        )
        self.retention = Retention(settings.namespaces, self.router)
        self.history = HistoryStore(self._redis, redis_seconds, self.retention)
        interpreter = Interpreter(self.router, settings.namespaces, settings.kafka.max_record_bytes)
        self.history_writer = HistoryWriter(self._redis, redis_seconds, self.retention, settings.history.lease_seconds)
        self.historian = Historian(
            settings.kafka,
            interpreter,
            self.history_writer,
            self.tail.lives,
            self.counts,
            self.hub.duplicates.was_copy,
        )
        past = Past(settings.kafka, self.tail.lives)
        tiers = Tiers(self.history, past, settings.kafka, self.router, interpreter)
        self.replayer = self.hub.catcher = Replayer(settings.replay, self.hub, tiers, self.counts)
        self.listing = Listing(self.hub.window, tiers, self.retention, settings.replay.max_records, self.counts)
        self.version = version("lastmile")
        self.registry = registry_of(self.counts, self._readings, self.version)
        self._house: House | None = None
        self._guard: Guard | None = None
        self._certificate: Certificate | None = None
        self._reuse_port = reuse_port
        self._is_draining = False
        self._stop = asyncio.Event()
        self._app: FastAPI = create_app(self)
        if extend is not None:
            extend(self._app)

    def unready_because(self) -> str | None:
        """Why no clients should be sent here; None if they should."""
        if self._is_draining:
            return "draining"
        if self._house is not None and self._house.is_short_of_memory:
            return "memory is short"
        if not self.tail.is_ready:
            return "the topics are not read up to where they ended at the start"
        if self.revocations is not None and not self.revocations.follower.is_ready:
            return "the revocation topic is not read up to where it ended at the start"
        return None

    def revocation_age_seconds(self) -> float | None:
        """How old what is known of revocations may be; None where there are none."""
        return None if self.revocations is None else self.revocations.follower.age_seconds(time.time())

    def lag(self) -> dict[str, TopicLag]:
        """How far the tail is behind, by namespace."""
        return self.tail.lag()

    @property
    def note(self) -> Note | None:
        """Takes events down for the audit journal; None where none is kept."""
        return self.journal.note if self.journal.is_wanted else None

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
        self.journal.open()
        self.journal.note("start", version=self.version)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        if self._reload is not None:
            loop.add_signal_handler(signal.SIGHUP, self._reload)
        server = self.settings.server
        try:
            with (
                listen(server, reuse_port=self._reuse_port) as public,
                bind(server.ops_host, server.ops_port, "server.ops_port") as ops,
            ):
                await self._serve(public, ops)
        except BaseExceptionGroup as failures:
            raise failure_of(failures) from None
        finally:
            self.journal.note("stop", version=self.version)
            await self.journal.close()
            await self._cursor_ledger.close()
            await asyncio.gather(
                *[
                    store.close()
                    for store in (
                        self.connections,
                        self.nonces,
                        self.cursors,
                        self._sharing,
                        self.history,
                        self.history_writer,
                    )
                ]
            )
            await disconnect(self._redis)

    async def _serve(self, public_socket: socket.socket, ops_socket: socket.socket) -> None:
        async with asyncio.TaskGroup() as tasks:
            house = self._house = self._build_house(tasks)
            guard = self._guard = Guard(self.settings.limits.max_memory_bytes, house)
            public, ops = public_server(self._app, house, self.settings.server), self._ops_server()
            running = [
                tasks.create_task(self.tail.run(), name="tail"),
                tasks.create_task(self.historian.run(), name="historian"),
                tasks.create_task(self.replayer.run(), name="replayer"),
                tasks.create_task(self.listing.run(), name="listing"),
                tasks.create_task(house.wheel.run(), name="wheel"),
                tasks.create_task(house.ledger.run(), name="ledger"),
                tasks.create_task(self._sharing.run(), name="sharing"),
                tasks.create_task(self.receipts.run(), name="receipts"),
                tasks.create_task(self._cursor_ledger.run(), name="cursors"),
                tasks.create_task(self._tick(house), name="tick"),
                tasks.create_task(self.journal.run(), name="audit"),
                tasks.create_task(guard.run(), name="memory"),
            ]
            if self.revocations is not None:
                running.append(tasks.create_task(self.revocations.follower.run(), name="revocations"))
            self._certificate = certificate_of(public, self.settings.server)
            if self._certificate is not None:
                running.append(tasks.create_task(self._certificate.run(), name="certificate"))
            serving = [
                tasks.create_task(public.serve([public_socket]), name="public port"),
                tasks.create_task(ops.serve([ops_socket]), name="ops port"),
            ]
            server = self.settings.server
            _log.info("serving", extra={"address": server.host, "port": server.port, "ops_port": server.ops_port})
            gc.collect()
            gc.freeze()  # what lives as long as the process need not be looked at again
            gc.set_threshold(*GC_THRESHOLDS)
            await self._stop.wait()
            await self._drain(house)
            public.should_exit = ops.should_exit = True
            await asyncio.wait(serving)
            await asyncio.gather(
                self.publisher.stop(PUBLISHER_STOP_SECONDS), self.receipts.stop(PUBLISHER_STOP_SECONDS)
            )
            if self.revocations is not None:
                await self.revocations.stop()
            for task in running:
                task.cancel()

    def _build_house(self, tasks: asyncio.TaskGroup) -> House:
        server, limits = self.settings.server, self.settings.limits
        details = ConnectionDetails(
            connection_key="",
            max_message_size=server.max_message_bytes,
            max_frame_size=server.max_frame_bytes,
            connection_state_ttl=int(server.connection_state_seconds * 1000),
            max_idle_interval=int(server.idle_interval_seconds * 1000),
            server_id=self.name,
            max_inbound_rate=limits.inbound_messages_per_second or None,
        )
        terms = Terms(
            self.hub,
            self.router,
            details,
            channels_per_connection=limits.channels_per_connection,
            rewind_namespaces=frozenset(name for name, of in self.settings.namespaces.items() if of.rewind),
            count_refusal=self.counts.refused,
            publishing=self.publisher,
        )
        terms.limits = self.limits
        terms.cursors = self._cursor_ledger
        terms.confirmations = (self._cursor_ledger, self.receipts)
        terms.receipt_namespaces = frozenset(self.receipts.topics)
        terms.note = self.note
        return House(server, limits, terms, self.verifier, self.connections, self.counts, tasks)

    def _ops_server(self) -> Uvicorn:
        return Uvicorn(
            uvicorn.Config(
                create_ops_app(self),
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=REQUEST_GRACE_SECONDS,
            )
        )

    def _readings(self) -> Readings:
        house, window = self._house, self.hub.window
        return Readings(
            is_ready=self.unready_because() is None,
            copies_dropped=self.hub.duplicates.dropped,
            publish_pending_bytes=self.publisher.pending_bytes,
            limit_edges=self._sharing.edges,
            limit_keys=len(self._sharing.limits),
            receipts_pending=self.receipts.pending,
            receipts_dropped=self.receipts.dropped,
            receipts_lag_seconds=self.receipts.lag_seconds(time.time()),
            memory_budget_bytes=0 if self._guard is None else self._guard.budget_bytes,
            memory_level=0 if self._guard is None else int(self._guard.level),
            connections=0 if house is None else len(house.devices),
            attachments=self.hub.attachments,
            lagging=self.hub.lagging,
            replaying=self.hub.replaying,
            scans_under_way=self.replayer.scans,
            window_bytes=window.size_bytes,
            window_messages=len(window),
            messages=self.hub.messages,
            deliveries=self.hub.deliveries,
            continuity_losses=self.hub.continuity_losses,
            connection_states_dropped=0 if house is None else house.ledger.dropped,
            tail=self.tail.lag(),
            history_partitions=self.historian.partitions,
            history_lags=self.historian.progress.lags,
            revocations=0 if self.revocations is None else len(self.revocations.rulings),
            revocations_age_seconds=self.revocation_age_seconds() or 0.0,
        )

    async def _enforce(self, addresses: Sequence[Address]) -> None:
        """Bring rulings to who is connected; before the edge serves there is nobody."""
        if self._house is not None:
            await enforce(self._house, addresses)

    def _trust(self, settings: Settings) -> Change:
        """Get ready for other keys and issuers."""
        keyring, issuers = keyring_of(settings), issuers_of(settings, self._trusted, self._issuers)

        def change() -> None:
            self.verifier.trust(keyring, issuers)
            self.keyring, self._issuers, self._trusted = keyring, issuers, settings
            if self._house is not None:
                self._house.tasks.create_task(enforce_keys(self._house))

        return change

    def _renew(self, _settings: Settings) -> Change:
        """Get ready to show the certificate that the files hold now."""
        return self._certificate.prepare() if self._certificate is not None else (lambda: None)

    async def _tick(self, house: House) -> None:
        """What must go on while nothing flows: the window ages, attaches that wait lose patience, the loop is watched."""
        while True:
            before = house.loop.time()
            await asyncio.sleep(TICK_SECONDS)
            self.counts.loop_delay.observe(house.loop.time() - before - TICK_SECONDS)
            now = house.now()
            self.hub.window.evict(now)
            self.hub.settle(now)
            self.publisher.sweep(now)
            self.hub.freshness.lags = {
                name: Lag(lag.records, round(lag.seconds * 1000)) for name, lag in self.tail.lag().items()
            }
            self.hub.freshness.look(int(now * 1000), self.tail.as_of_ms)
            if self.revocations is not None:
                await self.revocations.turn(now)

    async def _drain(self, house: House) -> None:
        """Tell the clients to move, in groups, so that they do not reach the other edges all at once."""
        self._is_draining = True
        self.historian.leave()
        drain_seconds = self.settings.server.drain_seconds
        _log.info("draining", extra={"connections": len(house.devices)})
        await asyncio.sleep(min(NOT_READY_SECONDS, drain_seconds))
        house.is_draining = True
        devices = list(house.devices)
        size = max(1, -(-len(devices) // DRAIN_GROUPS))
        for at in range(0, len(devices), size):
            for device in devices[at : at + size]:
                device.leave(Draining("this server is going down; connect again"))
            await asyncio.sleep(min(0.05 * size, drain_seconds / DRAIN_GROUPS))
        deadline = house.loop.time() + LAST_WORDS_SECONDS
        while house.devices and house.loop.time() < deadline:  # noqa: ASYNC110  # once in a process
            await asyncio.sleep(0.05)
        await house.ledger.flush()
        await self._cursor_ledger.flush()
        _log.info("drained", extra={"connections": len(house.devices)})


def failure_of(failures: BaseExceptionGroup[BaseException]) -> GatewayError:
    """
    What to tell an operator of whatever ended the parts of an edge: one sentence.

    What is none of our errors is a bug; its traceback goes to the log, since no sentence could be known beforehand.
    """
    ours, bugs = failures.split(GatewayError)
    if ours is None or bugs is not None:
        _log.error("a part of the edge failed, the process ends", exc_info=bugs)
        return PartFailed("a part of the edge failed for a reason that nobody foresaw; the log has its traceback")
    first = ours.exceptions[0]
    return failure_of(first) if isinstance(first, BaseExceptionGroup) else first


def run(settings: Settings, *, reuse_port: bool = False, reread: Callable[[], Settings] | None = None) -> None:
    """
    Serve until told to stop.

    Args:
        reread: Gives the settings as they are written now, for SIGHUP.

    Raises:
        GatewayError: With one sentence, if a part failed for good or a port cannot be had.
    """

    async def serve() -> None:
        await Edge(settings, reuse_port=reuse_port, reread=reread).serve()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
