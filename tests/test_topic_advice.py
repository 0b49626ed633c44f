"""`lastmile check`: what is said about a topic, given what is asked of it."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from gateway.terminal.topic_advice import Commands, Demand, advise, missing

COMMANDS = Commands("kafka:9092", needs_credentials=False, brokers=5)
DEMAND = Demand(
    topic="edge.accounts",
    asked_by=("namespaces.account.topic",),
    history_seconds=86400.0,
    window_seconds=120.0,
    max_record_bytes=1048576,
)
GOOD = {
    "cleanup.policy": "delete",
    "retention.ms": "604800000",
    "retention.bytes": "-1",
    "min.insync.replicas": "2",
    "min.compaction.lag.ms": "0",
    "max.message.bytes": "1048588",
}


def findings(partitions: int = 12, replicas: int = 3, **config: Any) -> list[tuple[str, str, str | None]]:
    changed = {name.replace("_", "."): str(value) for name, value in config.items()}
    return [(f.level, f.text, f.remedy) for f in advise(DEMAND, partitions, replicas, GOOD | changed, COMMANDS)]


def test_a_good_topic_is_said_to_be_good() -> None:
    """Kafka's own defaults are, with three copies of which two are in sync."""
    assert findings() == [("ok", "12 partitions, 3 copies", None)]


def test_a_topic_whose_settings_cannot_be_read_is_judged_by_what_is_known() -> None:
    """A user of Kafka need not be allowed to read them."""
    assert [f.level for f in advise(DEMAND, 12, 3, {}, COMMANDS)] == ["ok"]


@pytest.mark.parametrize(
    ("partitions", "replicas", "config", "level", "says", "remedy"),
    [
        (1, 3, {}, "warning", "1 partition", "--alter --topic edge.accounts --partitions 12"),
        (12, 3, {"retention_ms": 60_000}, "error", "counts on 120 s (window.max_seconds)", "retention.ms=86400000"),
        (12, 3, {"retention_ms": 3_600_000}, "warning", "promised 86400 s (history_seconds)", "retention.ms=86400000"),
        (12, 3, {"retention_bytes": 1000}, "warning", "from 1000 bytes a partition on", "retention.bytes=-1"),
        (12, 3, {"cleanup_policy": "compact"}, "warning", "only the newest message", "cleanup.policy=delete"),
        (12, 3, {"cleanup_policy": "compact,delete"}, "warning", "only the newest message", "cleanup.policy=delete"),
        (12, 2, {"min_insync_replicas": 3}, "error", "nothing can be written", "min.insync.replicas=1"),
        (12, 3, {"min_insync_replicas": 1}, "warning", "one broker alone", "min.insync.replicas=2"),
        (12, 1, {"min_insync_replicas": 1}, "warning", "no second copy", "kafka-reassign-partitions.sh"),
        (
            12,
            3,
            {"max_message_bytes": 5_000_000},
            "warning",
            "over 1048576 are skipped",
            "kafka.max_record_bytes = 5000000",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_remedy(
    partitions: int, replicas: int, config: dict[str, Any], level: str, says: str, remedy: str
) -> None:
    """One finding for one thing."""
    ((found_level, text, found_remedy),) = findings(partitions, replicas, **config)

    assert found_level == level
    assert says in text
    assert remedy in (found_remedy or "")


@pytest.mark.parametrize(
    "config",
    [
        {"retention_ms": -1},
        {"cleanup_policy": "compact", "retention_ms": 1000, "min_compaction_lag_ms": 86_400_000},
        {"retention_ms": 86_400_000},
    ],
)
def test_what_keeps_records_long_enough_is_not_complained_about(config: dict[str, Any]) -> None:
    """For ever, or uncompacted for as long as history reaches."""
    assert [level for level, _, _ in findings(**config)] == ["ok"]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """As with the settings."""
    found = findings(1, 1, cleanup_policy="compact", min_insync_replicas=1)

    assert [level for level, _, _ in found] == ["warning", "warning", "warning"]


@pytest.mark.parametrize(
    ("brokers", "copies", "in_sync"), [(1, "1", None), (2, "2", "1"), (3, "3", "2"), (9, "3", "2")]
)
def test_a_missing_topic_comes_with_the_command_that_creates_it(brokers: int, copies: str, in_sync: str | None) -> None:
    """One that this cluster can carry out, and whose result `check` then finds good."""
    finding = missing(DEMAND, Commands("a:1,b:2", needs_credentials=False, brokers=brokers))
    words = shlex.split(finding.remedy or "")

    assert finding.level == "error"
    assert finding.text == "does not exist, though namespaces.account.topic names it"
    assert words[:5] == ["kafka-topics.sh", "--bootstrap-server", "a:1,b:2", "--create", "--topic"]
    assert words[words.index("--replication-factor") + 1] == copies
    assert "retention.ms=86400000" in words
    assert (f"min.insync.replicas={in_sync}" in words) == (in_sync is not None)


def test_commands_say_where_the_credentials_are() -> None:
    """Kafka's tools know nothing of our settings."""
    finding = missing(DEMAND, Commands("a:1", needs_credentials=True, brokers=3))

    assert "--command-config client.properties" in (finding.remedy or "")


# ---------------------------------------------------------------------- receipts

RECEIPTS = Demand("edge.receipts", ("namespaces.account.receipts_topic",))


def test_a_topic_of_receipts_is_kept_as_long_as_its_readers_want() -> None:
    """Edges only write to it: its copies count, its retention and its largest record do not."""
    config = GOOD | {"retention.ms": "1000", "max.message.bytes": "5000000"}

    (good,) = advise(RECEIPTS, 12, 3, config, COMMANDS)
    (bad,) = advise(RECEIPTS, 12, 2, config | {"min.insync.replicas": "3"}, COMMANDS)
    lost = missing(RECEIPTS, COMMANDS)

    assert (good.level, bad.level, lost.level) == ("ok", "error", "error")
    assert "namespaces.account.receipts_topic" in lost.text
    assert "--create --topic edge.receipts" in (lost.remedy or "")
    assert "retention.ms" not in (lost.remedy or "")


def test_a_compacted_topic_keeps_one_receipt_of_a_channel() -> None:
    """Its key is the channel's."""
    (found,) = advise(RECEIPTS, 12, 3, GOOD | {"cleanup.policy": "compact"}, COMMANDS)

    assert found.level == "warning"
    assert "only the newest receipt" in found.text
