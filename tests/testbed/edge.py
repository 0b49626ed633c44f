"""The product as operators run it: the process `lastmile run`, a settings file, two free ports."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from auth.ably_token import mint
from auth.capability import Capability
from auth.keys import Key
from tests.testbed import secrecy
from tests.testbed.ports import free_port, free_ports
from tests.testbed.process import Process

LASTMILE = Path(sys.executable).parent / "lastmile"
SECRET = "the-secret-of-the-test-bed-and-no-other"
KEY = f"bank.server:{SECRET}"
READY_DEADLINE_SECONDS = 60.0
METRICS_SECONDS = 3.0  # for the last ones of an edge that may be frozen
BUSY_CLIENT_SECONDS = 30.0  # clients on a machine that runs all tests at once answer late
Section = Mapping[str, Any]


def token(
    *,
    now: float,
    ttl_seconds: float = 3600,
    client_id: str | None = None,
    capability: Mapping[str, list[str]] | None = None,
) -> str:
    """A token of KEY as `lastmile token` mints it."""
    key = Key("bank", "server", SECRET.encode(), Capability.parse({"*": ["*"]}))
    allowed = None if capability is None else Capability.parse(capability)
    return mint(key, now=now, ttl_seconds=ttl_seconds, client_id=client_id, capability=allowed)


def toml(value: object) -> str:
    """A value of JSON's kinds as TOML writes it inline."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(member) for member in value) + "]"
    return json.dumps(value)


class EdgeProcess:
    """
    One edge, reading topics of real Kafka.

    Args:
        directory: For its settings file and its log.
        kafka: Bootstrap servers.
        redis_url: Where Redis is.
        namespaces: As in the settings: ``{"account": {"topic": "test.1"}}``.
        sections: Further settings by section, such as ``{"window": {"max_seconds": 30}}``; they win.
        workers: Processes on the same port, with ops ports from `ops_port` on.
    """

    def __init__(
        self,
        directory: Path,
        *,
        kafka: str,
        redis_url: str,
        namespaces: Mapping[str, Section],
        sections: Mapping[str, Section],
        workers: int = 1,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port, self.ops_port = free_port(), free_ports(workers)
        self.workers = workers
        self.config = directory / "lastmile.toml"
        self._log = directory / "edge.log"
        self._process: Process | None = None
        settings: dict[str, Any] = {
            "server": {
                "host": "127.0.0.1",
                "port": self.port,
                "ops_port": self.ops_port,
                "drain_seconds": 1,
                "confirm_timeout_seconds": BUSY_CLIENT_SECONDS,
            },
            "kafka": {"bootstrap_servers": kafka, "metadata_interval_seconds": 1},
            "redis": {"url": redis_url},
            "apps": [{"id": "bank", "keys": [{"id": "server", "secret": SECRET}]}],
            "namespaces": dict(namespaces),
            "log": {"format": "text"},
        }
        for name, section in sections.items():
            settings[name] = {**settings.get(name, {}), **section} if isinstance(section, Mapping) else section
        self.port, self.ops_port = settings["server"]["port"], settings["server"]["ops_port"]
        audit_file = settings.get("audit", {}).get("file")
        self._audit_file = None if audit_file is None else Path(audit_file)
        self.config.write_text("".join(f"{name} = {toml(value)}\n" for name, value in settings.items()))

    @property
    def url(self) -> str:
        """Its public port, for REST."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Its public port, for WebSockets."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def process(self) -> Process:
        """The running process."""
        if self._process is None:
            raise RuntimeError("the edge is not running")
        return self._process

    @property
    def pid(self) -> int:
        """Of the running process."""
        return self.process.pid

    def launch(self) -> Self:
        """Start the process and do not wait."""
        command = [str(LASTMILE), "run", "--config", str(self.config), "--workers", str(self.workers)]
        self._process = Process(command, self._log)
        return self

    def start(self) -> Self:
        """Start, and wait until the ops port says that clients may come."""
        self.launch()
        self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        """Wait for 200 from /health/ready."""
        self.process.wait_until(lambda: self.is_ready, "the edge is ready", deadline_seconds=READY_DEADLINE_SECONDS)

    @property
    def is_ready(self) -> bool:
        """What a load balancer sees: whether every worker can be sent clients."""
        return all(self.health("ready", worker=worker)[0] == 200 for worker in range(self.workers))

    def health(self, of: str, *, worker: int = 0) -> tuple[int, dict[str, Any]]:
        """Status and body of ``/health/live`` or ``/health/ready``; status 0 while nobody answers."""
        try:
            with urllib.request.urlopen(self._ops_url(f"/health/{of}", worker), timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, json.load(refusal)
        except OSError:
            return 0, {}

    def metrics(self, *, worker: int = 0) -> dict[str, float]:
        """What /metrics says now: samples by name with labels, such as ``lastmile_refusals_total{reason="capability"}``."""
        lines = self._metrics_text(worker, 5.0).splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def _metrics_text(self, worker: int, timeout_seconds: float) -> str:
        with urllib.request.urlopen(self._ops_url("/metrics", worker), timeout=timeout_seconds) as answer:
            text: str = answer.read().decode()
        return text

    def _ops_url(self, path: str, worker: int) -> str:
        return f"http://127.0.0.1:{self.ops_port + worker}{path}"

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self._process = None

    def terminate(self) -> int:
        """SIGTERM, and wait until it has drained. Returns: its exit code."""
        code = self.process.terminate()
        self._process = None
        return code

    def log_text(self) -> str:
        """What all its lives have logged."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """Kill it if it runs. Raises: secrecy.Leak, if log, metrics or audit journal show what is secret."""
        told: dict[str, str] = {}
        if self._process is not None:
            told = self._last_metrics()
            self.kill()
        files = [self._log, *(self._audit_file.parent.glob(f"{self._audit_file.stem}*") if self._audit_file else ())]
        told |= {str(file): file.read_text(errors="replace") for file in files if file.exists()}
        secrets = secrecy.secrets_of(self.config)
        for where, text in told.items():
            secrecy.check(where, text, secrets)

    def _last_metrics(self) -> dict[str, str]:
        try:
            return {
                f"metrics of worker {worker}": self._metrics_text(worker, METRICS_SECONDS)
                for worker in range(self.workers)
            }
        except OSError:  # it has ended, or is frozen
            return {}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
