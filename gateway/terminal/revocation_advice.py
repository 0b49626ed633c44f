"""
What the revocation topic should be like, and the command that makes it so.

    missing                       error     create it
    not compacted                 error     it would grow without end, or forget who is revoked
    also deleted by age or size   error     entitlements would end by themselves
    several partitions            warning   producers that partition differently would write one key to two of them
    copies                        as every topic's
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.terminal.topic_advice import Commands, Demand, Finding, copies

COMPACT = "cleanup.policy=compact"


def revocation_demand(topic: str, max_record_bytes: int) -> Demand:
    """What the settings ask of it; nothing of it ends by age."""
    return Demand(topic, ("revocation.topic",), 0.0, 0.0, max_record_bytes)


def missing_revocations(demand: Demand, commands: Commands) -> Finding:
    """It does not exist, so no edge becomes ready."""
    text = "does not exist, though revocation.topic names it; no edge becomes ready without it"
    return Finding("error", f"topic {demand.topic}", text, commands.create_state(demand.topic))


def advise_revocations(
    demand: Demand, partitions: int, replicas: int, config: Mapping[str, str], commands: Commands
) -> list[Finding]:
    """
    Look at it.

    Args:
        replicas: Copies of its least replicated partition.
        config: Its effective settings; empty if they could not be read.
    """
    found = [
        *_cleanup(demand, config, commands),
        *_partitions(demand, partitions),
        *copies(demand, replicas, config, commands),
    ]
    return found or [Finding("ok", f"topic {demand.topic}", f"compacted, {replicas} copies")]


def _cleanup(demand: Demand, config: Mapping[str, str], commands: Commands) -> Iterator[Finding]:
    policies = config.get("cleanup.policy", "compact").split(",")
    if policies != ["compact"]:
        text = (
            f"is not kept by key alone (cleanup.policy={','.join(policies)}): it is the state, so what it deletes "
            "by age or size holds no longer once an edge starts anew"
        )
        yield Finding("error", f"topic {demand.topic}", text, commands.configure(demand.topic, COMPACT))


def _partitions(demand: Demand, partitions: int) -> Iterator[Finding]:
    if partitions > 1:
        text = (
            f"has {partitions} partitions: producers that do not partition alike write one key to several of them, "
            "and which entitlement is the newest is not known then"
        )
        yield Finding(
            "warning",
            f"topic {demand.topic}",
            text,
            "create it anew with 1 partition, or partition as Java's clients do",
        )
