"""
Every metric there is.

What happens often is counted in plain ints of `Counts`: adding one to an int costs 30 ns, a prometheus counter twenty
times that. What is a state (connections, lag) is not counted at all but read when somebody asks. A collector joins both
at scrape time.

Labels are from closed sets: reasons of this file, and topics of the settings. Never an account, a client or a channel.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from auth.errors import Reason

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"

DELIVERY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LOOP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)

# Wire code → why somebody was refused (PROTOCOL.md section 9).
REFUSALS: Mapping[int, str] = {
    40000: "bad_request",
    40003: "bad_parameter",
    40009: "too_large",
    40010: "channel_name",
    40012: "client_id",
    40013: "data",
    40020: "not_offered",
    40030: "batch_over_burst",
    40031: "message_id",
    40101: "credentials",
    40102: "client_id_incompatible",
    40103: "tls_needed",
    40104: "timestamp",
    40105: "nonce",
    40121: "revocation_not_enabled",
    40140: "token",
    40141: "token_revoked",
    40142: "token_expired",
    40143: "token_unknown",
    40144: "token_malformed",
    40160: "capability",
    40162: "key_needed",
    40300: "origin",
    40400: "not_found",
    42910: "rate",
    42911: "publish_rate",
    42913: "channel_rate",
    42917: "app_rate",
    42920: "byte_flood",
    42924: "frame_flood",
    50003: "timeout",
    50004: "overloaded",
    80003: "draining",
    80006: "position_expired",
    80007: "too_many_missed",
    80008: "connection_expired",
    80012: "bad_serial",
    80017: "connection_closed",
    80018: "connection_unknown",
    90003: "continuity_lost",
    90010: "too_many_channels",
}

# What a limit is on (PROTOCOL.md section 10).
LIMITS = (
    "connects",
    "connects_of_address",
    "connections_of_address",
    "connections_of_client",
    "connections_of_app",
    "inbound_messages",
    "inbound_bytes",
    "attach",
    "publish_connection",
    "publish_client",
    "publish_channel",
    "publish_app",
)

POISONS = frozenset(
    {
        "extras_no_object",
        "header_undecodable",
        "key_missing",
        "key_of_no_channel",
        "key_undecodable",
        "publication_unreadable",
        "too_large",
        "undecodable",
    }
)


class Histogram:
    """
    How often a value fell between which bounds.

    Args:
        bounds: Upper ones, ascending; what is beyond the last is counted too.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, count: int = 1) -> None:
        """Take in a value that occurred *count* times. A negative one, of clocks that differ, counts as zero."""
        value = max(value, 0.0)
        self.counts[bisect_left(self.bounds, value)] += count
        self.total += value * count


class Counts:
    """What happened since the process started. Whoever does a thing adds to it; only the collector reads."""

    __slots__ = (
        "audit",
        "broken_rulings",
        "catch_ups",
        "connections_opened",
        "delivery",
        "failed_checks",
        "fetches",
        "history_beginnings",
        "history_messages",
        "history_steps",
        "holds",
        "limited",
        "loop_delay",
        "lost_ways",
        "poisons",
        "published",
        "receipts",
        "records",
        "refusals",
        "replayed_from_history",
        "replayed_from_kafka",
        "replays",
        "revoked",
        "rulings",
        "scanned_records",
        "scans",
        "suspensions",
        "timed_out",
        "unanswered_pings",
        "writes",
        "written_bytes",
    )

    def __init__(self) -> None:
        self.connections_opened = 0
        self.timed_out = 0
        self.unanswered_pings = 0
        self.lost_ways = 0
        self.writes = 0
        self.written_bytes = 0
        self.suspensions = 0
        self.catch_ups = 0
        self.records = 0
        self.published = 0
        self.receipts = 0
        self.fetches = 0
        self.replays = 0
        self.replayed_from_history = 0
        self.replayed_from_kafka = 0
        self.scans = 0
        self.scanned_records = 0
        self.history_steps = 0
        self.history_messages = 0
        self.history_beginnings = 0
        self.holds = 0
        self.limited = dict.fromkeys(LIMITS, 0)
        self.revoked = 0
        self.rulings = 0
        self.broken_rulings = 0
        self.refusals = dict.fromkeys([*REFUSALS.values(), OTHER], 0)
        self.failed_checks = dict.fromkeys(get_args(Reason), 0)
        self.poisons = dict.fromkeys([*sorted(POISONS), OTHER], 0)
        self.audit = dict.fromkeys(("written", "lost", "unsent"), 0)
        self.delivery = Histogram(DELIVERY_SECONDS)
        self.loop_delay = Histogram(LOOP_SECONDS)

    def refused(self, code: int) -> None:
        """Somebody was refused something, with this code on the wire."""
        self.refusals[REFUSALS.get(code, OTHER)] += 1

    def limit(self, name: str) -> None:
        """A limit refused something."""
        self.limited[name] += 1

    def failed(self, check: Reason) -> None:
        """Credentials did not pass this check; the wire does not say which it was."""
        self.failed_checks[check] += 1

    def poisoned(self, reason: str) -> None:
        """A record was skipped."""
        self.poisons[reason if reason in POISONS else OTHER] += 1


