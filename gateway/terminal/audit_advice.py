"""
What the topic of the audit journal should be like, and the command that makes it so.

    missing              error     nothing of the journal reaches Kafka
    compacted            error     of each edge only the newest line would stay
    short retention      warning   an investigation begins later than that, and there is no file
    copies               as every topic's
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.terminal.topic_advice import UNLIMITED, Commands, Demand, Finding, copies

DAY_MS = 86_400_000
WANTED_DAYS = 90  # what PCI DSS 10.5.1 wants at hand; a year in all


def audit_demand(topic: str) -> Demand:
    """Nothing of it is read."""
    return Demand(topic, ("audit.topic",))


def advise_audit(
    topic: str, replicas: int, config: Mapping[str, str], commands: Commands, *, has_file: bool
) -> list[Finding]:
    """
    Look at it.

    Args:
        replicas: Copies of its least replicated partition.
        config: Its effective settings; empty if they could not be read.
        has_file: Whether the lines are also in a file, which is never deleted.
    """
    found = [
        *_cleanup(topic, config, commands),
        *([] if has_file else _retention(topic, config, commands)),
        *copies(audit_demand(topic), replicas, config, commands),
    ]
    return found or [Finding("ok", f"topic {topic}", f"keeps the audit journal, {replicas} copies")]


def _cleanup(topic: str, config: Mapping[str, str], commands: Commands) -> Iterator[Finding]:
    policy = config.get("cleanup.policy", "delete")
    if "compact" in policy:
        text = f"is compacted (cleanup.policy={policy}): the key is the edge, so of each only its newest line is sure to stay"
        yield Finding("error", f"topic {topic}", text, commands.configure(topic, "cleanup.policy=delete"))


def _retention(topic: str, config: Mapping[str, str], commands: Commands) -> Iterator[Finding]:
    kept_ms = int(config.get("retention.ms", UNLIMITED))
    if kept_ms != UNLIMITED and kept_ms < WANTED_DAYS * DAY_MS:
        text = f"keeps lines for {kept_ms / DAY_MS:g} days only, and there is no audit.file; who looks into something comes later"
        remedy = commands.configure(topic, f"retention.ms={365 * DAY_MS}")
        yield Finding("warning", f"topic {topic}", text, remedy)
