"""
What it costs to know what has arrived: 2,000 records/s for 1,000 clients, each with a cursor on its account.

First Redis' commands of a delivered message, those in scripts included, over minutes in which each connection is written
once and each cursor as often as it is saved; the history is off, so its batches are not in it. Then the CPU of a message, in
turn with that of an edge whose clients have no cursors, and of one that sends no PING meanwhile.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack

from bench.crowd import Crowd
from bench.figures import Figure, at_most, ratios
from bench.ground import Ground, Lastmile, account_names
from bench.load import write_paced
from bench.scale import Scale
from bench.usage import cpu_seconds
from tests.testbed.redis import RedisServer

CLIENTS = 1000
PER_SECOND = 2000
WARM_UP_SECONDS = 35.0  # until positions that were confirmed first are saved, as all are later
COMMANDS_SECONDS = 60.0  # in which each connection is written once, by default
CPU_SECONDS = 8.0
WAIT_SECONDS = 60.0
NO_PINGS = {"confirm_after_seconds": 60.0, "confirm_every_seconds": 300.0, "idle_interval_seconds": 120.0}
_CALLS = re.compile(r"cmdstat_([^:]+):calls=(\d+)")


class _Beside:
    """An edge, its clients, and what of it is measured."""

    def __init__(self, ground: Ground, edge: Lastmile, crowd: Crowd, accounts: list[str]) -> None:
        self._ground = ground
        self._edge = edge
        self._crowd = crowd
        self._accounts = accounts
        self.cpu_us: list[float] = []
        crowd.open(len(accounts))

    def write(self, seconds: float) -> int:
        """Returns: how many messages were delivered."""
        records = int(PER_SECOND * seconds)
        self._crowd.reset()
        write_paced(self._ground.records, self._edge.topic, self._accounts, records, PER_SECOND)
        self._crowd.wait(records, WAIT_SECONDS)
        return records

    def run(self, seconds: float) -> None:
        """Take the CPU of a message."""
        before = cpu_seconds(self._edge.process.pid)
        messages = self.write(seconds)
        self.cpu_us.append((cpu_seconds(self._edge.process.pid) - before) / messages * 1e6)


def measure(ground: Ground, scale: Scale) -> list[Figure]:
    """Commands and CPU of a message."""
    accounts = account_names(CLIENTS)
    with ExitStack() as running:

        def beside(edge: Lastmile, *, has_cursors: bool) -> _Beside:
            clients = [edge.client(account) for account in accounts]
            if has_cursors:
                clients = [of._replace(first_message=_with_cursor(of.first_message)) for of in clients]
            return _Beside(ground, edge, running.enter_context(Crowd(edge.port, clients)), accounts)

        cursors = beside(ground.lastmile(history_messages=0), has_cursors=True)
        of_cursors, of_connections = _commands(ground.redis, cursors, scale)
        pings = beside(ground.lastmile(history_messages=0), has_cursors=False)
        nothing = beside(ground.lastmile(history_messages=0, server=NO_PINGS), has_cursors=False)
        for one in (cursors, pings, nothing):
            one.write(scale.seconds(CPU_SECONDS))
        for _ in scale.runs("positions, CPU"):
            for one in (cursors, pings, nothing):
                one.run(scale.seconds(CPU_SECONDS))
    return [
        Figure(
            0, "Redis commands of a delivered message, with a cursor", "", [of_cursors + of_connections], at_most(0.05)
        ),
        Figure(0, "of these for cursors", "", [of_cursors]),
        Figure(0, "of these for connections", "", [of_connections]),
        Figure(0, "CPU of a message with PINGs, of without", "", ratios(pings.cpu_us, nothing.cpu_us)),
        Figure(0, "CPU of a message with PINGs and cursors, of without", "", ratios(cursors.cpu_us, nothing.cpu_us)),
        Figure(0, "CPU of a message without PINGs", "µs", nothing.cpu_us),
    ]


def _with_cursor(attach: str | None) -> str:
    assert attach is not None
    return attach.removesuffix("}") + ',"params":{"cursor":"phone"}}'


def _commands(redis: RedisServer, flow: _Beside, scale: Scale) -> tuple[float, float]:
    """
    Commands by message: for cursors and whatever else there is, and those that write connections.

    Over all runs together: who came at the same time is saved at the same time, so that a minute has two or three saves.
    """
    flow.write(scale.seconds(WARM_UP_SECONDS))
    before, messages = _calls(redis), 0
    for _ in scale.runs("positions, commands"):
        until = time.monotonic() + COMMANDS_SECONDS
        while time.monotonic() < until:
            messages += flow.write(5.0)
    calls = {name: calls - before.get(name, 0) for name, calls in _calls(redis).items() if name != "info"}
    return (sum(calls.values()) - calls["set"]) / messages, calls["set"] / messages


def _calls(redis: RedisServer) -> dict[str, int]:
    return {name: int(calls) for name, calls in _CALLS.findall(redis.command("INFO commandstats"))}
