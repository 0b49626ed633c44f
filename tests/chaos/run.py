"""One run: rounds of faults; after each everybody comes back, and what they saw is judged."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.books import Books
from tests.chaos.client import Client
from tests.chaos.faults import Faults
from tests.chaos.ground import Ground
from tests.chaos.plan import MAY_FORGET, MAY_TELL, SPOKEN, Plan, keys
from tests.chaos.talking import Talk
from tests.chaos.writing import Writing
from tests.checker.claims import Auditor
from tests.checker.judge import Judge
from tests.checker.positions import read_position
from tests.checker.truth import UnknownLife
from tests.checker.verdicts import Judgement

SETTLING_SECONDS = 120.0
LOOK_SECONDS = 0.25
THREADS = 16  # each lane, the producers and those who look may wait at once


@dataclass
class Outcome:
    """
    What a run has shown.

    Args:
        plan: Which it was.
        judgement: Of all clients.
        faults: How many of each.
        written: Records and transactions.
        edges: What edges have counted, of those lives that could be asked.
        refused: Times that a client was told DETACHED, by code.
        said: What clients published, and what became of it.
        failures: What no client should hear at all.
        seconds: How long it took.
    """

    plan: Plan
    judgement: Judgement
    faults: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    edges: Counter[str] = field(default_factory=Counter)
    refused: Counter[int | None] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether nobody was wronged."""
        return self.judgement.is_clean and not self.failures


