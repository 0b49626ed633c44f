"""`lastmile publish` against an edge that fails as edges and what is before them do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.cli.clients import MAX_LINE_BYTES
from gateway.terminal.posting import Destination, Form, Posting, PostingEnded
from tests.testbed.edge import KEY
from tests.testbed.ports import free_port

TAKEN = (201, {"channel": "news", "serials": ["life-0-1"]})
BUSY = (503, {"error": {"code": 50003, "message": "Kafka has not acknowledged this"}})
SLOW_DOWN = (429, {"error": {"code": 42910, "message": "too many publications"}})
DENIED = (401, {"error": {"code": 40160, "message": "the token does not allow publishing on this channel"}})
NO_EDGE = (404, None)
GATEWAY = (502, None)
HANG_UP = None
Answer = tuple[int, Any] | None


class Script(BaseHTTPRequestHandler):
    """Answers as the test says, one after the other, and keeps what was asked."""

    answers: Iterator[Answer]
    asked: list[dict[str, Any]]
    headers_seen: list[dict[str, str]]
    paths: list[str]

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.headers_seen.append(dict(self.headers))
        self.paths.append(self.path)
        answer = next(self.answers)
        self.close_connection = True
        if answer is None:
            return
        status, body = answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode() if body else b"<html>")

    def log_message(self, *args: Any) -> None:
        """Nothing on the terminal."""


@contextmanager
def scripted(*answers: Answer) -> Iterator[tuple[str, type[Script]]]:
    script = type("ThisScript", (Script,), {"answers": iter(answers), "asked": [], "headers_seen": [], "paths": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), script) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", script
        finally:
            server.shutdown()
            thread.join()


def publish(url: str, *arguments: str, lines: bytes = b"", **environment: str) -> Result:
    environment = environment or {"LASTMILE_KEY": KEY}
    runner = CliRunner(env={"LASTMILE_KEY": None, "LASTMILE_TOKEN": None, **environment})
    return runner.invoke(main, ["publish", *arguments, "--url", url], input=lines)


class Waiting:
    """Time that passes at once, and what was told meanwhile."""

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds + 1.0  # an attempt takes time, too

    def post(self, url: str) -> dict[str, Any]:
        destination = Destination(url.replace("http", "ws") + "/", "news", "a.b.c")
        with Posting(destination, Form(), self.told.append, pause=self.sleep, clock=lambda: self.now) as posting:
            return posting.post("hello", "order-9")


@pytest.mark.parametrize("failures", [[HANG_UP], [BUSY, SLOW_DOWN], [GATEWAY, HANG_UP, BUSY]], ids=str)
def test_what_was_not_answered_is_sent_again_as_the_same_message(failures: Sequence[Answer]) -> None:
    """RSL1k4: the same id, so that a copy is told from a new message."""
    waiting = Waiting()
    with scripted(*failures, TAKEN) as (url, edge):
        printed = waiting.post(url)

    assert printed == {"channel": "news", "id": "order-9", "serial": "life-0-1"}
    assert edge.asked == [{"id": "order-9", "data": "hello"}] * (len(failures) + 1)
    assert ["trying again" in told for told in waiting.told] == [True] * len(failures)


def test_who_waits_in_vain_is_told_how_to_go_on() -> None:
    """It may be stored: with the id that was used, it is delivered once."""
    with scripted(*[BUSY] * 100) as (url, edge), pytest.raises(PostingEnded) as stored:
        Waiting().post(url)
    with pytest.raises(PostingEnded) as absent:
        Waiting().post(f"http://127.0.0.1:{free_port()}")

    assert "publish it again within two minutes with --id order-9" in stored.value.message
    assert "cannot be reached" in absent.value.message
    assert "Nothing was stored" in absent.value.message
    assert len(edge.asked) < 50


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (DENIED, "does not allow publishing on this channel (code 40160); give other credentials with --token or --key"),
        (NO_EDGE, "answers 404; is this an edge?"),
        ((400, {"error": {"code": 40013, "message": "at /amount: this value is not of type"}}), "at /amount"),
    ],
)  # fmt: skip
def test_what_a_retry_cannot_heal_ends_at_once(answer: Answer, says: str) -> None:
    with scripted(answer) as (url, edge):
        result = publish(url, "news", "hello")

    assert (result.exit_code, len(edge.asked)) == (1, 1)
    assert says in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plain ü"], {"data": "plain ü"}),
        (['{"a": 1}'], {"data": '{"a": 1}', "encoding": "json"}),
        (["[1]"], {"data": "[1]", "encoding": "json"}),
        (["5"], {"data": "5"}),
        (['{"a": 1}', "--encoding", ""], {"data": '{"a": 1}'}),
        (["/w==", "--encoding", "base64"], {"data": "/w==", "encoding": "base64"}),
        (["x", "--name", "n", "--ephemeral"], {"data": "x", "name": "n", "extras": {"ephemeral": True}}),
    ],
)
def test_data_is_sent_as_what_it_is(arguments: list[str], message: dict[str, Any]) -> None:
    with scripted(TAKEN) as (url, edge):
        result = publish(url, "account:a/b", *arguments, "--id", "order-9")

    assert result.exit_code == 0, result.output
    assert edge.asked == [{"id": "order-9", **message}]
    assert edge.paths == ["/channels/account%3Aa%2Fb/messages"]


def test_lines_are_published_in_order_until_one_is_refused() -> None:
    """Those before it are told of with their serials, and the rest is not sent."""
    with scripted(TAKEN, TAKEN, DENIED) as (url, edge):
        result = publish(url, "news", "-", "--id", "base", lines=b'one\n\n{"n": 2}\r\nthree\nfour\n')

    assert result.exit_code == 1
    assert [(asked["id"], asked["data"]) for asked in edge.asked] == [
        ("base:0", "one"), ("base:1", '{"n": 2}'), ("base:2", "three"),
    ]  # fmt: skip
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["base:0", "base:1"]
    assert "line 4 and those after it were not published" in result.stderr


@pytest.mark.parametrize(
    ("line", "says"), [(b"\xff\n", "line 1 is not UTF-8"), (b"x" * (MAX_LINE_BYTES + 1), "line 1 has more than")]
)
def test_a_line_that_cannot_be_a_message_is_refused(line: bytes, says: str) -> None:
    result = publish("http://127.0.0.1:1", "news", "-", lines=line)

    assert result.exit_code == 1
    assert says in result.stderr


def test_a_key_stays_here_and_a_token_is_shown_as_it_is() -> None:
    """A token is made from the key; whom a token acts for is said in a header (RSA7e2)."""
    with scripted(TAKEN, TAKEN) as (url, edge):
        publish(url, "news", "x", "--client-id", "ada")
        publish(url, "news", "x", "--client-id", "ada", LASTMILE_TOKEN="the.very.token")

    by_key, by_token = edge.headers_seen
    assert KEY.partition(":")[2] not in str(by_key)
    assert "X-Ably-Clientid" not in {name.title() for name in by_key}
    assert by_token["Authorization"] == "Bearer the.very.token"
    assert by_token["X-Ably-ClientId"] == "YWRh"
