"""Logs: their vocabulary, their two forms, and what never gets into them."""

from __future__ import annotations

import ast
import io
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from gateway.logs import FIELDS, configure, redact
from gateway.settings import LogSettings

JWT = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImEuYiJ9.eyJpYXQiOjF9.76yFXSHHlS9dFnLrNOTOiDzQUZq1s5LGxlCrGjISYb0"
KEY = "bank.server1:a-secret-of-at-least-thirty-two-bytes"
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
TOKEN_LETTERS = st.text("abcXYZ0189-_", min_size=16, max_size=60)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Logging belongs to the process; hand it back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


def lines(settings: LogSettings) -> io.StringIO:
    """Where lines go after `configure`."""
    output = io.StringIO()
    configure(settings, output)
    return output


# ---------------------------------------------------------------------- form


def test_a_json_line_is_one_object_with_its_fields() -> None:
    """Machines read it member by member."""
    output = lines(LogSettings())

    logging.getLogger("gateway.connections").info(
        "connection closed", extra={"connection_id": "c1", "seconds": 1.5, "client_id": None}
    )

    (line,) = output.getvalue().splitlines()
    said = json.loads(line)
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "info",
        "logger": "gateway.connections",
        "message": "connection closed",
        "connection_id": "c1",
        "seconds": 1.5,
    }


def test_a_text_line_is_the_sentence_and_its_fields() -> None:
    """People read it from left to right."""
    output = lines(LogSettings(format="text"))

    logging.getLogger("gateway.tail").warning("a record\nwas skipped", extra={"topic": "t", "offset": 7})

    assert output.getvalue().endswith("WARNING gateway.tail: a record\\nwas skipped topic=t offset=7\n")


def test_a_traceback_stays_with_its_line() -> None:
    """In JSON it is a member, in text it follows."""
    for settings in (LogSettings(format="json"), LogSettings(format="text")):
        output = lines(settings)
        try:
            raise ValueError("of this")
        except ValueError:
            logging.getLogger("gateway").exception("a part ended")
        assert "ValueError: of this" in output.getvalue()


def test_a_field_that_is_not_in_the_vocabulary_is_not_written() -> None:
    """Nobody can log a payload by accident."""
    output = lines(LogSettings())

    logging.getLogger("gateway").info("something happened", extra={"payload": "balance 100"})

    assert "balance" not in output.getvalue()


def test_lines_below_the_level_are_not_written() -> None:
    """log.level is the least severe that is."""
    output = lines(LogSettings(level="warning"))

    logging.getLogger("gateway").info("this happens all the time")
    logging.getLogger("gateway").warning("this does not")

    assert [json.loads(line)["message"] for line in output.getvalue().splitlines()] == ["this does not"]


def test_uvicorn_speaks_through_our_formatter_and_its_access_log_is_silent() -> None:
    """Its access lines show query strings, which hold tokens."""
    uvicorn.Config("gateway:app", log_config=uvicorn.config.LOGGING_CONFIG)
    output = lines(LogSettings(level="debug"))

    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.access").critical('127.0.0.1 - "GET /?accessToken=abc HTTP/1.1" 200')

    assert [json.loads(line)["message"] for line in output.getvalue().splitlines()] == ["Started server process"]


@pytest.mark.parametrize("name", ["gateway.frames", "websockets", "httpx", "httpcore"])
def test_loggers_that_show_payloads_and_urls_are_quiet_even_when_debugging(name: str) -> None:
    """websockets logs frames, httpx URLs."""
    output = lines(LogSettings(level="debug"))

    logging.getLogger(name).debug("< TEXT '{\"action\":17}'")
    logging.getLogger(name).info("HTTP Request: GET https://login.example/keys")

    assert output.getvalue() == ""


