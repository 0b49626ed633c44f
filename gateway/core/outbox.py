"""
What one connection publishes: taken, bounded, and answered in order.

    MESSAGE ─▶ read and checked ─▶ submitted ─▶ settled ─▶ ACK or NACK, behind those of all before it
    over half of what may wait: the socket is not read on     over all of it, or over what may be published: NACK 42911 …

What a client sends again after a resume may be stored already, so limits do not refuse it: it is taken off what comes after it.

Source: PROTOCOL.md section 5; RTN7, RTL6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from gateway.core.acknowledging import Acknowledging, Outcome
from gateway.core.limits import Bucket
from gateway.core.publication import Publication, Publishing, publication_of, read_published
from gateway.core.publish_limits import By
from gateway.core.wire import ProtocolMessage
from gateway.errors import GatewayError, TooManyPending
from gateway.schema import Schema

if TYPE_CHECKING:
    from gateway.core.session import Session


class PublishingTerms(Protocol):
    """Where publications go, and how much of one connection may be under way."""

    @property
    def pending_per_connection(self) -> int:
        """How many protocol messages of one connection may wait to be acknowledged."""

    @property
    def pending_bytes_per_connection(self) -> int:
        """How many bytes of them."""

    @property
    def schemas(self) -> Mapping[str, Schema]:
        """What data must look like, by namespace."""

    def is_stored(self, publication: Publication) -> bool:
        """Whether it is a copy of one that was read already."""

    def submit(self, publication: Publication, settle: Callable[[Outcome], None], now: float) -> None:
        """Have it written; *settle* is called once, with its serials or with why it was not."""


class Outbox:
    """
    The publications of one session.

    Args:
        session: Whose.
    """

    __slots__ = ("_acknowledging", "_bucket", "_repeatable", "_session")

    def __init__(self, session: Session, now: float) -> None:
        self._session = session
        self._acknowledging = Acknowledging()
        self._bucket: Bucket | None = session.terms.limits.publishing.bucket(now)
        self._repeatable = session.terms.publishing.pending_per_connection if session.is_resumed else 0

    @property
    def is_congested(self) -> bool:
        """Whether what the client sends next should wait in its socket."""
        return self._holds_share(0.5)

    def publish(self, message: ProtocolMessage, now: float) -> None:
        """Take a MESSAGE of the client."""
        try:
            if self._holds_share(1.0):
                raise TooManyPending("too much of this connection is not acknowledged yet; wait before more is sent")
            publication = self._publication_of(message)
            self._charge(publication, now)
        except GatewayError as error:
            self.refuse(message, error)
            return
        pending = self._acknowledging.expect(message.msg_serial or 0, publication.size_bytes)

        def settle(outcome: Outcome) -> None:
            pending.outcome = outcome
            self._answer()

        self._session.terms.publishing.submit(publication, settle, now)
        if self.is_congested:
            self._session.outlet.pause_reading()

    def refuse(self, message: ProtocolMessage, error: GatewayError) -> None:
        """NACK, behind the answers to what was sent before."""
        self._session.terms.count_refusal(error.code)
        self._session.note("publish-deny", channel=message.channel, code=error.code)
        self._acknowledging.expect(message.msg_serial or 0, 0).outcome = error
        self._answer()

    def _charge(self, publication: Publication, now: float) -> None:
        """Take off what may be published. Raises: RateExceeded, BatchOverBurst."""
        session = self._session
        if session.terms.publishing.is_stored(publication):
            return
        may_be_repeated = self._repeatable > 0
        self._repeatable -= may_be_repeated
        by = By(session.principal.app_id, session.principal.client_id)
        session.terms.limits.publishing.charge(self._bucket, by, publication, now, is_owed=may_be_repeated)

    def _holds_share(self, share: float) -> bool:
        pending, terms = self._acknowledging, self._session.terms.publishing
        return (
            len(pending) >= terms.pending_per_connection * share
            or pending.size_bytes >= terms.pending_bytes_per_connection * share
        )

    def _publication_of(self, message: ProtocolMessage) -> Publication:
        session = self._session
        by = Publishing(
            principal=session.principal,
            connection_id=session.connection_id,
            base_id=f"{session.id_base}:{message.msg_serial or 0}",
            is_resumed=session.is_resumed,
            max_bytes=session.terms.details.max_message_size,
            schemas=session.terms.publishing.schemas,
        )
        messages = read_published(session.wire, message.messages)
        return publication_of(session.terms.router, by, message.channel, messages)

    def _answer(self) -> None:
        """Say what can be said, unless the transport is gone: then the client sends again, and is answered there."""
        session = self._session
        if session.is_over:
            return
        was_congested = self.is_congested
        for answer in self._acknowledging.answers():
            session.send(answer)
        if was_congested and not self.is_congested:
            session.outlet.resume_reading()
