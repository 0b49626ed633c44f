"""`lastmile dev` as a whole: what it prints can be used as it is printed, and it serves this machine only."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.dev.customers import CUSTOMERS
from tests.testbed.demo import DemoProcess
from tests.testbed.edge import LASTMILE
from tests.testbed.process import ROOT, Process, wait_until

KEY = "dev.demo:lastmile-demo-secret-not-for-production"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    """One that nobody stops, started where settings for a real edge are in the environment."""
    environment = {"LASTMILE_SERVER__HOST": "0.0.0.0", "LASTMILE_REDIS__URL": "redis://127.0.0.1:1/0"}
    with DemoProcess(tmp_path_factory.mktemp("demo"), environment=environment) as demo:
        yield demo


def first_lines(command: list[str], count: int, directory: Path) -> list[str]:
    """What a program that does not end by itself prints first."""
    output = directory / "output"
    process = Process(command, output)
    try:
        process.wait_until(lambda: len(process.log_text().splitlines()) >= count, f"{count} lines")
        return process.log_text().splitlines()[:count]
    finally:
        process.kill()


def test_the_page_is_there_with_a_policy_that_lets_nothing_else_run(demo: DemoProcess) -> None:
    """All that it loads comes from this server, and the browser is told to insist on it."""
    page = httpx.get(demo.invited("page"))

    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for asset in ("page/page.js", "page/page.css", "page/icon.svg", "lastmile.js"):
        assert httpx.get(f"{demo.url}/{asset}").status_code == 200
    assert httpx.get(f"{demo.url}/page/nothing.js").status_code == 404


def test_who_banks_here_is_told(demo: DemoProcess) -> None:
    """Accounts 1001 to 1005."""
    customers = httpx.get(f"{demo.url}/demo/customers").json()

    assert [customer["account"] for customer in customers] == [customer.account for customer in CUSTOMERS]


def test_a_token_is_for_the_account_that_was_picked_and_no_other(demo: DemoProcess) -> None:
    """As a bank's server would mint it after login."""
    token = httpx.get(f"{demo.url}/demo/token", params={"account": "1002"})
    unknown = httpx.get(f"{demo.url}/demo/token", params={"account": "1006"})
    own, other = (
        httpx.get(f"{demo.url}/channels/account:{account}/messages", headers={"Authorization": f"Bearer {token.text}"})
        for account in ("1002", "1003")
    )

    assert token.headers["cache-control"] == "no-store"
    assert unknown.status_code == 422
    assert own.status_code == 200
    assert other.status_code == 401


def test_the_ops_port_is_there(demo: DemoProcess) -> None:
    """The address that is printed answers."""
    metrics = demo.invited("ops").split(",")[0]

    assert "lastmile_connections" in httpx.get(metrics).text


def test_the_line_for_another_terminal_works_as_it_is_printed(demo: DemoProcess, tmp_path: Path) -> None:
    """With the fixed key."""
    command = demo.subscription

    printed = first_lines(command, 4, tmp_path)

    messages = [json.loads(text) for text in printed if text.startswith("{")]
    assert KEY in command
    assert demo.invited("key") == KEY
    assert messages[0]["channel"] == "account:1001"
    assert {"number", "at", "currency"} <= messages[0]["data"].keys()


def test_the_snippet_for_the_sdk_works_as_it_is_printed(demo: DemoProcess, tmp_path: Path) -> None:
    """Unmodified ably-js, with the printed key."""
    (tmp_path / "node_modules").symlink_to(ROOT / "tests/e2e/js/node_modules")
    snippet = demo.process.log_text().partition("(npm install ably):")[2].split("\n\n")[1]
    (tmp_path / "snippet.mjs").write_text(snippet)

    (line,) = first_lines(["node", str(tmp_path / "snippet.mjs")], 1, tmp_path)

    assert line.split()[0] in {"transaction", "balance", "fraud_alert", "chat"}


@pytest.mark.parametrize("label", ["clients", "ops"])
def test_nothing_but_loopback_is_served(demo: DemoProcess, label: str) -> None:
    """Whatever the environment says: the key is known to everybody."""
    port = int(demo.invited(label).split("//")[1].split("/")[0].split()[0].rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port), timeout=5).close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_a_port_in_use_is_said_in_a_sentence(demo: DemoProcess) -> None:
    """What to do, too."""
    again = subprocess.run(
        [LASTMILE, "dev", "--port", str(demo.port)], capture_output=True, text=True, check=False, timeout=60
    )

    assert again.returncode == 1
    assert again.stderr == f"Error: port {demo.port} of 127.0.0.1 is in use; choose another one with --port\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_it_ends_when_it_is_told_to(number: signal.Signals, tmp_path: Path) -> None:
    """With 0 and no traceback, although a client is there."""
    demo = DemoProcess(tmp_path).start()
    subscriber = Process(demo.subscription, tmp_path / "out")
    subscriber.wait_until(lambda: "{" in subscriber.log_text(), "a message")

    demo.process.send(number)

    assert demo.process.wait() == 0
    assert "Traceback" not in demo.process.log_text()
    assert "Error" not in demo.process.log_text()
    wait_until(lambda: _is_free(demo.port), "its port is free again")
    subscriber.kill()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
