"""The search for secrets in what edges write: it finds what is planted, in each place, and nothing where there is nothing."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest

from tests.testbed import secrecy
from tests.testbed.edge import KEY, SECRET, EdgeProcess, token

FILED = "a-secret-that-a-file-of-the-settings-holds"
PAYLOAD = "a payload of nobody's business"


def an_edge(directory: Path) -> EdgeProcess:
    """One that is never started: only what it would have written counts."""
    (directory / "secret").write_text(f"{FILED}\n")
    return EdgeProcess(
        directory,
        kafka="127.0.0.1:1",
        redis_url="redis://127.0.0.1:1/0",
        namespaces={"account": {"topic": "nothing"}},
        sections={
            "audit": {"file": str(directory / "audit.jsonl")},
            "apps": [
                {
                    "id": "bank",
                    "keys": [
                        {"id": "server", "secret": SECRET},
                        {"id": "filed", "secret_file": str(directory / "secret")},
                    ],
                }
            ],
        },
    )


PLANTED = {
    "a token": token(now=time.time()),
    "a token in base64": base64.b64encode(token(now=time.time()).encode()).decode(),
    "a key's secret": SECRET,
    "a secret of a file": FILED,
    "a key as Basic has it": base64.b64encode(KEY.encode()).decode(),
    "a connection key": "AbCdEfGhIjKl!MnOpQrStUvWxYz01",
    "a query with credentials": "GET /?v=3&accessToken=opaque-one HTTP/1.1",
    "a payload": PAYLOAD,
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
@pytest.mark.parametrize("name", ["edge.log", "audit.jsonl", "audit.jsonl.000000000012", "audit.2.jsonl"])
def test_what_is_planted_is_found(tmp_path: Path, name: str, planted: str) -> None:
    secrecy.remember(PAYLOAD)
    edge = an_edge(tmp_path)
    (tmp_path / name).write_text(json.dumps({"message": f"somebody came: {planted}"}))

    with pytest.raises(secrecy.Leak) as found:
        edge.close()

    assert name in str(found.value)
    assert planted not in str(found.value), "what is found is not shown again"


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    edge = an_edge(tmp_path)
    (tmp_path / "edge.log").write_text(
        "INFO connection opened connection_id=AbCdEfGhIjKl client_id=phone app_id=bank key=bank.server seconds=1.5\n"
        "GET /channels/account:1/messages?limit=3 key_id=bank.server\n"
    )

    edge.close()
