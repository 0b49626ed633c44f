"""What sessions stand on: the edge's terms, the same for all of them, and what each needs of its transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from gateway.core.attachment import Outlet
from gateway.core.confirming import Confirmations
from gateway.core.hub import Hub
from gateway.core.limits import Rate
from gateway.core.look_ups import Cursors
from gateway.core.outbox import PublishingTerms
from gateway.core.publish_limits import PublishLimits, PublishRates
from gateway.core.routing import Router
from gateway.core.shared_limits import SharedLimits
from gateway.core.wire import ConnectionDetails


class LimitTerms(NamedTuple):
    """
    How often what may be done.

    Args:
        attaches: ATTACHes of one connection; None: any number.
        publishing: What may be published.
        count_limited: Told the name of each limit that refuses.
    """

    attaches: Rate | None
    publishing: PublishLimits
    count_limited: Callable[[str], None]


def unlimited() -> LimitTerms:
    """As often as anybody likes."""
    return LimitTerms(None, PublishLimits(PublishRates(), SharedLimits(), _nobody), _nobody)


def _nobody(limit: str) -> None:
    """Nobody counts."""


class Note(Protocol):
    """Takes down what an auditor may want to know; never waits, never raises."""

    def __call__(self, event: str, **details: object) -> None:
        """See docs/audit.md for events and details."""


class SessionOutlet(Outlet, Protocol):
    """What a session needs of its transport beyond what the hub does."""

    def finish(self) -> None:
        """Close the transport once everything written has left."""

    def pause_reading(self) -> None:
        """Leave what the client sends where it is for now."""

    def resume_reading(self) -> None:
        """Read on, if nothing else holds it up."""


class Terms:
    """
    What is the same for every session of an edge.

    Args:
        details: CONNECTED's connectionDetails but for key and clientId.
        channels_per_connection: How many attachments one may have.
        rewind_namespaces: Where ``rewind`` is allowed.
        count_refusal: Told the reason of each refusal, for the metrics.
        publishing: Where publications go.

    Attributes:
        limits: How often what may be done; as often as anybody likes, unless it is set.
        confirmations: Who is told what was confirmed, of attachments with a cursor and of *receipt_namespaces*.
        receipt_namespaces: Of which all is told.
        cursors: Where durable positions are kept; None: ATTACH's param ``cursor`` is ignored.
        note: For the audit journal; None where none is kept.
    """

    __slots__ = (
        "channels_per_connection",
        "confirmations",
        "count_refusal",
        "cursors",
        "details",
        "hub",
        "limits",
        "note",
        "publishing",
        "receipt_namespaces",
        "rewind_namespaces",
        "router",
    )

    def __init__(
        self,
        hub: Hub,
        router: Router,
        details: ConnectionDetails,
        *,
        channels_per_connection: int,
        rewind_namespaces: frozenset[str],
        count_refusal: Callable[[int], None],
        publishing: PublishingTerms,
    ) -> None:
        self.hub = hub
        self.router = router
        self.details = details
        self.channels_per_connection = channels_per_connection
        self.rewind_namespaces = rewind_namespaces
        self.count_refusal = count_refusal
        self.publishing = publishing
        self.limits = unlimited()
        self.confirmations: tuple[Confirmations, ...] = ()
        self.receipt_namespaces: frozenset[str] = frozenset()
        self.cursors: Cursors | None = None
        self.note: Note | None = None