class Run:
    """
    A run on a ground that is there.

    Args:
        ground: Of its own: nothing is left as it was.
        plan: What is done.
        say: Told of each round.
    """

    def __init__(self, ground: Ground, plan: Plan, say: Callable[[str], None]) -> None:
        self._ground = ground
        self._plan = plan
        self._say = say
        self._began_at = time.monotonic()
        self._books = Books(ground.cluster.address)
        self._judge = Judge(self._books.truth, MAY_TELL, may_come_early=("reborn",), may_forget=MAY_FORGET)
        self._auditor = Auditor(self._books.truth, self._judge.judgement)
        self._writing = Writing(ground.cluster.address, plan)
        self._clients = [self._client(number) for number in range(plan.clients)]
        self._failures: list[str] = []
        self._faults = Faults(ground, self._clients, self._writing, self._books, plan)

    async def run(self) -> Outcome:
        """Do all of it."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._note_failure)
        loop.set_default_executor(ThreadPoolExecutor(THREADS))
        await self._faults.name_first_life()
        tasks = [asyncio.create_task(client.run(), name=client.journal.client) for client in self._clients]
        tasks.append(asyncio.create_task(self._look_at_edges(), name="look at edges"))
        try:
            while True:
                await self._round()
                self._say(self._progress())
                if self._is_over:
                    break
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._books.close()
        return self._outcome()

    @property
    def received(self) -> int:
        """Messages, over all clients."""
        return sum(client.received for client in self._clients)

    @property
    def _talks(self) -> Sequence[Talk]:
        """Of those who publish."""
        return [client.talk for client in self._clients[: self._plan.talkers]]

    @property
    def _is_over(self) -> bool:
        is_late = time.monotonic() - self._began_at >= self._plan.run_seconds
        return is_late or self.received >= self._plan.deliveries or not self._outcome().is_clean

    # ------------------------------------------------------------------ a round

    async def _round(self) -> None:
        until = asyncio.Event()
        enough_at = time.monotonic() + self._plan.round_seconds
        wanted = self._plan.deliveries if self._plan.run_seconds <= self._plan.round_seconds else 0

        def is_enough() -> bool:
            return time.monotonic() >= enough_at and self.received >= wanted

        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._writing.run(until))
            talking = tasks.create_task(self._talk(until))
            await self._faults.run(is_enough)
            until.set()
            await asyncio.gather(writing, talking)
        for client in self._clients:
            client.come_back()
        await self._until(lambda: not any(map(len, self._talks)))
        while await self._learn():  # an edge that gave up may have had something written all the same
            await self._until(lambda: all(map(self._is_settled, self._clients)))
        await self._ground.fleet.look()
        for client in self._clients:
            self._hear_talk(client.journal.client, client.talk)
            self._judge.hear(client.journal)
            self._judge.conclude(client.journal)
            client.journal.events.clear()
            await asyncio.sleep(0)

    async def _talk(self, until: asyncio.Event) -> None:
        seed = self._plan.random("talk")
        while not until.is_set() and self._talks:
            seed.choice(self._talks).say(seed)
            await asyncio.sleep(seed.expovariate(self._plan.said_per_second))  # the pace

    def _hear_talk(self, name: str, talk: Talk) -> None:
        if talk:
            self._failures.append(f"{name}: {len(talk)} publications were never answered")
        self._auditor.hear(name, talk.claims)
        talk.claims.clear()

    async def _learn(self) -> bool:
        """Read what was written since. Returns: whether there was anything."""
        before = self._books.truth.records
        for namespace, writer in self._writing.writers.items():
            await self._books.learn(namespace, writer)
        return self._books.truth.records > before

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Wait until everybody has everything, or all answers; whoever has not at the deadline is the judge's."""
        deadline = time.monotonic() + SETTLING_SECONDS
        while time.monotonic() < deadline and not is_so():
            await asyncio.sleep(LOOK_SECONDS)

    def _is_settled(self, client: Client) -> bool:
        return client.is_connected and all(
            line.is_attached and line.serial is not None and self._is_newest(channel, line.serial)
            for channel, line in client.lines.items()
        )

    def _is_newest(self, channel: str, serial: str) -> bool:
        position, truth = read_position(serial), self._books.truth
        newest = truth.newest_life(channel)
        try:
            if truth.life_of(channel, position.generation) != newest:
                return False
        except UnknownLife:
            return False
        log = truth.log(channel, newest)
        return log.index_at(position) == len(log.offsets)

    # ------------------------------------------------------------------ inside

    def _client(self, number: int) -> Client:
        seed = self._plan.random("client", number)
        return Client(
            f"client-{number}",
            "msgpack" if number % 2 else "json",
            self._plan.channels_of(number),
            doors=self._ground.fleet,
            token=self._ground.token,
            talk=self._talk_of(number),
            seed=seed,
            clock=lambda: time.monotonic() - self._began_at,
            params={"rewind": str(seed.randint(1, 30))} if number % 4 == 0 else None,
            cursor=f"phone-{number}" if number % 6 == 5 else None,
        )

    def _talk_of(self, number: int) -> Talk:
        channels = [f"{SPOKEN}:{key}" for key in self._plan.random("talk", number).sample(keys(SPOKEN), 2)]
        return Talk(f"client-{number}", channels, has_ids=number % 3 > 0)

    async def _look_at_edges(self) -> None:
        while True:
            await self._ground.fleet.look()
            await asyncio.sleep(1.0)

    def _note_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A client met what it cannot read."""
        self._failures.append(f"{context['message']}: {context.get('exception')!r}")

    def _progress(self) -> str:
        found = self._judge.judgement
        verdicts = ", ".join(f"{verdict.value} {count}" for verdict, count in found.counts.items()) or "none wronged"
        seconds = time.monotonic() - self._began_at
        return f"{seconds:6.0f} s  {found.deliveries:9,} deliveries judged, {self._books.truth.records:,} records: {verdicts}"

    def _outcome(self) -> Outcome:
        return Outcome(
            self._plan,
            self._judge.judgement,
            self._faults.counts,
            self._writing.counts,
            self._ground.fleet.counts(),
            sum((client.codes for client in self._clients), Counter()),
            sum((talk.counts for talk in self._talks), Counter({"copies": self._books.truth.copies})),
            self._failures
            + [failure for client in self._clients for failure in client.failures]
            + [failure for client in self._clients for failure in client.talk.failures],
            time.monotonic() - self._began_at,
        )


def run_chaos(directory: Path, plan: Plan, say: Callable[[str], None]) -> Outcome:
    """Start everything, run, stop everything."""
    with Ground(directory, plan) as ground:
        say(f"seed {plan.seed}: {plan.clients} clients on {plan.edges} edges")
        return asyncio.run(_run(ground, plan, say))


async def _run(ground: Ground, plan: Plan, say: Callable[[str], None]) -> Outcome:
    return await Run(ground, plan, say).run()
