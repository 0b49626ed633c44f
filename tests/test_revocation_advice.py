"""`lastmile check`: what is said about the revocation topic."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.terminal.revocation_advice import advise_revocations, missing_revocations, revocation_demand
from gateway.terminal.topic_advice import Commands

COMMANDS = Commands("kafka:9092", needs_credentials=False, brokers=5)
DEMAND = revocation_demand("edge.revocations", 1048576)
GOOD = {"cleanup.policy": "compact", "min.insync.replicas": "2", "retention.ms": "604800000"}


def test_a_topic_that_is_not_there_is_created_by_the_command() -> None:
    found = missing_revocations(DEMAND, COMMANDS)

    assert found.level == "error"
    assert "no edge becomes ready" in found.text
    assert "--partitions 1" in (found.remedy or "")
    assert "cleanup.policy=compact" in (found.remedy or "")


@pytest.mark.parametrize(
    ("partitions", "replicas", "config", "level", "says"),
    [
        (1, 3, {}, "ok", "compacted, 3 copies"),
        (1, 3, {"cleanup.policy": "delete"}, "error", "cleanup.policy=delete"),
        (1, 3, {"cleanup.policy": "compact,delete"}, "error", "deletes by age or size"),
        (4, 3, {}, "warning", "has 4 partitions"),
        (1, 1, {"min.insync.replicas": "1"}, "warning", "no second copy"),
    ],
)
def test_a_topic_is_looked_at(partitions: int, replicas: int, config: dict[str, Any], level: str, says: str) -> None:
    (found,) = advise_revocations(DEMAND, partitions, replicas, GOOD | config, COMMANDS)

    assert (found.level, says in found.text) == (level, True), found
