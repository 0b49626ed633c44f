"""
What a topic should be like for what the settings ask of it, and the command that makes it so.

    missing                       error     create it
    retention < window            error     records would be gone while the edge still counts on them
    min.insync.replicas > copies  error     nothing can be written with acks=all
    retention < history           warning   clients that come back later lose continuity
    compact                       warning   of each channel only its newest message would be kept
    one partition, one copy, …    warning   it works, until it grows or a broker is lost
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

UNLIMITED = -1
SUGGESTED_PARTITIONS = 12
SUGGESTED_COPIES = 3

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What was found out about one thing.

    Args:
        subject: The thing.
        text: What is wrong with it, or that nothing is.
        remedy: What puts it right: a command, or what to change.
    """

    level: Level
    subject: str
    text: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """
    What the settings ask of a topic.

    Args:
        topic: Its name.
        asked_by: The settings that name it.
        history_seconds: How far back clients are to be served.
        window_seconds: How far back the edge reads when it starts.
        max_record_bytes: Longer records are skipped; None where nothing is read.
    """

    topic: str
    asked_by: tuple[str, ...]
    history_seconds: float = 0.0
    window_seconds: float = 0.0
    max_record_bytes: int | None = None

    @property
    def is_read(self) -> bool:
        """Whether edges read it; else they only write to it, and how long it is kept is its readers' affair."""
        return self.max_record_bytes is not None


class Commands:
    """
    Kafka's own tools, called for one cluster.

    Args:
        bootstrap_servers: Of the cluster.
        needs_credentials: Whether the tools must be told how to log in.
        brokers: How many there are; a topic has no more copies than that.
    """

    def __init__(self, bootstrap_servers: str, *, needs_credentials: bool, brokers: int) -> None:
        self._where = ["--bootstrap-server", bootstrap_servers]
        if needs_credentials:
            self._where += ["--command-config", "client.properties"]
        self._copies = min(SUGGESTED_COPIES, brokers)

    def create(self, demand: Demand) -> str:
        """Create a topic that meets the demand."""
        config = ["--config", f"retention.ms={_wanted_ms(demand)}"] if demand.is_read else []
        if self._copies > 1:
            config += ["--config", f"min.insync.replicas={self._copies - 1}"]
        size = ["--partitions", str(SUGGESTED_PARTITIONS), "--replication-factor", str(self._copies)]
        return self._line("kafka-topics.sh", ["--create", "--topic", demand.topic, *size, *config])

    def create_state(self, topic: str) -> str:
        """Create a topic that is kept by key."""
        config = ["--config", "cleanup.policy=compact"]
        if self._copies > 1:
            config += ["--config", f"min.insync.replicas={self._copies - 1}"]
        size = ["--partitions", "1", "--replication-factor", str(self._copies)]
        return self._line("kafka-topics.sh", ["--create", "--topic", topic, *size, *config])

    def add_partitions(self, topic: str) -> str:
        """Give a topic more partitions."""
        return self._line("kafka-topics.sh", ["--alter", "--topic", topic, "--partitions", str(SUGGESTED_PARTITIONS)])

    def configure(self, topic: str, setting: str) -> str:
        """Change one setting of a topic."""
        entity = ["--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", setting]
        return self._line("kafka-configs.sh", entity)

    def _line(self, tool: str, arguments: Sequence[str]) -> str:
        return shlex.join([tool, *self._where, *arguments])


def missing(demand: Demand, commands: Commands) -> Finding:
    """A topic that does not exist, or that this user may not see."""
    asked_by = ", ".join(demand.asked_by)
    return Finding(
        "error", _subject(demand.topic), f"does not exist, though {asked_by} names it", commands.create(demand)
    )


def advise(
    demand: Demand, partitions: int, replicas: int, config: Mapping[str, str], commands: Commands
) -> list[Finding]:
    """
    Look at a topic that exists.

    Args:
        replicas: Copies of its least replicated partition.
        config: Its effective settings; empty if they could not be read.

    Returns:
        What is wrong; one finding that says so if nothing is.
    """
    found = [
        *_partitions(demand, partitions, commands),
        *_retention(demand, config, commands),
        *_compaction(demand, config, commands),
        *copies(demand, replicas, config, commands),
        *_size(demand, config),
    ]
    is_plural = "s" if partitions != 1 else ""
    return found or [Finding("ok", _subject(demand.topic), f"{partitions} partition{is_plural}, {replicas} copies")]