@dataclass(frozen=True, slots=True)
class TopicLag:
    """How far the tail is behind the end of a topic, and up to when it knows all of it: milliseconds since the epoch, 0 if never."""

    topic: str
    records: int
    seconds: float
    as_of_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """The state of an edge in the moment of a scrape, and what its parts counted by themselves."""

    is_ready: bool = False
    connections: int = 0
    memory_budget_bytes: int = 0
    memory_level: int = 0
    copies_dropped: int = 0
    publish_pending_bytes: int = 0
    limit_edges: int = 0
    limit_keys: int = 0
    attachments: int = 0
    lagging: int = 0
    replaying: int = 0
    scans_under_way: int = 0
    window_bytes: int = 0
    window_messages: int = 0
    messages: int = 0
    deliveries: int = 0
    continuity_losses: int = 0
    connection_states_dropped: int = 0
    tail: Mapping[str, TopicLag] = field(default_factory=dict)
    receipts_pending: int = 0
    receipts_dropped: int = 0
    receipts_lag_seconds: float = 0.0
    history_partitions: int = 0
    history_lags: Mapping[str, int] = field(default_factory=dict)
    revocations: int = 0
    revocations_age_seconds: float = 0.0


class EdgeCollector:
    """
    Turns counts and readings into metrics when Prometheus asks.

    Args:
        counts: The edge's.
        read: Gives its present state; called once a scrape.
        version: Of the program.
    """

    def __init__(self, counts: Counts, read: Callable[[], Readings], version: str) -> None:
        self._counts = counts
        self._read = read
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """All metrics of an edge."""
        readings = self._read()
        yield from self._gauges(readings)
        yield from self._counters(readings)
        yield from self._by_reason()
        yield self._replayed()
        yield from _lags(readings.tail)
        yield _history_lags(readings.history_lags)
        yield _histogram(
            "lastmile_delivery_seconds",
            "From a record's timestamp to the moment its frame was written, by delivery.",
            self._counts.delivery,
        )
        yield _histogram("lastmile_loop_delay_seconds", "By how much the event loop was late.", self._counts.loop_delay)

    def _gauges(self, readings: Readings) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "lastmile_ready", "Whether a load balancer should send clients here.", int(readings.is_ready)
        )
        yield GaugeMetricFamily("lastmile_connections", "Open client sockets.", readings.connections)
        yield GaugeMetricFamily(
            "lastmile_memory_budget_bytes", "What the process may have in memory.", readings.memory_budget_bytes
        )
        yield GaugeMetricFamily(
            "lastmile_memory_level",
            "How short memory is: 0 not, 1 the window shrinks, 2 nobody new comes in, 3 who does not read is dropped.",
            readings.memory_level,
        )
        yield GaugeMetricFamily("lastmile_attachments", "Connections on channels.", readings.attachments)
        yield GaugeMetricFamily(
            "lastmile_attachments_lagging", "Attachments that are served from the window.", readings.lagging
        )
        yield GaugeMetricFamily(
            "lastmile_attachments_replaying", "Attachments that are served from before the window.", readings.replaying
        )
        yield GaugeMetricFamily(
            "lastmile_scans_under_way", "Passes over partitions of Kafka, for clients.", readings.scans_under_way
        )
        yield GaugeMetricFamily("lastmile_window_bytes", "Memory of recent messages.", readings.window_bytes)
        yield GaugeMetricFamily("lastmile_window_messages", "Recent messages in memory.", readings.window_messages)
        yield GaugeMetricFamily(
            "lastmile_publish_pending_bytes", "What waits for Kafka.", readings.publish_pending_bytes
        )
        yield GaugeMetricFamily("lastmile_receipts_pending", "Receipts that wait for Kafka.", readings.receipts_pending)
        yield GaugeMetricFamily(
            "lastmile_receipts_lag_seconds",
            "How long ago the oldest receipt was confirmed that waits for Kafka.",
            readings.receipts_lag_seconds,
        )
        yield GaugeMetricFamily(
            "lastmile_limit_edges",
            "Edges that share limits; 0: Redis is away, and this one enforces them as if it were alone.",
            readings.limit_edges,
        )
        yield GaugeMetricFamily(
            "lastmile_limit_keys", "Clients, channels and apps whose publishing is counted.", readings.limit_keys
        )
        yield GaugeMetricFamily(
            "lastmile_history_partitions", "Partitions whose history this edge writes.", readings.history_partitions
        )
        yield GaugeMetricFamily(
            "lastmile_revocations", "Revocations and entitlements that this edge goes by.", readings.revocations
        )
        yield GaugeMetricFamily(
            "lastmile_revocations_age_seconds",
            "How long ago this edge was last known to have read all of the revocation topic.",
            readings.revocations_age_seconds,
        )
        version = GaugeMetricFamily("lastmile_version_info", "The running version.", labels=["version"])
        version.add_metric([self._version], 1)
        yield version

    def _counters(self, readings: Readings) -> Iterator[Metric]:
        counts = self._counts
        rows = (
            ("connections_opened", "Connections that were told CONNECTED.", counts.connections_opened),
            ("connections_timed_out", "Connections dropped because nothing came from the client.", counts.timed_out),
            ("unanswered_pings", "PINGs after messages without an answer in time.", counts.unanswered_pings),
            ("connections_lost", "Connections ended because what was written does not arrive.", counts.lost_ways),
            (
                "connection_states_dropped",
                "Connection states that Redis did not take.",
                readings.connection_states_dropped,
            ),
            ("records", "Records read from Kafka.", counts.records),
            ("fetches", "Answers of Kafka with records in them.", counts.fetches),
            ("messages", "Messages made of records.", readings.messages),
            ("published", "Messages of clients that Kafka has acknowledged.", counts.published),
            ("receipts", "Receipts that Kafka has acknowledged.", counts.receipts),
            (
                "receipts_dropped",
                "Receipts that were dropped because Kafka did not take them in time.",
                readings.receipts_dropped,
            ),
            ("copies_dropped", "Publications that came a second time.", readings.copies_dropped),
            ("deliveries", "Messages handed to attachments.", readings.deliveries),
            ("replays", "Times an attachment began to be served from before the window.", counts.replays),
            ("scans", "Passes over partitions of Kafka, shared by all who needed one.", counts.scans),
            ("scanned_records", "Records read again in these passes, of whatever channel.", counts.scanned_records),
            ("history_steps", "Steps of histories that Redis took; also those without messages.", counts.history_steps),
            ("history_messages", "Messages written to the history.", counts.history_messages),
            (
                "history_beginnings",
                "Histories of partitions begun, or begun anew: new topics, and a Redis that forgot.",
                counts.history_beginnings,
            ),
            ("revoked_connections", "Connections ended since their token or key was taken back.", counts.revoked),
            ("rulings", "Records of the revocation topic that were taken in.", counts.rulings),
            ("rulings_broken", "Records of the revocation topic that do not hold.", counts.broken_rulings),
            ("writes", "Writes to sockets; joined frames make one.", counts.writes),
            ("written_bytes", "Bytes written to sockets.", counts.written_bytes),
            ("holds", "Times a socket was not read for a while because its client sent too much.", counts.holds),
            ("suspensions", "Times a socket filled up and its attachments began to lag.", counts.suspensions),
            ("catch_ups", "Times a socket that lagged had got everything.", counts.catch_ups),
            ("continuity_losses", "Attachments that were told that messages are missing.", readings.continuity_losses),
        )
        for name, meaning, value in rows:
            yield CounterMetricFamily(f"lastmile_{name}", meaning, value)

    def _replayed(self) -> Metric:
        replayed = CounterMetricFamily(
            "lastmile_replayed_messages", "Messages handed to attachments from before the window.", labels=["tier"]
        )
        replayed.add_metric(["history"], self._counts.replayed_from_history)
        replayed.add_metric(["kafka"], self._counts.replayed_from_kafka)
        return replayed

    def _by_reason(self) -> Iterator[Metric]:
        refusals = CounterMetricFamily("lastmile_refusals", "What was refused, by why.", labels=["reason"])
        for reason, count in self._counts.refusals.items():
            refusals.add_metric([reason], count)
        yield refusals
        limited = CounterMetricFamily("lastmile_limited", "What a limit refused, by which.", labels=["limit"])
        for name, count in self._counts.limited.items():
            limited.add_metric([name], count)
        yield limited
        failures = CounterMetricFamily(
            "lastmile_authentication_failures",
            "Credentials that were not accepted, by what was wrong.",
            labels=["check"],
        )
        for check, count in self._counts.failed_checks.items():
            failures.add_metric([check], count)
        yield failures
        poisons = CounterMetricFamily(
            "lastmile_poison_records", "Records that no message can be made of, by why.", labels=["reason"]
        )
        for reason, count in self._counts.poisons.items():
            poisons.add_metric([reason], count)
        yield poisons
        audit = CounterMetricFamily(
            "lastmile_audit_lines",
            "Lines of the audit journal: written to its file, lost, or dropped before Kafka took them.",
            labels=["fate"],
        )
        for fate, count in self._counts.audit.items():
            audit.add_metric([fate], count)
        yield audit


