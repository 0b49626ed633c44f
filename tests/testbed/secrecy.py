"""
What no log, metric or audit file may show, looked for in those of every edge that a test closes.

    a token             by its form, plain or in base64, so whoever made it
    a key's secret      of the edge's own settings and of the files that they name, plain or as Basic has it
    a connection key    by its form: with it a connection can be resumed
    a query             that holds credentials, such as an access log would write it
    a payload           long ones of the records that tests produced, the latest few of them
"""

from __future__ import annotations

import base64
import re
import tomllib
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.transport.resuming import ID_LETTERS, KEY_LETTERS

KEPT_PAYLOADS = 200
SHORTEST_LETTERS, LONGEST_LETTERS = 16, 500
SHOWN_LETTERS = 60
payloads: deque[str] = deque(maxlen=KEPT_PAYLOADS)
FORMS = {
    "a token": re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}", re.ASCII),
    "a token in base64": re.compile(r"ZXlK[\w+/-]{30,}", re.ASCII),
    "a connection key": re.compile(rf"[\w-]{{{ID_LETTERS}}}![\w-]{{{KEY_LETTERS}}}", re.ASCII),
    "a query with credentials": re.compile(r"[?&](accessToken|access_token|key|resume|recover)=[^\s&]{8,}"),
}


class Leak(AssertionError):
    """
    Something that is secret can be read where operators look.

    Args:
        where: The file, or the metrics.
        what: Which kind of secret.
        context: A few letters before it, so that it is found.
    """

    def __init__(self, where: str, what: str, context: str) -> None:
        super().__init__(f"{what} can be read in {where}, after {context!r}")


def remember(value: object) -> None:
    """Look for this payload from now on, if it cannot be anything else."""
    if isinstance(value, str) and SHORTEST_LETTERS <= len(value) <= LONGEST_LETTERS:
        payloads.append(value)


def secrets_of(config: Path) -> set[str]:
    """What an edge's settings keep secret, each as it is and as `Authorization: Basic` has it."""
    try:
        settings = tomllib.loads(config.read_text())
    except (OSError, tomllib.TOMLDecodeError):  # a test may have spoiled it
        return set()
    found: set[str] = set()
    for app in settings.get("apps", ()):
        for key in app.get("keys", ()):
            for secret in _of_key(key):
                shown = base64.b64encode(f"{app['id']}.{key['id']}:{secret}".encode()).decode().rstrip("=")
                found |= {secret, shown}
    return {secret for secret in found if len(secret) >= SHORTEST_LETTERS}


def _of_key(key: Mapping[str, Any]) -> Iterator[str]:
    for name, value in key.items():
        if name in ("secret", "older_secret"):
            yield value
        elif name in ("secret_file", "older_secret_file") and Path(value).exists():
            yield Path(value).read_text().strip()


def check(where: str, text: str, secrets: set[str]) -> None:
    """
    Look for everything that is secret.

    Raises:
        Leak: If there is any.
    """
    for what, form in FORMS.items():
        if (match := form.search(text)) is not None:
            raise Leak(where, what, _before(text, match.start()))
    for what, known in (("a key's secret", secrets), ("a payload", set(payloads))):
        for secret in known:
            if (at := text.find(secret)) >= 0:
                raise Leak(where, what, _before(text, at))


def _before(text: str, at: int) -> str:
    return text[max(0, at - SHOWN_LETTERS) : at]