def _partitions(demand: Demand, partitions: int, commands: Commands) -> Iterator[Finding]:
    if partitions == 1:
        text = "has 1 partition, so all its channels share one broker's one log; add more before there is traffic, since that moves channels"
        yield Finding("warning", _subject(demand.topic), text, commands.add_partitions(demand.topic))


def _retention(demand: Demand, config: Mapping[str, str], commands: Commands) -> Iterator[Finding]:
    kept_ms = int(config.get("retention.ms", UNLIMITED))
    if kept_ms == UNLIMITED or "delete" not in config.get("cleanup.policy", "delete"):
        return
    remedy = commands.configure(demand.topic, f"retention.ms={_wanted_ms(demand)}")
    if kept_ms < demand.window_seconds * 1000:
        text = f"keeps records for {kept_ms / 1000:g} s only, the edge counts on {demand.window_seconds:g} s (window.max_seconds)"
        yield Finding("error", _subject(demand.topic), text, remedy)
    elif kept_ms < demand.history_seconds * 1000:
        text = f"keeps records for {kept_ms / 1000:g} s, clients are promised {demand.history_seconds:g} s (history_seconds)"
        yield Finding("warning", _subject(demand.topic), text, remedy)
    if int(config.get("retention.bytes", UNLIMITED)) != UNLIMITED:
        text = f"deletes records from {config['retention.bytes']} bytes a partition on, however young they are (retention.bytes)"
        yield Finding(
            "warning", _subject(demand.topic), text, commands.configure(demand.topic, f"retention.bytes={UNLIMITED}")
        )


def _compaction(demand: Demand, config: Mapping[str, str], commands: Commands) -> Iterator[Finding]:
    policy = config.get("cleanup.policy", "delete")
    spared_ms = int(config.get("min.compaction.lag.ms", "0"))
    if "compact" in policy and not demand.is_read:
        text = f"is compacted (cleanup.policy={policy}), so of each channel only the newest receipt is sure to stay"
        remedy = commands.configure(demand.topic, "cleanup.policy=delete")
        yield Finding("warning", _subject(demand.topic), text, remedy)
    elif "compact" in policy and spared_ms < max(demand.window_seconds, demand.history_seconds) * 1000:
        text = (
            f"is compacted (cleanup.policy={policy}): the key names the channel, so of each channel only the newest message "
            "is sure to stay; clients that come back find the others gone"
        )
        yield Finding(
            "warning", _subject(demand.topic), text, commands.configure(demand.topic, "cleanup.policy=delete")
        )


def copies(demand: Demand, replicas: int, config: Mapping[str, str], commands: Commands) -> Iterator[Finding]:
    """What its number of copies, and of those in sync, comes to."""
    in_sync = int(config.get("min.insync.replicas", "1"))
    if in_sync > replicas:
        text = f"has {replicas} copies but wants {in_sync} in sync, so nothing can be written to it with acks=all"
        yield Finding(
            "error",
            _subject(demand.topic),
            text,
            commands.configure(demand.topic, f"min.insync.replicas={max(1, replicas - 1)}"),
        )
    elif replicas == 1:
        text = "has no second copy, so its records are gone for as long as one broker is, or for good"
        yield Finding(
            "warning", _subject(demand.topic), text, "raise its replication factor with kafka-reassign-partitions.sh"
        )
    elif config and in_sync == 1:
        text = "acknowledges records that one broker alone has (min.insync.replicas=1), so its loss may lose them"
        yield Finding(
            "warning",
            _subject(demand.topic),
            text,
            commands.configure(demand.topic, f"min.insync.replicas={replicas - 1}"),
        )


def _size(demand: Demand, config: Mapping[str, str]) -> Iterator[Finding]:
    largest = int(config.get("max.message.bytes", "0"))
    if (
        demand.max_record_bytes is not None and largest > demand.max_record_bytes * 1.01
    ):  # Kafka counts a batch with its frame
        text = f"takes records of up to {largest} bytes, of which those over {demand.max_record_bytes} are skipped (kafka.max_record_bytes)"
        yield Finding("warning", _subject(demand.topic), text, f"set kafka.max_record_bytes = {largest}")


def _wanted_ms(demand: Demand) -> int:
    return int(max(demand.history_seconds, demand.window_seconds, 3600.0) * 1000)


def _subject(topic: str) -> str:
    return f"topic {topic}"
