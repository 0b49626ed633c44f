"""deploy/ in step with itself and with the settings: what one file says of another is so."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.server.drain import LAST_WORDS_SECONDS, NOT_READY_SECONDS
from gateway.settings import Settings, load
from gateway.terminal.examination import demands
from gateway.terminal.topic_advice import Commands, advise
from gateway.transport.listener import REQUEST_GRACE_SECONDS
from tests.testbed import haproxy
from tests.testbed.compose import DEPLOY, SECRETS, Compose, settings_file
from tests.testbed.process import ROOT

HAPROXY = (DEPLOY / "haproxy.cfg").read_text()
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@pytest.fixture(scope="module")
def compose() -> Compose:
    """The file."""
    return Compose()


@pytest.fixture
def settings(compose: Compose, tmp_path: Path) -> Settings:
    """What an edge of the file runs with."""
    return load(settings_file(tmp_path), environ=compose.environment("gateway-1"))


def seconds(text: str) -> float:
    """``400ms`` → 0.4."""
    number, unit = re.fullmatch(r"(\d+)(\D+)", text).groups()
    return int(number) * _UNITS[unit]


def timeout(of: str) -> float:
    """A timeout of haproxy.cfg."""
    (found,) = re.findall(rf"^ +timeout {of} (\S+)$", HAPROXY, re.MULTILINE)
    return seconds(found)


def server_option(name: str) -> str:
    """What haproxy.cfg says of all servers."""
    (found,) = re.findall(rf"^ +default-server .*\b{name} (\S+)", HAPROXY, re.MULTILINE)
    return found


# ---------------------------------------------------------------------- images


def test_every_image_is_pinned(compose: Compose) -> None:
    """By a whole version: the same file gives the same machines tomorrow."""
    images = {name: service["image"] for name, service in compose.services.items()}

    assert {name: image for name, image in images.items() if not re.search(r":\d+\.\d+\.\d+(-\w+)?$", image)} == {}


def test_our_image_has_the_version_of_the_project(compose: Compose) -> None:
    """Of each service that is built here."""
    built = {service["image"] for service in compose.services.values() if "build" in service}

    assert built == {f"lastmile:{VERSION}"}


def test_what_is_built_is_our_dockerfile(compose: Compose) -> None:
    """In the repository's root, since it copies from there."""
    for service in compose.services.values():
        if "build" in service:
            context = (DEPLOY / service["build"]["context"]).resolve()
            assert context == ROOT
            assert (context / service["build"]["dockerfile"]).is_file()


def test_kafka_is_the_one_that_the_tests_run_on(compose: Compose) -> None:
    """What is proven here is proven of what is deployed."""
    version = re.search(
        r"<artifactId>kafka_2\.13</artifactId>\s*<version>(.+?)<", (ROOT / "tests/testbed/jars/pom.xml").read_text()
    )

    assert compose.services["kafka"]["image"] == f"apache/kafka:{version[1]}"


# ---------------------------------------------------------------------- the edges


def test_both_edges_are_alike(compose: Compose) -> None:
    """Nothing about a client depends on where it comes."""
    first, second = (compose.services[name] for name in compose.gateways)

    assert first == second


def test_edges_find_kafka_and_redis(compose: Compose, settings: Settings) -> None:
    """By the names of their services, on a network that both are on."""
    redis = urlsplit(settings.redis.url)

    assert (
        f"PLAINTEXT://{settings.kafka.bootstrap_servers}" in compose.environment("kafka")["KAFKA_ADVERTISED_LISTENERS"]
    )
    assert (redis.hostname, redis.port) == ("redis", 6379)
    for name in (*compose.gateways, "bank", "topics"):
        assert "back" in compose.services[name]["networks"]
    assert compose.services["kafka"]["networks"] == compose.services["redis"]["networks"] == ["back"]


def test_every_topic_of_the_settings_is_created_as_check_wants_it(compose: Compose, settings: Settings) -> None:
    """On one broker there is no second copy; nothing else is to be said against them."""
    commands = Commands(settings.kafka.bootstrap_servers, needs_credentials=False, brokers=1)
    created = {topic.name: topic for topic in compose.topics}

    findings = [
        finding
        for demand in demands(settings)
        for topic in [created.pop(demand.topic)]
        for finding in advise(demand, topic.partitions, topic.replicas, topic.config, commands)
    ]

    assert created == {}
    assert {finding.text for finding in findings} == {
        "has no second copy, so its records are gone for as long as one broker is, or for good"
    }


def test_every_secret_of_the_settings_is_mounted_and_kept_out_of_git(compose: Compose) -> None:
    """Its file exists on the operator's machine only."""
    named = set(re.findall(rf'"{SECRETS}([\w-]+)"', (DEPLOY / "lastmile.toml").read_text()))

    assert named == set(compose.tree["secrets"])
    for name in compose.gateways:
        assert set(compose.services[name]["secrets"]) == named
    for secret in compose.tree["secrets"].values():
        file = (DEPLOY / secret["file"]).relative_to(ROOT)
        assert subprocess.run(["git", "check-ignore", "-q", file], cwd=ROOT, check=False).returncode == 0