# ---------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "line",
    [
        f"GET /?v=6&accessToken={JWT}&format=json",
        "GET /?access_token=opaque-token&v=6",
        f"GET /?key={KEY}",
        "GET /?key=bank.server1%3Aa-secret-of-at-least-thirty-two-bytes",
        "GET /?resume=Qm9iYnk3!sEcReTsEcReTsE&v=6",
        f"Authorization: Bearer {JWT}",
        "authorization: basic YmFuay5zZXJ2ZXIxOmEtc2VjcmV0",
        f"token {JWT} was refused",
        f"key {KEY} was refused",
        f'{{"action":17,"auth":{{"accessToken":"{JWT}"}}}}',
        r'"{\"mac\": \"c2VjcmV0LW1hYw==\"}"',
        "connection Qm9iYnk3xyz1!sEcReTsEcReTsE is unknown",
        "Error connecting to redis://user:secret-password@redis:6379/0",
        "sasl_password=secret-password",
    ],
)
@pytest.mark.parametrize("settings", [LogSettings(format="json"), LogSettings(format="text")], ids=["json", "text"])
def test_what_looks_like_a_secret_is_replaced(line: str, settings: LogSettings) -> None:
    """In the sentence, in its arguments, in a field and in a traceback, as plain text and in JSON."""
    output = lines(settings)
    log = logging.getLogger("gateway")

    log.error(line)
    log.error("%s", line)
    log.error("something was refused", extra={"error": line})
    try:
        raise ValueError(line)
    except ValueError:
        log.exception("something was refused")

    assert "[redacted]" in output.getvalue()
    for secret in ("eyJ", "opaque-token", "thirty-two", "YmFuay5", "c2VjcmV0", "sEcReTsEcReTsE", "secret-password"):
        assert secret not in output.getvalue()
    if settings.format == "json":
        assert all(json.loads(one) for one in output.getvalue().splitlines())


@pytest.mark.parametrize(
    "line",
    [
        "connection closed connection_id=AbCdEfGh12 client_id=alice seconds=1.5",
        "a record was skipped topic=edge.accounts partition=3 offset=1042",
        "edge.accounts:3:10482 at k7f2m0qa-00012-0000000000010482",
        "Uvicorn running on http://127.0.0.1:8081 (Press CTRL+C to quit)",
        '{"time":"2026-11-24T16:04:14.929+00:00","level":"info","logger":"gateway.server"}',
    ],
)
def test_what_operators_need_is_not_taken_for_a_secret(line: str) -> None:
    """Coordinates, ids and addresses stay."""
    assert redact(line) == line


def test_redaction_takes_no_longer_than_the_line_is_long() -> None:
    """A client chooses some of what is logged; it must not choose how long logging takes."""
    began = time.perf_counter()

    for line in ("a-" * 50_000, "a." * 50_000, "key" * 30_000, "eyJ" * 30_000, "a.b:" * 30_000):
        redact(line)

    assert time.perf_counter() - began < 2.0


@given(header=TOKEN_LETTERS, claims=TOKEN_LETTERS, signature=TOKEN_LETTERS)
def test_no_jwt_survives(header: str, claims: str, signature: str) -> None:
    """Whatever its parts."""
    assert claims not in redact(f"got eyJ{header}.{claims}.{signature}!").replace("[redacted]", "")


@given(
    app=st.text("abz019", min_size=1, max_size=8), key=st.text("abz019", min_size=1, max_size=8), secret=TOKEN_LETTERS
)
def test_no_key_survives(app: str, key: str, secret: str) -> None:
    """Whatever its parts."""
    assert secret not in redact(f"got {app}.{key}:{secret}")


# ---------------------------------------------------------------------- the code


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger in the code."""
    for path in sorted(Path().glob("gateway/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {f"_log.{level}" for level in LEVELS}:
                yield f"{path}:{node.lineno}", node


def is_constant(sentence: ast.expr) -> bool:
    """One sentence, or a choice of two."""
    if isinstance(sentence, ast.IfExp):
        return is_constant(sentence.body) and is_constant(sentence.orelse)
    return isinstance(sentence, ast.Constant)


def test_every_sentence_is_constant() -> None:
    """What varies goes into fields, so that lines can be counted."""
    assert [where for where, call in calls() if len(call.args) != 1 or not is_constant(call.args[0])] == []


def test_every_field_is_of_the_vocabulary() -> None:
    """Operators know the words."""
    unknown = [
        (where, key.value)
        for where, call in calls()
        for argument in call.keywords
        if argument.arg == "extra"
        for key in getattr(argument.value, "keys", [])
        if key.value not in FIELDS
    ]

    assert len(list(calls())) > 5
    assert unknown == []


def test_fields_are_written_as_a_mapping_in_place() -> None:
    """So that the test above sees them."""
    extras = [(where, a.value) for where, call in calls() for a in call.keywords if a.arg == "extra"]

    assert [where for where, extra in extras if not isinstance(extra, ast.Dict) or None in extra.keys] == []
