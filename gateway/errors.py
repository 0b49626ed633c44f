"""
What can go wrong, sorted by who must act.

    GatewayError
    ├── RequestFault        this request or message: the client's code is wrong, its connection lives on
    ├── ChannelFault        this channel: the client hears ERROR with the channel, or ATTACHED without RESUMED
    ├── ConnectionFault     this connection: final, the SDK does not retry by itself
    ├── TransportFault      this transport only: the client is to come back, here or elsewhere
    ├── BackendFault        Kafka or Redis: operators look, clients retry
    └── ProcessFault        this process cannot serve: it ends, and operators read why

Each leaf knows its wire code and HTTP status. What a client hears is `message`; it never says which check failed
inside authentication (that tree is auth.errors).

Source: PROTOCOL.md section 9; ably-common protocol/errors.json for the meaning of the codes.
"""

from __future__ import annotations


class GatewayError(Exception):
    """
    An error with a code that clients, operators or both can act on.

    Args:
        message: A sentence that says what to do, fit for a client's eyes.
    """

    code = 50000
    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class RequestFault(GatewayError):
    """One message or request is refused; nothing else changes."""

    code, status = 40000, 400


class BadRequest(RequestFault):
    """The message cannot be read."""


class BadParameter(RequestFault):
    """A parameter has a value that it cannot have."""

    code, status = 40003, 400


class MessageTooLarge(RequestFault):
    """What is published together has more bytes than it may have."""

    code, status = 40009, 400


class ClientIdRefused(RequestFault):
    """A message claims to be of a client that the credentials do not allow."""

    code, status = 40012, 400


class BadData(RequestFault):
    """The data, or the encoding it is said to have, cannot be."""

    code, status = 40013, 400


class BadMessageId(RequestFault):
    """A message's id, or the ids of messages that are published together, cannot be."""

    code, status = 40031, 400


class TooManyPending(RequestFault):
    """So much of this connection waits for Kafka already that no more is taken."""

    code, status = 42911, 429


class BatchOverBurst(RequestFault):
    """More messages are published together than a limit ever takes at once; to wait does not help."""

    code, status = 40030, 400


class RateExceeded(RequestFault):
    """
    Something is asked for more often than it may be.

    Args:
        message: What, and how often it may be.
        retry_seconds: When it may be asked for again; a part of the message, and of REST's headers.
        per_second: How often it may be.
    """

    code, status = 42910, 429

    def __init__(self, message: str, retry_seconds: float, per_second: float) -> None:
        super().__init__(f"{message}; try again in {retry_seconds:.1f} s")
        self.retry_seconds = retry_seconds
        self.per_second = per_second


class AttachRateExceeded(RateExceeded):
    """A connection attaches more often than it may; its client tries again later."""


class ConnectionRateExceeded(RateExceeded):
    """A connection publishes more than it may."""

    code, status = 42911, 429


class ClientRateExceeded(RateExceeded):
    """A client publishes more than it may, on all its connections."""


class ChannelRateExceeded(RateExceeded):
    """More is published to a channel than may be, by everybody."""

    code, status = 42913, 429


class AppRateExceeded(RateExceeded):
    """An app publishes more than it may, on all its channels."""

    code, status = 42917, 429


class NotOffered(RequestFault):
    """A feature of the protocol that this server does not have."""

    code, status = 40020, 400


class TooLarge(RequestFault):
    """The body of a request has more bytes than are read."""

    code, status = 40009, 413


class ChannelFault(GatewayError):
    """A channel fails or goes on without continuity; the connection lives on."""

    code, status = 90000, 400


class BadChannelName(ChannelFault):
    """The name is not one a channel can have."""

    code, status = 40010, 400


class BadCursorName(ChannelFault):
    """The name is not one that a cursor can have."""

    code, status = 40003, 400


class CursorOfNobody(ChannelFault):
    """A cursor of a client whose id is not known."""

    code, status = 40012, 400


class NoSuchChannel(ChannelFault):
    """No namespace of the settings feeds a channel of this name."""

    code, status = 40400, 404


class ChannelDenied(ChannelFault):
    """The credentials do not allow what was asked on this channel."""

    code, status = 40160, 401


