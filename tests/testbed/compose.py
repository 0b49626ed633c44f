"""deploy/compose.yaml, read as Docker would, for a machine on which Docker cannot run."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.testbed.kafka import KafkaBroker
from tests.testbed.process import ROOT

DEPLOY = ROOT / "deploy"
SECRETS = "/run/secrets/"


@dataclass(frozen=True)
class Topic:
    """A topic as the service `topics` creates it."""

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


class Compose:
    """The file, parsed; merge keys and anchors are resolved by YAML itself."""

    def __init__(self) -> None:
        self.text = (DEPLOY / "compose.yaml").read_text()
        self.tree: dict[str, Any] = yaml.safe_load(self.text)

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """All services by name."""
        return self.tree["services"]

    def environment(self, service: str) -> dict[str, str]:
        """What a container of a service gets."""
        return {name: str(value) for name, value in self.services[service].get("environment", {}).items()}

    @property
    def gateways(self) -> list[str]:
        """Names of the services that are edges."""
        return [name for name, service in self.services.items() if "key-server1" in service.get("secrets", [])]

    @cached_property
    def topics(self) -> list[Topic]:
        """What the script of the service `topics` creates; Compose reads ``$$`` as ``$``."""
        (script,) = self.services["topics"]["command"]
        variables = dict(re.findall(r'^(\w+)="(.*)"$', script, re.MULTILINE))
        lines = [line for line in script.splitlines() if line.startswith("$$")]
        return [_topic(shlex.split(re.sub(r"\$\$(\w+)", lambda match: variables[match[1]], line))) for line in lines]


def _topic(command: list[str]) -> Topic:
    assert command[0] == "/opt/kafka/bin/kafka-topics.sh"
    assert {"--create", "--if-not-exists"} <= set(command)
    values = {name: value for name, value in itertools.pairwise(command) if name.startswith("--")}
    config = [value for name, value in itertools.pairwise(command) if name == "--config"]
    return Topic(
        values["--topic"],
        int(values["--partitions"]),
        int(values["--replication-factor"]),
        dict(entry.split("=", 1) for entry in config),
    )


def settings_file(directory: Path) -> Path:
    """deploy/lastmile.toml as a container sees it: each secret is a file, and here one of *directory*."""
    text = (DEPLOY / "lastmile.toml").read_text()
    for name in re.findall(rf"{SECRETS}([\w-]+)", text):
        (directory / name).write_text("a-secret-of-the-deployed-topology-in-a-test\n")
    file = directory / "lastmile.toml"
    file.write_text(text.replace(SECRETS, f"{directory}/"))
    return file


class DeployedBroker(KafkaBroker):
    """
    Kafka with the settings of the service `kafka`; only its addresses are loopback's.

    Args:
        directory: For its data and log.
        environment: The service's.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._environment = environment
        super().__init__(directory, node_id=int(environment["KAFKA_NODE_ID"]))

    def _settings(self) -> dict[str, str]:
        controller = f"127.0.0.1:{self._voters[self.node_id]}"

        def here(value: str) -> str:
            value = re.sub(r"(kafka|(?<=//)):9092\b", self.address, value)
            return re.sub(r"(kafka|(?<=//)):9093\b", controller, value)

        given = {
            name.removeprefix("KAFKA_").lower().replace("_", "."): here(value)
            for name, value in self._environment.items()
        }
        return given | {"log.dirs": str(self._directory / "data")}
