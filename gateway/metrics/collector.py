"""
Every metric there is.

Source: docs/operations.md, whose table a test compares with this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from gateway.metrics.counts import Counts, Histogram
from gateway.metrics.readings import Readings, TopicLag


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
        yield from self._by_kind()
        yield from _lags(readings.tail)
        yield _history_lags(readings.history_lags)
        yield _histogram(
            "lastmile_delivery_seconds",
            "From a record's timestamp to the moment its frame was written, by delivery.",
            self._counts.delivery,
        )
        yield _histogram("lastmile_loop_delay_seconds", "By how much the event loop was late.", self._counts.loop_delay)

    def _gauges(self, readings: Readings) -> Iterator[Metric]:
        rows = (
            ("ready", "Whether a load balancer should send clients here.", int(readings.is_ready)),
            ("connections", "Open client sockets.", readings.connections),
            ("memory_budget_bytes", "What the process may have in memory.", readings.memory_budget_bytes),
            (
                "memory_level",
                "How short memory is: 0 not, 1 the window shrinks, 2 nobody new comes in, 3 who does not read is dropped.",
                readings.memory_level,
            ),
            ("attachments", "Connections on channels.", readings.attachments),
            ("attachments_lagging", "Attachments that are served from the window.", readings.lagging),
            ("attachments_replaying", "Attachments that are served from before the window.", readings.replaying),
            ("scans_under_way", "Passes over partitions of Kafka, for clients.", readings.scans_under_way),
            ("window_bytes", "Memory of recent messages.", readings.window_bytes),
            ("window_messages", "Recent messages in memory.", readings.window_messages),
            ("publish_pending_bytes", "What waits for Kafka.", readings.publish_pending_bytes),
            ("receipts_pending", "Receipts that wait for Kafka.", readings.receipts_pending),
            (
                "receipts_lag_seconds",
                "How long ago the oldest receipt was confirmed that waits for Kafka.",
                readings.receipts_lag_seconds,
            ),
            (
                "limit_edges",
                "Edges that share limits; 0: Redis is away, and this one enforces them as if it were alone.",
                readings.limit_edges,
            ),
            ("limit_keys", "Clients, channels and apps whose publishing is counted.", readings.limit_keys),
            ("history_partitions", "Partitions whose history this edge writes.", readings.history_partitions),
            ("revocations", "Revocations and entitlements that this edge goes by.", readings.revocations),
            (
                "revocations_age_seconds",
                "How long ago this edge was last known to have read all of the revocation topic.",
                readings.revocations_age_seconds,
            ),
        )
        for name, meaning, value in rows:
            yield GaugeMetricFamily(f"lastmile_{name}", meaning, value)
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

    def _by_kind(self) -> Iterator[Metric]:
        counts = self._counts
        replayed = {"history": counts.replayed_from_history, "kafka": counts.replayed_from_kafka}
        rows = (
            ("refusals", "What was refused, by why.", "reason", counts.refusals),
            ("limited", "What a limit refused, by which.", "limit", counts.limited),
            (
                "authentication_failures",
                "Credentials that were not accepted, by what was wrong.",
                "check",
                counts.failed_checks,
            ),
            ("poison_records", "Records that no message can be made of, by why.", "reason", counts.poisons),
            (
                "audit_lines",
                "Lines of the audit journal: written to its file, lost, or dropped before Kafka took them.",
                "fate",
                counts.audit,
            ),
            ("replayed_messages", "Messages handed to attachments from before the window.", "tier", replayed),
        )
        for name, meaning, label, by_kind in rows:
            family = CounterMetricFamily(f"lastmile_{name}", meaning, labels=[label])
            for kind, count in by_kind.items():
                family.add_metric([kind], count)
            yield family


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
