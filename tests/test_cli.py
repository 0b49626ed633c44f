"""The command line: what it refuses, what it prints, and what it never shows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner, Result

from auth.ably_token import verify
from auth.capability import Capability
from auth.keys import Key
from gateway.cli import main
from gateway.settings import settings_table

SECRET = "a-secret-of-at-least-thirty-two-bytes"
KEY_TEXT = f"bank.server1:{SECRET}"
KEY = Key("bank", "server1", SECRET.encode(), Capability.parse({"*": ["*"]}))


def lastmile(*arguments: str, **environment: str) -> Result:
    return CliRunner(env={"LASTMILE_KEY": None, "LASTMILE_TOKEN": None, **environment}).invoke(main, arguments)


def test_the_version_is_that_of_the_distribution() -> None:
    """`lastmile --version` runs as installed."""
    shown = subprocess.run(
        [Path(sys.executable).parent / "lastmile", "--version"], capture_output=True, text=True, check=True, timeout=30
    )

    assert shown.stdout.startswith("lastmile 0.")


def test_settings_prints_the_table() -> None:
    """The one of the docs."""
    assert lastmile("settings").output == settings_table()


# ---------------------------------------------------------------------- token


def test_a_token_is_accepted_by_an_edge_with_its_key() -> None:
    """For whom, what and how long was asked."""
    result = lastmile(
        "token",
        "--key",
        KEY_TEXT,
        "--client-id",
        "alice",
        "--capability",
        '{"account:42":["subscribe"]}',
        "--ttl",
        "2h",
    )

    principal = verify(result.stdout.strip(), KEY, time.time())
    assert principal.client_id == "alice"
    assert principal.capability == Capability.parse({"account:42": ["subscribe"]})
    assert principal.expires_at == pytest.approx(time.time() + 7200, abs=5)


def test_the_key_may_come_from_the_environment() -> None:
    """Where other users of the machine cannot read it."""
    result = lastmile("token", LASTMILE_KEY=KEY_TEXT)

    assert jwt.get_unverified_header(result.stdout.strip())["kid"] == "bank.server1"


@pytest.mark.parametrize(("ttl", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("1h", 3600), ("7d", 604800)])
def test_a_ttl_is_written_with_its_unit(ttl: str, seconds: int) -> None:
    """Seconds without one."""
    result = lastmile("token", "--key", KEY_TEXT, "--ttl", ttl)

    claims = jwt.decode(result.stdout.strip(), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == seconds


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["token"], "a key is needed"),
        (["token", "--key", SECRET], "a key is written APP.KEY:SECRET"),
        (["token", "--key", KEY_TEXT, "--ttl", "soon"], "a time span is written"),
        (["token", "--key", KEY_TEXT, "--ttl", "0s"], "a time span is written"),
        (["token", "--key", KEY_TEXT, "--capability", '{"a": ["read"]}'], "write patterns and operations as JSON"),
        (["token", "--key", KEY_TEXT, "--capability", "["], "write patterns and operations as JSON"),
        (["subscribe", "a"], "credentials are needed"),
        (["subscribe", "a", "--key", KEY_TEXT, "--rewind", "soon"], "rewind is a number of messages"),
        (["subscribe", "a", "--key", KEY_TEXT, "--from", "7"], "not one that this server issues"),
        (["subscribe", "a", "--key", KEY_TEXT, "--url", "ftp://x"], "the address of an edge is written"),
        (["subscribe", "a", "--key", KEY_TEXT, "--url", f"ws://{KEY_TEXT}@x"], "the address of an edge is written"),
        (["publish", "a", "x"], "credentials are needed"),
        (["publish", "a", "--key", KEY_TEXT], "Missing argument 'DATA'"),
        (["publish", "a", "x", "--key", KEY_TEXT, "--url", "http://x/path"], "the address of an edge is written"),
        (["publish", "a", "\udcff", "--key", KEY_TEXT], "this is not UTF-8"),
        (
            ["subscribe", "a", "--key", KEY_TEXT, "--rewind", "1", "--from", "k7f2m0qa-00012-0000000000010482"],
            "give one of them",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments: list[str], says: str) -> None:
    """Without a traceback, and without the secret that was typed."""
    result = lastmile(*arguments)

    assert result.exit_code == 2
    assert says in result.output
    assert SECRET not in result.output


# ---------------------------------------------------------------------- settings of commands


@pytest.mark.parametrize("command", ["run", "check"])
def test_faults_of_the_settings_end_the_command(command: str, tmp_path: Path) -> None:
    """All of them, a line each, and exit code 1."""
    config = tmp_path / "lastmile.toml"
    config.write_text("[server]\nprot = 1\n")

    result = lastmile(command, "--config", str(config))

    assert result.exit_code == 1
    assert "server.prot: there is no such setting; did you mean server.port?" in result.output
    assert "kafka.bootstrap_servers: is missing" in result.output


def test_help_names_every_command() -> None:
    """Each with what it does."""
    shown = lastmile("--help").output

    for command in ("run", "dev", "check", "settings", "token", "subscribe", "publish"):
        assert f"  {command} " in shown


def test_tokens_are_minted_without_waiting_for_the_libraries_of_the_edge() -> None:
    """The command line answers at once."""
    code = "import sys, gateway.cli; print(sorted({'aiokafka', 'fastapi', 'uvicorn', 'redis', 'confluent_kafka'} & set(sys.modules)))"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)

    assert json.loads(shown.stdout.replace("'", '"')) == []