def registry_of(counts: Counts, read: Callable[[], Readings], version: str) -> CollectorRegistry:
    """A registry of an edge and its process; each edge has its own, so several can live in one process."""
    registry = CollectorRegistry()
    registry.register(EdgeCollector(counts, read, version))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """What `/metrics` answers, of type `CONTENT_TYPE`."""
    return generate_latest(registry)


def _lags(tail: Mapping[str, TopicLag]) -> Iterator[Metric]:
    labels = ["namespace", "topic"]
    records = GaugeMetricFamily(
        "lastmile_tail_lag_records", "Records between the tail and the end of a namespace's topic.", labels=labels
    )
    seconds = GaugeMetricFamily(
        "lastmile_tail_lag_seconds", "How old the oldest record is that was not read yet.", labels=labels
    )
    as_of = GaugeMetricFamily(
        "lastmile_tail_as_of_timestamp_seconds",
        "Up to when all that Kafka had of a namespace's topic was read; 0 before it was for the first time.",
        labels=labels,
    )
    for namespace, lag in tail.items():
        records.add_metric([namespace, lag.topic], lag.records)
        seconds.add_metric([namespace, lag.topic], lag.seconds)
        as_of.add_metric([namespace, lag.topic], lag.as_of_ms / 1000)
    yield records
    yield seconds
    yield as_of


def _history_lags(lags: Mapping[str, int]) -> Metric:
    records = GaugeMetricFamily(
        "lastmile_history_lag_records",
        "Records between the history and the end of a topic, of the partitions that this edge writes.",
        labels=["topic"],
    )
    for topic, behind in lags.items():
        records.add_metric([topic], behind)
    return records


def _histogram(name: str, meaning: str, histogram: Histogram) -> Metric:
    buckets: list[tuple[str, float]] = []
    below = 0
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        below += count
        buckets.append((bound, below))
    return HistogramMetricFamily(name, meaning, buckets=buckets, sum_value=histogram.total)
