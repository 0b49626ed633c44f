"""The parts of an edge, made of its settings."""

from __future__ import annotations

import asyncio
import secrets
import time

from auth.keys import KeyRing
from auth.verifier import Verifier
from gateway.audit import Journal
from gateway.core.duplicates import Duplicates
from gateway.core.hub import Hub
from gateway.core.interpreter import Interpreter
from gateway.core.retention import Retention
from gateway.core.routing import Router
from gateway.core.shared_limits import SharedLimits
from gateway.core.terms import Note, Terms
from gateway.core.window import Window
from gateway.core.wire import ConnectionDetails
from gateway.historian import Historian
from gateway.metrics.counts import Counts
from gateway.publisher import Publisher
from gateway.receipts import Receipts
from gateway.replay import Replayer, Tiers
from gateway.replay.listing import Listing
from gateway.revocation import Revocations
from gateway.revocation.follower import Enforce
from gateway.server.trust import Trust
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
from gateway.transport.cursors import CursorLedger
from gateway.transport.house import House

CURSOR_REFRESH_SECONDS = 600.0


class Parts:
    """
    All that an edge consists of, whoever is connected; nothing runs yet.

    Args:
        settings: All of them.
        enforce: Brings what was taken back to who is connected.
    """

    def __init__(self, settings: Settings, enforce: Enforce) -> None:
        self.settings = settings
        self.name = f"lastmile-{secrets.token_hex(4)}"
        self.counts = Counts()
        self.journal = Journal(settings.audit, Producer(settings.kafka), self.counts)
        topic = settings.revocation.topic
        self.revocations = None if topic is None else Revocations(settings, topic, self.counts, enforce, self.note)
        self.trust = Trust(settings, None if self.revocations is None else self.revocations.rulings)
        self._redis = connect(settings.redis)
        redis_seconds = settings.redis.timeout_seconds
        self.router = Router(settings.namespaces)
        self.hub = Hub(
            Window(
                max_bytes=settings.window.max_bytes,
                max_seconds=settings.window.max_seconds,
                remembered_channels=settings.window.remembered_channels,
            ),
            Duplicates(settings.publish.remembered_ids),
        )
        self.tail = Tail(
            settings.kafka, settings.namespaces, settings.window.max_seconds, self.router, self.hub, self.counts
        )
        self.hub.waiting.complete_ms = self.tail.complete_ms
        self.publisher = Publisher(
            Producer(settings.kafka), settings.namespaces, self.hub, settings.publish, self.counts
        )
        self.connections = ConnectionStore(self._redis, redis_seconds)
        self.nonces = NonceStore(self._redis, redis_seconds)
        self.cursors = CursorStore(self._redis, redis_seconds, settings.cursors)
        self.cursor_ledger = CursorLedger(
            self.cursors,
            settings.cursors.save_every_seconds,
            min(CURSOR_REFRESH_SECONDS, settings.cursors.ttl_seconds / 4),
            time.time,
        )
        shared_limits = SharedLimits()
        self.limits = limit_terms(settings, shared_limits, self.counts.limit)
        self.sharing = Sharing(shared_limits, LimitStore(self._redis, redis_seconds, LEASE_SECONDS))
        self.receipts = Receipts(
            Producer(settings.kafka),
            {name: of.receipts_topic for name, of in settings.namespaces.items() if of.receipts_topic is not None},
            self.router,
            settings.receipts,
            self.name,
            self.counts,
        )
        retention = Retention(settings.namespaces, self.router)
        interpreter = Interpreter(self.router, settings.namespaces, settings.kafka.max_record_bytes)
        self.history = HistoryStore(self._redis, redis_seconds, retention)
        self.history_writer = HistoryWriter(self._redis, redis_seconds, retention, settings.history.lease_seconds)
        self.historian = Historian(
            settings.kafka,
            interpreter,
            self.history_writer,
            self.tail.lives,
            self.counts,
            self.hub.duplicates.was_copy,
        )
        tiers = Tiers(self.history, Past(settings.kafka, self.tail.lives), settings.kafka, self.router, interpreter)
        self.replayer = self.hub.catcher = Replayer(settings.replay, self.hub, tiers, self.counts)
        self.listing = Listing(self.hub.window, tiers, retention, settings.replay.max_records, self.counts)

    @property
    def keyring(self) -> KeyRing:
        """The apps' keys."""
        return self.trust.keyring

    @property
    def verifier(self) -> Verifier:
        """Who may come in."""
        return self.trust.verifier

    @property
    def note(self) -> Note | None:
        """Takes events down for the audit journal; None where none is kept."""
        return self.journal.note if self.journal.is_wanted else None

    def house(self, tasks: asyncio.TaskGroup) -> House:
        """The ground that devices stand on; made in the loop that they are served by."""
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
        terms.cursors = self.cursor_ledger
        terms.confirmations = (self.cursor_ledger, self.receipts)
        terms.receipt_namespaces = frozenset(self.receipts.topics)
        terms.note = self.note
        return House(server, limits, terms, self.verifier, self.connections, self.counts, tasks)

    async def close(self) -> None:
        """Let go of Redis, once nothing runs any more."""
        await self.cursor_ledger.close()
        stores = (
            self.connections,
            self.nonces,
            self.cursors,
            self.sharing,
            self.history,
            self.history_writer,
        )
        await asyncio.gather(*[store.close() for store in stores])
        await disconnect(self._redis)