class TooManyChannels(ChannelFault):
    """The connection has as many attachments as it may have."""

    code, status = 90010, 400


class TooManyCursors(ChannelFault):
    """The client has as many cursors, or its cursor as many channels, as are kept."""

    code, status = 90010, 400


class ContinuityLost(ChannelFault):
    """What lies between the client's position and now cannot be proven; the app reloads its state."""

    code, status = 90003, 404


class PositionExpired(ContinuityLost):
    """The position is older than what is kept."""

    code, status = 80006, 404


class TooManyMissed(ContinuityLost):
    """More messages came since the position than are kept or sent again."""

    code, status = 80007, 404


class HistoryUnproven(ContinuityLost):
    """
    The history in Redis cannot prove that nothing lies between; another tier may.

    Args:
        reason: `off` by the settings · `evicting`: Redis may drop keys · `missing`: not written, or lost · `unattended`:
            nobody writes it · `young`: the position is from before it was begun · `expired` by age · `trimmed` by count ·
            `damaged`: something else was written there.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the history cannot prove that nothing is missing: {reason}")
        self.reason = reason


class BadSerial(ContinuityLost):
    """The position is malformed, of another life of the topic, or in the future."""

    code, status = 80012, 400


class ConnectionFault(GatewayError):
    """The connection is refused for good."""

    code, status = 40000, 400


class OriginForbidden(ConnectionFault):
    """A browser page of an origin that is not on the list."""

    code, status = 40300, 403


class ClientIdIncompatible(ConnectionFault):
    """The credentials are another client's than the connection's."""

    code, status = 40102, 401


class UnknownConnection(GatewayError):
    """The connection key names no connection that this client can resume; it goes on with a new one."""

    code, status = 80018, 400


class ConnectionExpired(UnknownConnection):
    """It is not known, or no longer."""

    code, status = 80008, 400


class ConnectionClosed(UnknownConnection):
    """Its client ended it for good."""

    code, status = 80017, 400


class TransportFault(GatewayError):
    """A transport ends; the client comes back at once."""

    code, status = 80003, 503


class Draining(TransportFault):
    """The edge is going down; another one serves."""


class Overloaded(TransportFault):
    """The edge is full."""

    code, status = 50004, 503


class TooManyConnections(TransportFault):
    """
    There are as many connections of an address, a client or an app as there may be.

    Args:
        message: Of which.
        limit: The name under which it is counted.
    """

    code, status = 42910, 429

    def __init__(self, message: str, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class Flooding(TransportFault):
    """A connection sends more than it may, and goes on with it though it is held back."""

    code, status = 42920, 429


class ByteFlood(Flooding):
    """By its bytes."""


class FrameFlood(Flooding):
    """By its frames."""

    code, status = 42924, 429


class HandshakeTimeout(TransportFault):
    """Authentication did not come to an end in time."""

    code, status = 50003, 503


class BackendFault(GatewayError):
    """Kafka or Redis does not answer."""

    code, status = 50003, 503


class StoreUnavailable(BackendFault):
    """Redis does not answer within its deadline."""


class KafkaUnavailable(BackendFault):
    """Kafka does not answer within its deadline."""


class KafkaForbids(KafkaUnavailable):
    """Kafka answers, and does not allow what is asked of it; only its operator changes that."""


class PublishUnconfirmed(KafkaUnavailable):
    """Kafka has not acknowledged a publication in time; it may be stored all the same, so it is only safe to repeat with the same id."""


class NotInTime(BackendFault):
    """What was asked for could not be read in time; the client has lost nothing and comes again."""


class ProcessFault(GatewayError):
    """The process cannot serve, or not go on serving; no client hears of it."""


class AddressUnavailable(ProcessFault):
    """A port of the settings cannot be listened on."""


class CertificateUnusable(ProcessFault):
    """The public port cannot speak TLS with the files of the settings."""


class AuditUnwritable(ProcessFault):
    """The audit file of the settings cannot be gone on with."""


class AuditBroken(ProcessFault):
    """An audit file is not what an edge wrote."""


class PartFailed(ProcessFault):
    """A part of the edge ended that must not end: a bug, whose traceback is in the log."""
