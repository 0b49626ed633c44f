"""deploy/Dockerfile, as far as it can be tried without Docker: its files, its wheel, its health check, its user."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.settings.server import ServerSettings
from tests.testbed.edge import EdgeProcess
from tests.testbed.ports import free_port
from tests.testbed.process import ROOT

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("auth", "gateway")
BUILD_SECONDS = 60


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments; comments gone, continued lines joined."""
    lines = "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#"))
    whole = re.sub(r"\\\n\s*", "", lines)
    return [tuple(line.split(maxsplit=1)) for line in whole.splitlines() if line]


def copied() -> list[str]:
    """What comes from the repository."""
    return [
        source
        for name, arguments in instructions()
        if name == "COPY" and not arguments.startswith("--from")
        for source in arguments.split()[:-1]
    ]


def last(name: str) -> str:
    """The arguments of the last instruction of this name."""
    return [arguments for found, arguments in instructions() if found == name][-1]


def distribution(requirement: str) -> str:
    """``aiokafka[lz4]>=0.14`` → ``aiokafka``."""
    return re.match(r"[\w-]+", requirement)[0].lower().replace("_", "-")


def locked(name: str) -> set[str]:
    """Distributions of a lock file."""
    return set(re.findall(r"^([\w-]+)==", (ROOT / "requirements" / name).read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as the Dockerfile builds it: of what it copies and of nothing else, without the network."""
    source = tmp_path_factory.mktemp("src")
    for path in copied():
        here, there = ROOT / path, source / path
        there.parent.mkdir(parents=True, exist_ok=True)
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here, there)
    target = tmp_path_factory.mktemp("wheels")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        target,
        source,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=BUILD_SECONDS)
    (built,) = target.iterdir()
    return built


# ---------------------------------------------------------------------- the wheel


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    """What the gateway serves or reads is no Python, and is easily left behind."""
    there = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }

    held = set(zipfile.ZipFile(wheel).namelist())

    assert there - held == set()
    assert "gateway/client/lastmile.js" in held


def test_the_wheel_works_by_itself(wheel: Path, tmp_path: Path) -> None:
    """From where it was unpacked, not from the repository."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import gateway.cli as cli; print(cli.__file__); cli.main(['settings'])"

    shown = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert shown.stdout.startswith(str(tmp_path))
    assert "`server.ops_port`" in shown.stdout


def test_the_command_of_the_image_is_one_of_the_wheel(wheel: Path) -> None:
    """ENTRYPOINT and CMD together are `lastmile run`."""
    (entry_points,) = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("entry_points.txt")]

    assert json.loads(last("ENTRYPOINT")) + json.loads(last("CMD")) == ["lastmile", "run"]
    assert "lastmile = gateway.cli:main" in zipfile.ZipFile(wheel).read(entry_points).decode()


# ---------------------------------------------------------------------- what is installed


def test_everything_that_is_installed_is_pinned_by_hash() -> None:
    """As wheels: no compiler and no foreign setup.py runs in a build. Our own wheel comes last, without dependencies."""
    installs = re.findall(
        r"pip install (.+?)(?= &&|$)",
        "\n".join(arguments for name, arguments in instructions() if name == "RUN"),
        re.MULTILINE,
    )

    assert installs[-1] == "--no-deps --no-index /wheels/*.whl"
    assert all("--require-hashes --only-binary :all: -r /src/requirements/" in install for install in installs[:-1])


def test_the_locks_hold_what_the_project_names() -> None:
    """What runs, and what builds."""
    assert {distribution(name) for name in PROJECT["project"]["dependencies"]} <= locked("run.lock")
    assert {distribution(name) for name in PROJECT["build-system"]["requires"]} <= locked("build.lock")


# ---------------------------------------------------------------------- the context


def test_what_is_copied_exists_and_is_let_in() -> None:
    """.dockerignore lets in what is copied, and nothing else."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    let_in = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]

    assert rules[0] == "*"
    assert sorted(let_in) == sorted(copied())
    assert [path for path in copied() if not (ROOT / path).exists()] == []


def test_both_stages_are_the_same_pinned_python() -> None:
    """That the project supports: what was installed in one works in the other."""
    first, second = (arguments.split()[0] for name, arguments in instructions() if name == "FROM")
    version = re.fullmatch(r"python:(\d+)\.(\d+)\.\d+-slim-\w+", first)

    assert first == second
    assert (int(version[1]), int(version[2])) >= (3, 11)


# ---------------------------------------------------------------------- how it runs


def test_the_image_runs_as_nobody() -> None:
    """By number, which an orchestrator can check; nothing becomes root again after it."""
    names = [name for name, _ in instructions()]
    user, group = last("USER").split(":")

    assert int(user) > 0
    assert int(group) > 0
    assert "RUN" not in names[names.index("USER") :]


def test_the_image_drains_when_it_is_stopped() -> None:
    """By the signal that the edge listens for, in the form that reaches it: without a shell between."""
    assert last("STOPSIGNAL") == "SIGTERM"
    assert last("ENTRYPOINT").startswith("[")


def test_the_ports_are_those_of_the_settings() -> None:
    """By default."""
    defaults = ServerSettings()

    assert last("EXPOSE").split() == [str(defaults.port), str(defaults.ops_port)]


def test_nothing_secret_is_built_in() -> None:
    """No argument and no variable that would hold it."""
    for name, arguments in instructions():
        assert name != "ARG"
        assert not (name == "ENV" and re.search(r"secret|password|token|key", arguments, re.IGNORECASE))


@pytest.fixture
def health_check() -> Callable[[int], int]:
    """The command of HEALTHCHECK, run as Docker would: its exit code, for an edge with this ops port."""
    command = ast.literal_eval(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "python"

    def check(ops_port: int) -> int:
        environment = {"LASTMILE_SERVER__OPS_PORT": str(ops_port)}
        return subprocess.run(
            [sys.executable, *command[1:]], env=environment, capture_output=True, check=False
        ).returncode

    return check


def test_the_health_check_sees_an_edge_that_lives(health_check: Callable[[int], int], tmp_path: Path) -> None:
    """Also one that waits for Kafka."""
    edge = EdgeProcess(
        tmp_path,
        kafka=f"127.0.0.1:{free_port()}",
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
        namespaces={"account": {"topic": "test"}},
        sections={},
    )
    try:
        edge.launch()
        edge.process.wait_until(lambda: edge.health("live")[0] == 200, "live")

        assert edge.health("ready")[0] == 503
        assert health_check(edge.ops_port) == 0
    finally:
        edge.close()


def test_the_health_check_sees_that_nobody_is_there(health_check: Callable[[int], int]) -> None:
    """Then Docker says that it is unhealthy."""
    assert health_check(free_port()) == 1


def test_the_health_check_looks_at_the_default_port() -> None:
    """Where none is given."""
    assert f"'LASTMILE_SERVER__OPS_PORT', '{ServerSettings().ops_port}'" in last("HEALTHCHECK")
