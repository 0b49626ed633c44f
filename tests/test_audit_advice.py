"""`lastmile check`: what is said about the topic of the audit journal."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.terminal.audit_advice import DAY_MS, advise_audit
from gateway.terminal.topic_advice import Commands

COMMANDS = Commands("kafka:9092", needs_credentials=False, brokers=5)
YEAR = str(365 * DAY_MS)
GOOD = {"cleanup.policy": "delete", "min.insync.replicas": "2", "retention.ms": YEAR}


@pytest.mark.parametrize(
    ("replicas", "config", "has_file", "level", "says"),
    [
        (3, {}, False, "ok", "keeps the audit journal"),
        (3, {"retention.ms": "-1"}, False, "ok", "3 copies"),
        (3, {"cleanup.policy": "compact"}, False, "error", "only its newest line"),
        (3, {"cleanup.policy": "compact,delete"}, True, "error", "only its newest line"),
        (3, {"retention.ms": "604800000"}, False, "warning", "7 days only"),
        (3, {"retention.ms": "604800000"}, True, "ok", "keeps the audit journal"),
        (1, {"min.insync.replicas": "1"}, False, "warning", "no second copy"),
    ],
)
def test_a_topic_is_looked_at(replicas: int, config: dict[str, Any], has_file: bool, level: str, says: str) -> None:
    (found,) = advise_audit("edge.audit", replicas, GOOD | config, COMMANDS, has_file=has_file)

    assert (found.level, says in found.text) == (level, True), found


def test_what_cannot_be_read_is_not_judged() -> None:
    """A user of Kafka need not be allowed to read settings."""
    assert [found.level for found in advise_audit("edge.audit", 3, {}, COMMANDS, has_file=False)] == ["ok"]