def test_the_settings_are_where_the_image_looks_for_them(compose: Compose) -> None:
    """In its working directory."""
    (workdir,) = re.findall(r"^WORKDIR (\S+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    for name in compose.gateways:
        (mount,) = compose.services[name]["volumes"]
        source, target, mode = mount.split(":")
        assert (DEPLOY / source).resolve() == DEPLOY / "lastmile.toml"
        assert (target, mode) == (f"{workdir}/lastmile.toml", "ro")


def test_edges_have_room_for_their_connections(compose: Compose, settings: Settings) -> None:
    """In file descriptors, and in the queue of those that wait to be accepted."""
    for name in compose.gateways:
        service = compose.services[name]
        assert service["ulimits"]["nofile"] > settings.limits.max_connections * 1.5
        assert service["sysctls"]["net.core.somaxconn"] >= settings.server.backlog


def test_nobody_is_killed_while_draining(compose: Compose, settings: Settings) -> None:
    """SIGKILL comes after the longest drain."""
    longest = NOT_READY_SECONDS + settings.server.drain_seconds + LAST_WORDS_SECONDS + REQUEST_GRACE_SECONDS

    for name in compose.gateways:
        assert seconds(compose.services[name]["stop_grace_period"]) > longest + 5


def test_the_bank_posts_to_a_topic_of_the_settings(compose: Compose, settings: Settings) -> None:
    """By a module of the image."""
    bank = compose.services["bank"]
    options = dict(zip(bank["command"][::2], bank["command"][1::2], strict=True))

    assert options["--bootstrap"] == settings.kafka.bootstrap_servers
    assert options["--topic"] == settings.namespaces["account"].topic
    assert bank["entrypoint"][:2] == ["python", "-m"]
    assert (ROOT / (bank["entrypoint"][2].replace(".", "/") + ".py")).is_file()


# ---------------------------------------------------------------------- the load balancer


def test_haproxy_takes_its_configuration(compose: Compose) -> None:
    """All that it says is understood, and nothing is warned of."""
    command = ["haproxy", "-c", "-f", str(DEPLOY / "haproxy.cfg")]
    given = haproxy.environment(8080, 8404, [(8080, 8081)] * len(compose.gateways))

    checked = subprocess.run(
        command, env={**given, "PATH": "/usr/sbin:/usr/bin"}, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stdout + checked.stderr


def test_haproxy_gets_what_it_asks_of_its_environment(compose: Compose) -> None:
    """In compose.yaml and in tests alike, no more and no less."""
    asked = set(re.findall(r'"\$\{(\w+)\}"', HAPROXY))

    assert set(compose.environment("haproxy")) == asked
    assert set(haproxy.environment(1, 2, [(3, 4)] * len(compose.gateways))) == asked


def test_haproxy_serves_the_edges_on_the_ports_of_their_settings(compose: Compose, settings: Settings) -> None:
    """Clients on the public one, health on the ops port, which it must be able to reach."""
    given = compose.environment("haproxy")
    named = re.findall(r"^    server (\S+) ", HAPROXY, re.MULTILINE)

    assert named == compose.gateways
    for number, name in enumerate(named, 1):
        assert given[f"GATEWAY_{number}"] == f"{name}:{settings.server.port}"
        assert given[f"GATEWAY_{number}_OPS_PORT"] == str(settings.server.ops_port)
        assert set(compose.services["haproxy"]["networks"]) & set(compose.services[name]["networks"])
    assert not settings.server.ops_host.startswith("127.")


def test_only_haproxy_is_published(compose: Compose) -> None:
    """Its own ops port to this machine alone; that of the edges to nobody."""
    given = compose.environment("haproxy")
    published = {name: service["ports"] for name, service in compose.services.items() if "ports" in service}

    assert published == {"haproxy": [f"8080{given['PUBLIC_BIND']}", f"127.0.0.1:8404{given['STATS_BIND']}"]}


def test_haproxy_holds_no_more_than_the_edges_take(compose: Compose, settings: Settings) -> None:
    """And has two file descriptors for each."""
    each, total = int(server_option("maxconn")), int(compose.environment("haproxy")["MAXCONN"])

    assert each == settings.limits.max_connections
    assert total == each * len(compose.gateways)
    assert compose.services["haproxy"]["ulimits"]["nofile"] > 2 * total


def test_haproxy_notices_a_drain_before_clients_are_told() -> None:
    """They would be sent back to the edge that has just sent them away."""
    looks_on = seconds(server_option("inter"))
    looks_again = seconds(server_option("fastinter")) * (int(server_option("fall")) - 1)

    assert looks_on + looks_again < NOT_READY_SECONDS


def test_haproxy_never_ends_a_websocket_that_lives(settings: Settings) -> None:
    """What is silent for so long is for the edge to judge."""
    server = settings.server

    assert timeout("tunnel") > 2 * max(
        server.idle_interval_seconds, server.silence_timeout_seconds, server.stall_timeout_seconds
    )
    assert "on-marked-down" not in re.sub(r"#.*", "", HAPROXY)


def test_haproxy_waits_for_a_handshake_as_long_as_the_edge(settings: Settings) -> None:
    """Who gives up first decides what a client hears."""
    server = settings.server

    assert timeout("http-request") >= server.handshake_timeout_seconds
    assert timeout("server") > server.authentication_timeout_seconds


def test_no_query_is_logged() -> None:
    """It holds tokens. %HPO is the path alone; httplog and %r show all of it."""
    (log_format,) = re.findall(r"^ +log-format (.*)$", HAPROXY, re.MULTILINE)

    assert "%HPO" in log_format
    assert not re.search(r"%HU|%HQ|%r\b|%\{", log_format)
    assert "httplog" not in HAPROXY


def test_what_is_depended_on_is_there(compose: Compose) -> None:
    """Services, networks and volumes that are named exist."""

    def names(of: Any) -> set[str]:
        return set(of)

    for service in compose.services.values():
        assert names(service.get("depends_on", ())) <= set(compose.services)
        assert names(service["networks"]) <= set(compose.tree["networks"])
