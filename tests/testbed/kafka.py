"""Real Kafka brokers from Maven's jars, in KRaft mode: one alone, or three of a cluster."""

from __future__ import annotations

import base64
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.testbed.ports import free_port
from tests.testbed.process import ROOT, Process, wait_until
from tests.testbed.records import Records

JARS = ROOT / ".testbed" / "kafka"
# One core's worth of compiler and collector: a broker for a test lives shorter than the better compiler takes to pay.
JAVA = (
    *("java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"),
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
    *("-cp", f"{JARS}/*"),
)
WARM_UP_RECORDS = 5_000

_SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": "4",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # What a test waits for happens soon: retention, compaction, and a killed broker's place being free again.
    "log.initial.task.delay.ms": "500",
    "log.retention.check.interval.ms": "500",
    "log.segment.delete.delay.ms": "500",
    "log.cleaner.backoff.ms": "500",
    "log.cleaner.dedupe.buffer.size": "8388608",
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1500",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


class KafkaBroker:
    """
    One broker, which is also a controller.

    Args:
        directory: For its data, settings and log; kept over restarts.
        node_id: Which of *voters* it is.
        voters: Controller ports by node id; alone by default.
        cluster_id: The same for all of a cluster.
        settings: Of server.properties, besides those that every test wants.
    """

    def __init__(
        self,
        directory: Path,
        *,
        node_id: int = 1,
        voters: Mapping[int, int] | None = None,
        cluster_id: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        if not any(JARS.glob("kafka_2.13-*.jar")):
            raise FileNotFoundError("Kafka's jars are missing: call `make test`, or `make .testbed/kafka.stamp`")
        self.node_id = node_id
        self.port = free_port()
        self._directory = directory
        self._voters = voters or {node_id: free_port()}
        self._own_settings = settings or {}
        self._cluster_id = cluster_id or new_cluster_id()
        self._process: Process | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self._properties = directory / "server.properties"
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in self._settings().items()))
        self._format()

    @property
    def address(self) -> str:
        """For bootstrap_servers."""
        return f"127.0.0.1:{self.port}"

    @property
    def process(self) -> Process:
        """The running process, to be stopped and continued by signals."""
        if self._process is None:
            raise RuntimeError("the broker is not running")
        return self._process

    def launch(self) -> None:
        """Start the process and do not wait; on the same port and data if it ran before."""
        log = self._directory / "broker.log"
        self._process = Process([*JAVA, "kafka.Kafka", str(self._properties)], log)

    def start(self) -> Self:
        """Start, and wait until it answers for itself."""
        self.launch()
        self.wait_until_answering()
        return self

    def wait_until_answering(self) -> None:
        """Wait until a client gets a list of brokers that this one is on."""
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})

        def answers() -> bool:
            try:
                return self.node_id in admin.list_topics(timeout=2).brokers
            except KafkaException:
                return False

        self.process.wait_until(answers, "Kafka answers")

    def stop(self) -> None:
        """Shut down in order."""
        if self._process is not None:
            self._process.terminate()
            self._process = None

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def restart(self) -> None:
        """Kill and start again: what a crash and a supervisor do."""
        self.kill()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _settings(self) -> dict[str, str]:
        controller = f"CONTROLLER://127.0.0.1:{self._voters[self.node_id]}"
        replicas = str(min(3, len(self._voters)))
        in_sync = str(min(2, len(self._voters)))
        return _SETTINGS | {
            "node.id": str(self.node_id),
            "listeners": f"PLAINTEXT://{self.address},{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address},{controller}",
            "controller.quorum.voters": ",".join(f"{node}@127.0.0.1:{port}" for node, port in self._voters.items()),
            "log.dirs": str(self._directory / "data"),
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": in_sync,
            **self._own_settings,
        }

    def _format(self) -> None:
        command = [*JAVA, "kafka.tools.StorageTool", "format", "-t", self._cluster_id, "-c", str(self._properties)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


class KafkaCluster:
    """
    Three brokers, for tests in which leaders move.

    Args:
        directory: One folder in it for each.
    """

    def __init__(self, directory: Path) -> None:
        voters = {node_id: free_port() for node_id in (1, 2, 3)}
        cluster_id = new_cluster_id()
        self.brokers: Sequence[KafkaBroker] = [
            KafkaBroker(directory / str(node_id), node_id=node_id, voters=voters, cluster_id=cluster_id)
            for node_id in voters
        ]

    @property
    def address(self) -> str:
        """All of them, for bootstrap_servers."""
        return ",".join(broker.address for broker in self.brokers)

    def leader(self, topic: str, partition: int) -> KafkaBroker:
        """The broker that leads a partition; waits while there is none."""
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        found: list[int] = []

        def has_leader() -> bool:
            leader = admin.list_topics(topic, timeout=5).topics[topic].partitions[partition].leader
            found[:] = [leader]
            return leader > 0

        wait_until(has_leader, f"{topic}:{partition} has a leader")
        return next(broker for broker in self.brokers if broker.node_id == found[0])

    def __enter__(self) -> Self:
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.wait_until_answering()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for broker in self.brokers:
            broker.kill()


def new_cluster_id() -> str:
    """A cluster's id in the form that Kafka wants: 16 bytes in base64 for URLs."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")


def warm_up(address: str) -> None:
    """Write and forget some records: a broker just started is slow for its first thousands."""
    with Records(address) as records:
        topic = records.make_topic(partitions=1)
        records.produce(topic, ((b"warm", b"x" * 200, {}) for _ in range(WARM_UP_RECORDS)))
        records.delete_topic(topic)
