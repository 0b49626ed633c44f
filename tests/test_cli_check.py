"""`lastmile check` as a process, against real Kafka and Redis, and against none."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.testbed.redis import RedisServer

LASTMILE = Path(sys.executable).parent / "lastmile"
DEADLINE_SECONDS = 60.0
GOOD = {"retention.ms": "604800000"}

Check = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def check(tmp_path: Path, kafka: str, redis_url: str) -> Check:
    """Run the command with one namespace on a topic."""

    def run(
        topic: str, *, more: str = "", bootstrap_servers: str = kafka, redis: str = redis_url
    ) -> subprocess.CompletedProcess[str]:
        config = tmp_path / "lastmile.toml"
        config.write_text(f"""
            [kafka]
            bootstrap_servers = "{bootstrap_servers}"
            request_timeout_seconds = 5
            [redis]
            url = "{redis}"
            timeout_seconds = 1
            [[apps]]
            id = "bank"
            [[apps.keys]]
            id = "server1"
            secret = "a-secret-of-at-least-thirty-two-bytes"
            [namespaces.account]
            topic = "{topic}"
            {more}
        """)
        command = [LASTMILE, "check", "--config", str(config)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LASTMILE_")}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False, env=environment
        )

    return run


@pytest.fixture
def create(kafka: str) -> Callable[..., str]:
    """Create a topic as an operator would, with its settings."""
    admin = AdminClient({"bootstrap.servers": kafka})

    def create_topic(partitions: int = 4, **config: str) -> str:
        name = f"check.{uuid4().hex[:12]}"
        settings = {key.replace("_", "."): value for key, value in config.items()}
        admin.create_topics([NewTopic(name, partitions, 1, config=GOOD | settings)])[name].result(DEADLINE_SECONDS)
        wait_until(lambda: name in admin.list_topics(timeout=DEADLINE_SECONDS).topics)
        return name

    return create_topic


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_usable_set_up_passes(check: Check, create: Callable[..., str]) -> None:
    """One broker keeps one copy: that is worth a warning, and no error."""
    result = check(create())

    assert result.returncode == 0, result.stdout
    assert "ok       settings: can be used" in result.stdout
    assert "ok       redis: answers" in result.stdout
    assert "ok       kafka: answers" in result.stdout
    assert "has no second copy" in result.stdout
    assert result.stdout.endswith("0 errors, 1 warnings\n")
    assert result.stderr == ""


def test_a_missing_topic_fails_with_the_command_that_creates_it(check: Check, kafka: str) -> None:
    """What is printed creates what is then found good, on this very cluster."""
    name = f"check.{uuid4().hex[:12]}"

    result = check(name)

    assert result.returncode == 1
    assert f"error    topic {name}: does not exist, though namespaces.account.topic names it" in result.stdout
    (command,) = [line for line in result.stdout.splitlines() if "--create" in line]
    words = shlex.split(command.strip().removeprefix("→ "))
    option = {word: words[at + 1] for at, word in enumerate(words[:-1]) if word.startswith("--") and word != "--config"}
    assert option["--bootstrap-server"] == kafka
    config = dict(words[at + 1].split("=") for at, word in enumerate(words) if word == "--config")
    admin = AdminClient({"bootstrap.servers": option["--bootstrap-server"]})
    topic = NewTopic(option["--topic"], int(option["--partitions"]), int(option["--replication-factor"]), config=config)
    admin.create_topics([topic])[name].result(DEADLINE_SECONDS)
    wait_until(lambda: name in admin.list_topics(timeout=DEADLINE_SECONDS).topics)
    assert check(name).returncode == 0


@pytest.mark.parametrize(
    ("partitions", "config", "more", "says"),
    [
        (1, {}, "", "warning  topic {}: has 1 partition"),
        (4, {"cleanup_policy": "compact"}, "", "warning  topic {}: is compacted (cleanup.policy=compact)"),
        (
            4,
            {"retention_ms": "3600000"},
            "",
            "warning  topic {}: keeps records for 3600 s, clients are promised 86400 s",
        ),
        (4, {"retention_ms": "3600000"}, "history_seconds = 3600", "0 errors, 1 warnings"),
        (4, {"retention_bytes": "100000"}, "", "warning  topic {}: deletes records from 100000 bytes a partition on"),
        (4, {"max_message_bytes": "9000000"}, "", "warning  topic {}: takes records of up to 9000000 bytes"),
    ],
)
def test_what_is_doubtful_is_a_warning(
    check: Check, create: Callable[..., str], partitions: int, config: dict[str, str], more: str, says: str
) -> None:
    """It works today, so the exit code is 0."""
    name = create(partitions, **config)

    result = check(name, more=more)

    assert says.format(name) in result.stdout
    assert result.returncode == 0


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"retention_ms": "60000"}, "keeps records for 60 s only, the edge counts on 120 s"),
        ({"min_insync_replicas": "2"}, "has 1 copies but wants 2 in sync"),
    ],
)
def test_what_cannot_work_is_an_error(
    check: Check, create: Callable[..., str], config: dict[str, str], says: str
) -> None:
    """With the exit code that stops a deployment."""
    name = create(**config)

    result = check(name)

    assert f"error    topic {name}: {says}" in result.stdout
    assert result.returncode == 1


def test_a_topic_of_receipts_is_looked_at_too(check: Check, create: Callable[..., str]) -> None:
    """It must be there, or nothing is proven of what is delivered."""
    result = check(create(), more='receipts_topic = "check.no-such-topic"')

    assert (
        "error    topic check.no-such-topic: does not exist, though namespaces.account.receipts_topic" in result.stdout
    )
    assert result.returncode == 1


def test_an_unreachable_broker_is_said_within_its_deadline(check: Check) -> None:
    """Nobody listens there; Redis is looked at all the same."""
    began = time.monotonic()

    result = check("any", bootstrap_servers="127.0.0.1:1")

    assert result.returncode == 1
    assert "error    kafka: " in result.stdout
    assert "see that kafka.bootstrap_servers (127.0.0.1:1)" in result.stdout
    assert "ok       redis: answers" in result.stdout
    assert time.monotonic() - began < 15


def test_a_broker_that_does_not_answer_is_said_within_its_deadline(check: Check) -> None:
    """It takes the connection and nothing more."""
    began = time.monotonic()

    with silent_port() as port:
        result = check("any", bootstrap_servers=f"127.0.0.1:{port}")

    assert result.returncode == 1
    assert "error    kafka: " in result.stdout
    assert time.monotonic() - began < 20


def test_an_unreachable_redis_is_an_error(check: Check, create: Callable[..., str]) -> None:
    """Kafka is looked at all the same, and the password is not shown."""
    result = check(create(), redis="redis://:secret-password@127.0.0.1:1/0")

    assert result.returncode == 1
    assert "error    redis: cannot be used: " in result.stdout
    assert "ok       kafka: answers" in result.stdout
    assert "secret-password" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("commands", "more", "says"),
    [
        (
            ["CONFIG SET maxmemory 100mb", "CONFIG SET maxmemory-policy volatile-lru"],
            "",
            "(maxmemory-policy volatile-lru)",
        ),
        (["ACL SETUSER default -info"], "", "does not tell whether it drops keys when it is full"),
        (["ACL SETUSER default -info"], "history_seconds = 0", None),
        (["CONFIG SET maxmemory 100mb"], "", None),
    ],
)
def test_a_redis_that_may_drop_keys_is_a_warning(
    check: Check,
    create: Callable[..., str],
    redis_server: RedisServer,
    commands: list[str],
    more: str,
    says: str | None,
) -> None:
    """The history could have holes, so it is not used; unless nobody wants one."""
    for command in commands:
        assert redis_server.command(command) == "+OK"

    result = check(create(), redis=redis_server.url, more=more)

    found = [line for line in result.stdout.splitlines() if line.startswith("warning  redis: ")]
    assert result.returncode == 0
    assert len(found) == (says is not None)
    assert says is None or says in found[0]


def test_a_redis_that_does_not_answer_is_an_error(check: Check, create: Callable[..., str]) -> None:
    """Within redis.timeout_seconds."""
    with silent_port() as port:
        result = check(create(), redis=f"redis://127.0.0.1:{port}/0")

    assert result.returncode == 1
    assert "error    redis: cannot be used: " in result.stdout


def test_namespaces_that_cannot_be_told_apart_are_an_error(check: Check, create: Callable[..., str]) -> None:
    """Two namespaces on one topic need keys of different form."""
    name = create()

    result = check(name, more=f'[namespaces.card]\ntopic = "{name}"')

    assert result.returncode == 1
    assert "namespaces.card.key" in result.stdout


def test_the_topic_of_the_audit_journal_is_looked_at_too(check: Check, create: Callable[..., str]) -> None:
    """Whether it is there, and whether it keeps every line."""
    gone = check(create(), more='[audit]\ntopic = "check.no-such-topic"')
    compacted = check(create(), more=f'[audit]\ntopic = "{create(cleanup_policy="compact")}"')

    assert (gone.returncode, compacted.returncode) == (1, 1)
    assert "error    topic check.no-such-topic: does not exist, though audit.topic names it" in gone.stdout
    assert "only its newest line is sure to stay" in compacted.stdout


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    """Whoever has seen enough may go."""
    with silent_port() as port:
        config = tmp_path / "lastmile.toml"
        config.write_text(f"""
            [kafka]
            bootstrap_servers = "127.0.0.1:{port}"
            request_timeout_seconds = 10
            [redis]
            url = "redis://127.0.0.1:{port}/0"
            timeout_seconds = 10
            [[apps]]
            id = "bank"
            [[apps.keys]]
            id = "server1"
            secret = "a-secret-of-at-least-thirty-two-bytes"
            [namespaces.account]
            topic = "any"
        """)
        process = subprocess.Popen(
            [LASTMILE, "check", "--config", str(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        wait_until(lambda: process.poll() is not None or bool(_connections_to(port)))
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=DEADLINE_SECONDS)

    assert "Traceback" not in complaints
    assert process.returncode != 0


def _connections_to(port: int) -> list[str]:
    """Established connections to a port of this machine."""
    return [line for line in Path("/proc/net/tcp").read_text().splitlines() if f":{port:04X} 01" in line]
