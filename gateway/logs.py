"""
What the process says about itself: constant sentences, and fields of a fixed vocabulary.

    _log.info("connection closed", extra={"connection_id": …, "seconds": …})

A sentence never holds what varies, so lines can be counted and searched; a field that is not in `FIELDS` is not written,
and a test fails on it. Lines of libraries go the same way. The last thing that happens to any line is `redact`: nothing
of ours logs a token or a key, and should something do so all the same, it is not shown.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, TextIO

import msgspec

from gateway.settings import LogSettings

FIELDS = frozenset(
    {
        "address",
        "app_id",
        "attempt",
        "budget_bytes",
        "client_id",
        "code",
        "config",
        "connection_id",
        "connections",
        "count",
        "error",
        "expected_offset",
        "generation",
        "issuer",
        "lag_records",
        "lag_seconds",
        "level",
        "namespace",
        "next_offset",
        "offset",
        "ops_port",
        "partition",
        "partitions",
        "port",
        "reason",
        "received_frames",
        "records",
        "seconds",
        "sections",
        "topic",
        "topics",
        "used_bytes",
        "version",
        "written_bytes",
    }
)

# A frame's log shows its payload, the access log shows query strings with tokens, the rest is chatter at info.
_QUIET = {
    "aiokafka": logging.WARNING,
    "asyncio": logging.WARNING,
    "gateway.frames": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "uvicorn.access": logging.CRITICAL + 1,
    "websockets": logging.WARNING,
}

_REDACTED = "[redacted]"
_SECRET_NAMES = r"access_?token|token|key|connection_?key|resume|recover|secret|password|authorization|mac"  # noqa: S105  # names, not secrets


class _Redaction(NamedTuple):
    """
    Something to hide.

    Args:
        hints: In lower case; a line with none of them holds nothing of the kind. Nearly all lines are told apart by
            these; all patterns on every line took five times as long, and each connection writes two lines.
    """

    pattern: re.Pattern[str]
    replacement: str
    hints: tuple[str, ...]


_NAME_HINTS = ("token", "key", "resume", "recover", "secret", "password", "authorization", "mac")
_REDACTIONS = (
    _Redaction(
        re.compile(rf"(?<![A-Za-z0-9])({_SECRET_NAMES})(=|%3D)[^&\s\"'\\<>]+", re.IGNORECASE),
        rf"\1\2{_REDACTED}",
        _NAME_HINTS,
    ),
    _Redaction(
        re.compile(rf"(?<![A-Za-z0-9])({_SECRET_NAMES})(\\*[\"']\s*:\s*\\*[\"'])[^\"'\\]+", re.IGNORECASE),
        rf"\1\2{_REDACTED}",
        _NAME_HINTS,
    ),
    _Redaction(
        re.compile(r"\b(bearer|basic)(\s+|%20)(?!\[redacted\])[A-Za-z0-9._~+/=%-]{16,}", re.IGNORECASE),
        rf"\1\2{_REDACTED}",
        ("bearer", "basic"),
    ),
    _Redaction(
        re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?"), _REDACTED, ("eyj",)
    ),
    _Redaction(re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{8,}(!|%21)[A-Za-z0-9_-]{8,}"), _REDACTED, ("!", "%21")),
    _Redaction(re.compile(r"(://)[^/\s@\"']*:[^/\s@\"']*@"), rf"\1{_REDACTED}@", ("://",)),
)
_HINT = re.compile("|".join({re.escape(hint) for redaction in _REDACTIONS for hint in redaction.hints}))
_KEY = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(:|%3A)[A-Za-z0-9_-]{16,}", re.IGNORECASE)
_KEY_HINT = re.compile(r"(?::|%3[Aa])[\w-]{16}")  # every line has colons, in its time


def redact(text: str) -> str:
    """
    Hide whatever looks like a token, a key, a connection key or a password.

    It would rather hide too much than too little; it must not be the reason to log something that may be secret.

    Args:
        text: Any line, plain or JSON; JSON stays JSON.
    """
    lowered = text.casefold()
    if _HINT.search(lowered):
        for pattern, replacement, hints in _REDACTIONS:
            if any(hint in lowered for hint in hints):
                text = pattern.sub(replacement, text)
    return _KEY.sub(_REDACTED, text) if _KEY_HINT.search(text) else text


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class _Formatter(logging.Formatter):
    """One line of what a record says: time, level, logger, sentence, fields, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": _second(int(record.created)) + f".{int(record.msecs):03d}+00:00",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = {name: value for name, value in record.__dict__.items() if name in FIELDS and value is not None}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return redact(self.line(said, fields))

    def line(self, said: dict[str, Any], fields: dict[str, Any]) -> str:
        """Write it down."""
        raise NotImplementedError


class JsonFormatter(_Formatter):
    """One JSON object a line."""

    def line(self, said: dict[str, Any], fields: dict[str, Any]) -> str:
        """All members side by side."""
        return msgspec.json.encode(said | fields, enc_hook=str).decode()


class TextFormatter(_Formatter):
    """For people: the sentence first, then ``field=value``; a traceback on lines of its own."""

    def line(self, said: dict[str, Any], fields: dict[str, Any]) -> str:
        """Sentence and fields in one line."""
        traceback = fields.pop("traceback", None)
        shown = "".join(f" {name}={value}" for name, value in fields.items())
        line = f"{said['time']} {said['level'].upper():7} {said['logger']}: {said['message']}{shown}"
        return line.replace("\n", "\\n") + (f"\n{traceback}" if traceback else "")


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """
    Send all logging of the process through our formatters, libraries' included.

    Args:
        stream: Where to; absent: standard error.
    """
    output = logging.StreamHandler(stream or sys.stderr)
    output.setFormatter(JsonFormatter() if settings.format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(settings.level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, root.level))
    logging.captureWarnings(capture=True)
