"""Settings as tests write and read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import Settings, SettingsFault, load

SECRET = "a-secret-of-at-least-thirty-two-bytes"
WHOLE = f"""
[kafka]
bootstrap_servers = "kafka-1:9092"
[redis]
url = "redis://redis:6379/0"
[[apps]]
id = "bank"
[[apps.keys]]
id = "server1"
secret = "{SECRET}"
[namespaces.account]
topic = "edge.accounts"
"""
Write = Callable[[str], Path]


def read(path: Path, environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    return load(path, environ=environ or {}, overrides=overrides)


def faults(path: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(SettingsFault) as caught:
        read(path, environ)
    return {fault.name: fault.problem for fault in caught.value.faults}
