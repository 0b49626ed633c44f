"""`lastmile run` as a process: how it starts without its backends, what it says when it cannot, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import AddressUnavailable, GatewayError, KafkaUnavailable, PartFailed
from gateway.server.failure import failure_of
from gateway.settings import load
from gateway.terminal.workers import run_workers
from tests.testbed.edge import EdgeProcess
from tests.testbed.ports import free_port
from tests.testbed.process import wait_until

StartAlone = Callable[..., EdgeProcess]
WORKERS = 2


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[StartAlone]:
    """Launch an edge whose Kafka and Redis nobody has started: ``alone(workers=2, server={"port": 8080})``."""
    with ExitStack() as running:

        def launch(*, workers: int = 1, **sections: Any) -> EdgeProcess:
            edge = EdgeProcess(
                tmp_path,
                kafka=f"127.0.0.1:{free_port()}",
                redis_url=f"redis://127.0.0.1:{free_port()}/0",
                namespaces={"account": {"topic": "test"}},
                sections=sections,
                workers=workers,
            )
            running.callback(edge.close)
            return edge.launch()

        yield launch


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def last_line(edge: EdgeProcess) -> str:
    """Of the log of an edge that has ended."""
    return edge.log_text().rstrip().rpartition("\n")[2]


# ---------------------------------------------------------------------- without Kafka


def test_an_edge_without_kafka_is_live_and_not_ready(alone: StartAlone) -> None:
    """An orchestrator must not restart it for what a restart does not heal, nor a balancer send clients."""
    edge = alone()

    edge.process.wait_until(lambda: edge.health("live") == (200, {"status": "live"}), "live")
    edge.process.wait_until(lambda: "Kafka is away" in edge.log_text(), "Kafka was missed")

    status, body = edge.health("ready")
    assert (status, body["status"]) == (503, "not ready")
    assert "are not read up to where they ended" in body["reason"]
    assert edge.metrics()["lastmile_ready"] == 0


def test_an_edge_that_waits_for_kafka_ends_in_order(alone: StartAlone) -> None:
    """SIGTERM is heard whatever it waits for."""
    edge = alone()
    edge.process.wait_until(lambda: "Kafka is away" in edge.log_text(), "Kafka was missed")

    assert edge.terminate() == 0


# ---------------------------------------------------------------------- what cannot be


@pytest.mark.parametrize("setting", ["port", "ops_port"])
def test_a_taken_port_ends_in_a_sentence(alone: StartAlone, taken_port: int, setting: str) -> None:
    """That names the setting and the port; no traceback."""
    edge = alone(server={setting: taken_port})

    assert edge.process.wait() == 1
    assert last_line(edge).startswith(f"Error: server.{setting}: port {taken_port} of 127.0.0.1 cannot be listened on")
    assert "Traceback" not in edge.log_text()


def test_a_certificate_that_is_none_ends_in_a_sentence(alone: StartAlone, tmp_path: Path) -> None:
    """The settings can only see that the file is there."""
    pem = tmp_path / "not-a-certificate.pem"
    pem.write_text("nothing of the kind\n")

    edge = alone(server={"tls_certificate_file": str(pem), "tls_key_file": str(pem)})

    assert edge.process.wait() == 1
    assert last_line(edge).startswith("Error: server.tls_certificate_file and server.tls_key_file cannot be used")
    assert "Traceback" not in edge.log_text()


def test_an_authority_of_kafka_that_is_none_ends_in_a_sentence(alone: StartAlone, tmp_path: Path) -> None:
    """No retry would heal it, so it is no case for waiting."""
    pem = tmp_path / "not-a-certificate.pem"
    pem.write_text("nothing of the kind\n")

    edge = alone(kafka={"security_protocol": "SSL", "ssl_ca_file": str(pem)})

    assert edge.process.wait() == 1
    assert last_line(edge).startswith("Error: the kafka settings cannot be used")
    assert "Traceback" not in edge.log_text()


def test_of_several_failures_the_first_of_ours_is_told() -> None:
    """However deep the groups of tasks are."""
    ours = KafkaUnavailable("the kafka.ssl files cannot be used")
    failures = ExceptionGroup("tasks", [ExceptionGroup("inner", [ours]), GatewayError("another")])

    assert failure_of(failures) is ours


def test_a_bug_is_told_with_its_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """And by a sentence all the same, even beside a failure that we know."""
    failures = ExceptionGroup("tasks", [GatewayError("known"), ExceptionGroup("inner", [KeyError("a bug")])])

    told = failure_of(failures)

    assert isinstance(told, PartFailed)
    assert caplog.records[-1].exc_info is not None
    assert "a bug" in caplog.text


# ---------------------------------------------------------------------- workers


def test_every_worker_has_an_ops_port_and_all_end_in_order(alone: StartAlone) -> None:
    """SIGTERM to the first process drains all of them."""
    edge = alone(workers=WORKERS)
    for worker in range(WORKERS):
        edge.process.wait_until(lambda worker=worker: edge.health("live", worker=worker)[0] == 200, "live")

    assert edge.terminate() == 0
    assert edge.log_text().count("drained") == WORKERS


def test_a_killed_worker_ends_the_whole_with_an_error(alone: StartAlone) -> None:
    """Nobody serves with half the workers unnoticed; the others drain first."""
    edge = alone(workers=WORKERS)
    edge.process.wait_until(lambda: len(serving_pids(edge)) == WORKERS, "both serve")

    os.kill(serving_pids(edge)[0], signal.SIGKILL)

    assert edge.process.wait() == 1
    assert "a worker ended by itself, the others are drained" in edge.log_text()
    assert edge.log_text().count("drained connections=0") == WORKERS - 1


def test_workers_do_not_outlive_who_started_them(alone: StartAlone) -> None:
    """Orphans would hold the port beside the next start, with settings of the last one."""
    edge = alone(workers=WORKERS)
    edge.process.wait_until(lambda: len(serving_pids(edge)) == WORKERS, "both serve")

    edge.kill()

    wait_until(lambda: edge.log_text().count("drained connections=0") == WORKERS, "the orphans drain")


def test_a_signal_while_workers_start_leaves_none_behind(alone: StartAlone) -> None:
    """They were told to end before they could have told anybody that they began."""
    edge = alone(workers=WORKERS)
    edge.process.wait_until(lambda: len(children_of(edge.pid)) > 0, "the first one is started")

    assert edge.terminate() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", edge.port), timeout=5)


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ({"port": 9001, "ops_port": 9000}, "2 workers need 9000 to 9001, which server.port is one of"),
        ({"ops_port": 65535}, "2 workers need 65535 to 65536, and ports end at 65535"),
    ],
)
def test_ops_ports_of_workers_must_not_meet_others(server: dict[str, int], problem: str, tmp_path: Path) -> None:
    """Told before anything is started."""
    edge = EdgeProcess(
        tmp_path,
        kafka="127.0.0.1:9092",
        redis_url="redis://127.0.0.1:6379/0",
        namespaces={"account": {"topic": "test"}},
        sections={"server": server},
    )

    with pytest.raises(AddressUnavailable, match=problem):
        run_workers(load(edge.config, environ={}), WORKERS, partial(load, edge.config))


def children_of(pid: int) -> list[int]:
    """Processes that a process has started and that run."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def serving_pids(edge: EdgeProcess) -> list[int]:
    """Workers that serve, by what they have logged."""
    marks = (line.partition("Started server process [")[2] for line in edge.log_text().splitlines())
    return sorted({int(mark.rstrip("]")) for mark in marks if mark})
