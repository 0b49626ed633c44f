"""What the public port sees of an edge."""

from __future__ import annotations

from typing import Protocol

from auth.keys import KeyRing
from auth.token_request import Nonces
from auth.verifier import Verifier
from gateway.core.history import Page, Query
from gateway.core.hub import Hub
from gateway.core.outbox import PublishingTerms
from gateway.core.routing import Router
from gateway.core.terms import LimitTerms, Note
from gateway.metrics.counts import Counts
from gateway.revocation import Revocations
from gateway.settings import Settings


class Reader(Protocol):
    """The tail."""

    @property
    def is_ready(self) -> bool:
        """Whether the topics were read up to where they ended at the start."""


class Pages(Protocol):
    """The past of channels."""

    async def page(self, topic: str, channel: str, query: Query) -> Page:
        """One page of it, see `gateway.replay.listing`."""


class Served(Protocol):
    """An edge, as far as requests need it."""

    @property
    def settings(self) -> Settings:
        """All of them."""

    @property
    def keyring(self) -> KeyRing:
        """The apps' keys."""

    @property
    def note(self) -> Note | None:
        """Takes events down for the audit journal; None where none is kept."""

    @property
    def verifier(self) -> Verifier:
        """Who may come in."""

    @property
    def revocations(self) -> Revocations | None:
        """What was taken back; None where nothing can be."""

    @property
    def nonces(self) -> Nonces:
        """Which token requests were exchanged."""

    @property
    def router(self) -> Router:
        """Which topic feeds a channel."""

    @property
    def hub(self) -> Hub:
        """What was read lately, and who gets it."""

    @property
    def limits(self) -> LimitTerms:
        """How often what may be done."""

    @property
    def listing(self) -> Pages:
        """What channels got before."""

    @property
    def publisher(self) -> PublishingTerms:
        """The way into Kafka."""

    @property
    def tail(self) -> Reader:
        """Who reads."""

    @property
    def counts(self) -> Counts:
        """What the metrics show."""
