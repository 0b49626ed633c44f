"""Where everything is measured: real Kafka, real Redis, and the gateways, as processes of this machine."""

from __future__ import annotations

import json
import select
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Protocol, Self

import jwt

from auth.ably_token import mint
from auth.capability import Capability
from auth.keys import Key
from bench.crowd import Client, Crowd
from tests.testbed.edge import SECRET, EdgeProcess
from tests.testbed.kafka import KafkaBroker, warm_up
from tests.testbed.ports import free_port
from tests.testbed.process import ROOT, Process
from tests.testbed.records import Records
from tests.testbed.redis import RedisServer

PARTITIONS = 8
TOKEN_SECONDS = 7200
KEY = Key("bank", "server", SECRET.encode(), Capability.parse({"*": ["*"]}))
ANSWER_SECONDS = 120.0


def account_names(count: int) -> list[str]:
    """Keys of so many accounts."""
    return [str(100_000 + number) for number in range(count)]


class Speaker:
    """A program that answers each line on stdin with a line of JSON; killed when its block ends."""

    def __init__(self, command: Sequence[str]) -> None:
        wrapper = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self._popen = subprocess.Popen(
            [*wrapper, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._popen.pid

    def ask(self, line: str) -> Any:
        """
        Say a line and wait for the answer.

        Raises:
            RuntimeError: If it ended, or said nothing in time.
        """
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(line + "\n")
        self._popen.stdin.flush()
        if not select.select([self._popen.stdout], [], [], ANSWER_SECONDS)[0]:
            raise RuntimeError(f"no answer within {ANSWER_SECONDS:.0f} s: {self._popen.args}")
        answer = self._popen.stdout.readline()
        if not answer:
            raise RuntimeError(f"it ended with {self._popen.wait()}: {self._popen.args}")
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._popen.kill()
        self._popen.communicate()


class Gateway(Protocol):
    """A gateway under test."""

    name: str
    port: int
    topic: str

    @property
    def process(self) -> Process:
        """Where it runs."""

    def client(self, account: str) -> Client:
        """Somebody who may see *account* and no other, and attaches to it."""


class Lastmile:
    """The edge, as operators run it."""

    name = "lastmile"

    def __init__(self, process: EdgeProcess, topic: str) -> None:
        self.edge = process
        self.port = process.port
        self.topic = topic

    @property
    def process(self) -> Process:
        """Where it runs."""
        return self.edge.process

    def client(self, account: str) -> Client:
        """Somebody with an Ably JWT for one account."""
        token = mint(
            KEY,
            now=time.time(),
            ttl_seconds=TOKEN_SECONDS,
            client_id=account,
            capability=Capability.parse({f"account:{account}": ["subscribe"]}),
        )
        return Client(
            f"/?v=3&format=json&agent=bench&accessToken={token}", f'{{"action":10,"channel":"account:{account}"}}'
        )


class Plain:
    """The plain gateway of bench/plain_gateway.py."""

    name = "plain"

    def __init__(self, process: Process, port: int, topic: str) -> None:
        self.process = process
        self.port = port
        self.topic = topic

    def client(self, account: str) -> Client:
        """Somebody with a JWT for one account."""
        claims = {"sub": account, "exp": int(time.time()) + TOKEN_SECONDS, "channels": [f"account:{account}"]}
        token = jwt.encode(claims, SECRET, algorithm="HS256")
        return Client(f"/?token={token}", f'{{"subscribe":"account:{account}"}}')


class Ground:
    """
    Kafka and Redis, started when the block begins; all that was started in it is ended with it.

    Each gateway reads a topic of its own, so that one rests while the other is measured.
    """

    kafka: str
    redis: RedisServer
    redis_url: str
    records: Records

    def __init__(self) -> None:
        self._running = ExitStack()
        self._directory = Path()
        self._started = 0

    def lastmile(self, *, history_messages: int = 1000, partitions: int = PARTITIONS, **sections: Any) -> Lastmile:
        """
        Start an edge on a new topic.

        Args:
            sections: Settings that differ from the default ones. One customer may have any number of connections, unless
                they say otherwise.
        """
        topic = self.records.make_topic(partitions)
        limits = {"connections_per_client": 0} | sections.pop("limits", {})
        settings = {"kafka": {"metadata_interval_seconds": 5}, "limits": limits} | sections
        process = EdgeProcess(
            self._new_directory(),
            kafka=self.kafka,
            redis_url=self.redis_url,
            namespaces={"account": {"topic": topic, "history_messages": history_messages}},
            sections=settings,
        )
        self._running.callback(process.close)
        return Lastmile(process.start(), topic)

    def plain(self) -> Plain:
        """Start a plain gateway on a new topic."""
        topic, port = self.records.make_topic(PARTITIONS), free_port()
        command = ["-m", "bench.plain_gateway", str(port), self.kafka, topic, SECRET]
        process = self._start(command)

        def answers() -> bool:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                return bool(answer.status == 200)

        process.wait_until(answers, "the plain gateway answers")
        return Plain(process, port, topic)

    def bare_consumer(self, topic: str) -> Process:
        """Start a consumer of *topic* that only prints."""
        return self._start(["-m", "bench.bare_consumer", self.kafka, topic])

    def speaker(self, module: str, *arguments: str) -> Speaker:
        """Start a program of this folder that answers each line with a line of JSON."""
        return self._running.enter_context(Speaker([sys.executable, "-m", module, *arguments]))

    def crowd(self, gateway: Gateway, accounts: Sequence[str]) -> Crowd:
        """Clients of *gateway*, one for each account; none is connected yet."""
        return self.strangers(gateway, [gateway.client(account) for account in accounts])

    def strangers(self, gateway: Gateway, clients: Iterable[Client]) -> Crowd:
        """Clients of *gateway*, whoever they say they are; none is connected yet."""
        return self._running.enter_context(Crowd(gateway.port, clients))

    def end(self, gateway: Gateway) -> None:
        """Stop a gateway before the block ends."""
        gateway.process.kill()

    def __enter__(self) -> Self:
        self._directory = Path(self._running.enter_context(TemporaryDirectory()))
        broker = self._running.enter_context(KafkaBroker(self._directory / "kafka"))
        self.redis = self._running.enter_context(RedisServer(self._directory / "redis"))
        self.kafka, self.redis_url = broker.address, self.redis.url
        warm_up(self.kafka)
        self.records = self._running.enter_context(Records(self.kafka))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def _start(self, command: Sequence[str]) -> Process:
        log = self._new_directory() / "output.log"
        process = Process([sys.executable, *command], log)
        self._running.callback(process.kill)
        return process

    def _new_directory(self) -> Path:
        self._started += 1
        directory = self._directory / f"process-{self._started}"
        directory.mkdir()
        return directory
