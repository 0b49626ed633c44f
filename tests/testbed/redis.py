"""A real Redis that keeps nothing on disk, to be killed, flushed and stopped; a cluster of three; and a pair that sentinels watch."""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.testbed.ports import free_port
from tests.testbed.process import Process, wait_until

SLOTS = 16384


class RedisServer:
    """
    One redis-server.

    Args:
        directory: For its log.
        options: More words for its command line.
    """

    def __init__(self, directory: Path, options: Sequence[str] = ()) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._options = options
        self._directory = directory
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """For redis.url."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Of the running process."""
        if self._process is None:
            raise RuntimeError("Redis is not running")
        return self._process.pid

    def start(self) -> Self:
        """Start, empty, and wait until it answers."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--dir", str(self._directory), *self._options]
        self._process = Process(command, self._directory / "redis.log")
        self._process.wait_until(lambda: self.command("PING") == "+PONG", "Redis answers")
        return self

    def command(self, line: str) -> str:
        """Say one line, such as FLUSHALL, and return the answer: its text if it is one, else its first line."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(line.encode() + b"\r\n")
            answer = connection.makefile("rb")
            first = answer.readline().decode().strip()
            return answer.read(int(first[1:])).decode() if first.startswith("$") and first != "$-1" else first

    def flush(self) -> None:
        """Forget everything, as a Redis that was restarted without persistence."""
        self.command("FLUSHALL")

    def wait_for_connections(self, count: int) -> None:
        """Wait until it knows so many connections; the history is there too."""
        known = """EVAL "return #redis.call('KEYS', 'lastmile:connection:*')" 0"""
        wait_until(lambda: self.command(known) == f":{count}", f"Redis knows {count} connections")

    def wait_for_closed(self, count: int) -> None:
        """Wait until it knows that so many connections were closed for good: closed, and nowhere on any channel."""
        closed = (
            """EVAL "local n = 0 for _, key in ipairs(redis.call('KEYS', 'lastmile:connection:*')) do """
            """if string.sub(redis.call('GET', key), -2) == string.char(195, 128) then n = n + 1 end end return n" 0"""
        )
        wait_until(lambda: self.command(closed) == f":{count}", f"Redis knows {count} closed connections")

    def freeze(self) -> None:
        """SIGSTOP: its port takes connections, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9; `start` starts it again, empty, on the same port."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send(number)


class RedisCluster:
    """
    Three primaries without replicas, each with a third of the slots.

    Args:
        directory: One folder in it for each.
    """

    def __init__(self, directory: Path) -> None:
        self._bus_ports = [free_port() for _ in range(3)]
        self.nodes = [
            RedisServer(
                directory / str(number),
                ["--cluster-enabled", "yes", "--cluster-node-timeout", "15000", "--cluster-port", str(bus_port)],
            )
            for number, bus_port in enumerate(self._bus_ports)
        ]

    @property
    def url(self) -> str:
        """For redis.url: two of the nodes; the third is found through them."""
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port},127.0.0.1:{self.nodes[1].port}"

    def __enter__(self) -> Self:
        bounds = [SLOTS * number // len(self.nodes) for number in range(len(self.nodes) + 1)]
        for number, node in enumerate(self.nodes):
            node.start()
            node.command(f"CLUSTER ADDSLOTSRANGE {bounds[number]} {bounds[number + 1] - 1}")
            node.command(f"CLUSTER SET-CONFIG-EPOCH {number + 1}")
        for node in self.nodes[1:]:
            node.command(f"CLUSTER MEET 127.0.0.1 {self.nodes[0].port} {self._bus_ports[0]}")
        wait_until(lambda: all(self._is_whole(node) for node in self.nodes), "the cluster is whole")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.kill()

    def _is_whole(self, node: RedisServer) -> bool:
        known = node.command("CLUSTER INFO").split("\r\n")
        return "cluster_state:ok" in known and f"cluster_known_nodes:{len(self.nodes)}" in known


class RedisPair:
    """
    A primary and its replica, and three sentinels that make the replica primary when the primary is gone.

    Args:
        directory: One folder in it for each.
    """

    SERVICE = "lastmile-test"
    DOWN_AFTER_MS = 500

    def __init__(self, directory: Path) -> None:
        self.primary = RedisServer(directory / "primary")
        self.replica = RedisServer(
            directory / "replica", ["--replicaof", f"127.0.0.1 {self.primary.port}", "--repl-diskless-sync-delay", "0"]
        )
        self.sentinels = [RedisSentinel(directory / f"sentinel-{number}", self) for number in range(3)]

    @property
    def url(self) -> str:
        """For redis.url: two of the sentinels."""
        first, second, _ = self.sentinels
        return f"redis+sentinel://127.0.0.1:{first.port},127.0.0.1:{second.port}/{self.SERVICE}/0"

    def wait_for_replica(self) -> None:
        """Wait until the replica has all that one connection or another has written to the primary."""
        written = self._offset(self.primary, "master_repl_offset")
        wait_until(lambda: self._offset(self.replica, "slave_repl_offset") >= written, "the replica has it")

    def wait_for_promotion(self) -> None:
        """Wait until the replica is the primary, and all sentinels say so."""
        address = f"address=127.0.0.1:{self.replica.port}"
        wait_until(
            lambda: all(address in sentinel.command("INFO sentinel") for sentinel in self.sentinels),
            "the replica is promoted",
        )

    def wait_for_demotion(self) -> None:
        """Wait until the primary is the replica."""
        wait_until(lambda: "role:slave" in self.primary.command("INFO replication"), "the primary is a replica")

    def __enter__(self) -> Self:
        self.primary.start()
        self.replica.start()
        wait_until(lambda: "master_link_status:up" in self.replica.command("INFO replication"), "the replica follows")
        for sentinel in self.sentinels:
            sentinel.start()
        wait_until(lambda: all(sentinel.is_whole for sentinel in self.sentinels), "the sentinels know each other")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in (*self.sentinels, self.replica, self.primary):
            server.kill()

    def _offset(self, server: RedisServer, name: str) -> int:
        fields = dict(line.partition(":")[::2] for line in server.command("INFO replication").splitlines())
        return int(fields[name])


class RedisSentinel(RedisServer):
    """
    One sentinel; it writes what it learns into its own configuration file.

    Args:
        directory: For its configuration and log.
        pair: What it watches.
    """

    def __init__(self, directory: Path, pair: RedisPair) -> None:
        super().__init__(directory)
        name = pair.SERVICE
        self._configuration = directory / "sentinel.conf"
        self._configuration.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {directory}\n"
            f"sentinel monitor {name} 127.0.0.1 {pair.primary.port} 2\n"
            f"sentinel down-after-milliseconds {name} {pair.DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {name} 10000\n"
        )
        self._name = name

    @property
    def is_whole(self) -> bool:
        """Whether it knows the other two, and the replica."""
        known = self.command("INFO sentinel")
        return "slaves=1,sentinels=3" in known

    def start(self) -> Self:
        """Start, and wait until it answers."""
        self._process = Process(
            ["redis-server", str(self._configuration), "--sentinel"], self._directory / "sentinel.log"
        )
        self._process.wait_until(lambda: self.command("PING") == "+PONG", "the sentinel answers")
        return self
