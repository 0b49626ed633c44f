"""The whole of deploy/compose.yaml as processes of this machine: Kafka, topics, Redis, two edges, HAProxy, the bank."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from auth.ably_token import mint
from auth.capability import Capability
from auth.keys import Key
from tests.testbed.compose import Compose, DeployedBroker, settings_file
from tests.testbed.edge import LASTMILE
from tests.testbed.haproxy import SERVERS, HAProxy
from tests.testbed.ports import free_port
from tests.testbed.process import Process, wait_until
from tests.testbed.records import Records

CHANNEL = "account:1001"
DEADLINE_SECONDS = 60.0


@dataclass
class Site:
    """What runs."""

    gateways: Mapping[str, Process]
    haproxy: HAProxy
    directory: Path
    environment: Mapping[str, str]

    @property
    def token(self) -> str:
        """Of the key whose secret is mounted."""
        secret = (self.directory / "key-server1").read_bytes().strip()
        key = Key("bank", "server1", secret, Capability.parse({"*": ["*"]}))
        return mint(key, now=time.time(), ttl_seconds=600, client_id="customer", capability=None)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Each service with its command and environment; only addresses are loopback's."""
    directory = tmp_path_factory.mktemp("site")
    compose = Compose()
    settings = settings_file(directory)
    ports = {name: (free_port(), free_port()) for name in compose.gateways}
    with ExitStack() as running:
        broker = running.enter_context(DeployedBroker(directory / "kafka", compose.environment("kafka")))
        with Records(broker.address) as records:
            for topic in compose.topics:
                records.make_topic(
                    topic.partitions, name=topic.name, replicas=topic.replicas, **_underscored(topic.config)
                )
        redis_port = free_port()

        def local(text: str) -> str:
            return text.replace("redis:6379", f"127.0.0.1:{redis_port}").replace("kafka:9092", broker.address)

        def start(name: str, command: Sequence[str], environment: Mapping[str, str]) -> Process:
            given = {variable: local(value) for variable, value in environment.items()}
            process = Process([local(word) for word in command], directory / f"{name}.log", environment=given)
            running.callback(process.kill)
            return process

        start("redis", [*compose.services["redis"]["command"], "--port", str(redis_port), "--bind", "127.0.0.1"], {})
        environment = compose.environment(compose.gateways[0])
        gateways = {
            name: start(name, [str(LASTMILE), "run", "--config", str(settings)], environment | _loopback(*ports[name]))
            for name in compose.gateways
        }
        bank = compose.services["bank"]
        start("bank", [sys.executable, *bank["entrypoint"][1:], *bank["command"]], compose.environment("bank"))
        haproxy = running.enter_context(HAProxy(directory, list(ports.values())))
        haproxy.wait_until_up(*SERVERS)
        yield Site(gateways, haproxy, directory, {name: local(value) for name, value in environment.items()})


def _underscored(config: Mapping[str, str]) -> dict[str, str]:
    return {name.replace(".", "_"): value for name, value in config.items()}


def _loopback(port: int, ops_port: int) -> dict[str, str]:
    return {
        "LASTMILE_SERVER__HOST": "127.0.0.1",
        "LASTMILE_SERVER__PORT": str(port),
        "LASTMILE_SERVER__OPS_HOST": "127.0.0.1",
        "LASTMILE_SERVER__OPS_PORT": str(ops_port),
    }


@pytest.fixture
def subscriber(site: Site) -> Iterator[Callable[[], list[dict[str, object]]]]:
    """`lastmile subscribe` through HAProxy. Returns: what gives the messages that it has printed."""
    log = site.directory / "subscriber.log"
    log.unlink(missing_ok=True)
    command = [str(LASTMILE), "subscribe", CHANNEL, "--url", site.haproxy.url.replace("http", "ws")]
    process = Process(command, log, environment={"LASTMILE_TOKEN": site.token})

    def messages() -> list[dict[str, object]]:
        return [json.loads(line) for line in process.log_text().splitlines() if line.startswith("{")]

    yield messages
    process.kill()


def test_check_finds_no_error(site: Site) -> None:
    """One warning for each topic: there is no second broker for a second copy."""
    command = [str(LASTMILE), "check", "--config", str(site.directory / "lastmile.toml")]

    checked = subprocess.run(command, env=site.environment, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.rstrip().endswith("0 errors, 2 warnings")


def test_what_happens_at_the_bank_reaches_a_client_behind_haproxy(
    subscriber: Callable[[], list[dict[str, object]]],
) -> None:
    """From the demo bank to a terminal, through everything that compose.yaml starts."""
    wait_until(lambda: len(subscriber()) >= 3, "three events", deadline_seconds=DEADLINE_SECONDS)

    assert {message["extras"]["kafka"]["key"] for message in subscriber()} == {"1001"}
    assert {message["extras"]["kafka"]["topic"] for message in subscriber()} == {"edge.accounts"}


def test_a_client_goes_on_when_its_edge_is_killed(
    site: Site, subscriber: Callable[[], list[dict[str, object]]]
) -> None:
    """On the other one, behind the last event that it has seen; last of this file, since nobody starts it again."""
    wait_until(lambda: len(subscriber()) >= 1, "an event", deadline_seconds=DEADLINE_SECONDS)
    before = len(subscriber())
    (held,) = [name for name, count in site.haproxy.sessions().items() if count]

    site.gateways[held].kill()
    wait_until(lambda: len(subscriber()) >= before + 2, "two more events", deadline_seconds=DEADLINE_SECONDS)

    serials = [message["serial"] for message in subscriber()]
    assert serials == sorted(set(serials))
    assert [name for name, count in site.haproxy.sessions().items() if count] != [held]
