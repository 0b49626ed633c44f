"""What is done to a running system, in lanes side by side; each lane deals from a shuffled deck."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random

from tests.chaos.books import Books
from tests.chaos.brokers import DEADLINE_SECONDS, LOOK_SECONDS, Brokers, asked
from tests.chaos.client import Client
from tests.chaos.fleet import generation_at
from tests.chaos.ground import Ground
from tests.chaos.plan import PARTITIONS, Plan, topic_of
from tests.chaos.writing import Writing
from tests.testbed.edge import EdgeProcess

Fault = Callable[[Random], Awaitable[None]]


class Faults:
    """
    Everything that can happen, and how often it did.

    Args:
        ground: To what.
        clients: And to whom.
        writing: What is written meanwhile.
        books: Are told of what is deleted.
        plan: The seed.
    """

    def __init__(self, ground: Ground, clients: Sequence[Client], writing: Writing, books: Books, plan: Plan) -> None:
        self.counts: Counter[str] = Counter()
        self._ground = ground
        self._clients = clients
        self._writing = writing
        self._books = books
        self._brokers = Brokers(ground.cluster, ground.records)
        self._plan = plan
        self._round = 0

    async def run(self, is_enough: Callable[[], bool]) -> None:
        """A round: every lane goes on until it has dealt its deck, and until it is enough."""
        self._round += 1
        gone = asyncio.Event()
        lanes: dict[str, tuple[list[Fault], float]] = {
            "edges": ([self.kill_edge, self.drain_edge], 2.0),
            "redis": ([self.flush_redis, self.restart_redis, self.silence_redis, self.remove_redis], 2.0),
            "brokers": ([self.restart_broker], 1.0),
            "topics": ([self.trim, self.recreate], 2.0),
        }
        async with asyncio.TaskGroup() as tasks:
            crowd = tasks.create_task(self._trouble_clients(gone))
            async with asyncio.TaskGroup() as dealt:
                for name, (deck, pause_seconds) in lanes.items():
                    dealt.create_task(self._deal(name, deck, pause_seconds, is_enough))
            gone.set()
            await crowd

    async def _deal(self, name: str, deck: list[Fault], pause_seconds: float, is_enough: Callable[[], bool]) -> None:
        seed = self._plan.random(name, self._round)
        dealt = 0
        while dealt < len(deck) or not is_enough():
            if dealt % len(deck) == 0:
                seed.shuffle(deck)
            await asyncio.sleep(seed.uniform(0, 2 * pause_seconds))
            fault = deck[dealt % len(deck)]
            await fault(seed)
            self.counts[fault.__name__.replace("_", " ")] += 1
            dealt += 1

    # ------------------------------------------------------------------ clients

    async def _trouble_clients(self, gone: asyncio.Event) -> None:
        seed = self._plan.random("clients", self._round)
        troubles: list[tuple[str, int]] = [
            ("cut", 50), ("away", 20), ("slow", 15), ("attached again", 10), ("detached", 5), ("started over", 2),
        ]  # fmt: skip
        names, weights = zip(*troubles, strict=True)
        async with asyncio.TaskGroup() as returns:
            while not gone.is_set():
                (trouble,) = seed.choices(names, weights)
                client = seed.choice(self._clients)
                if client.is_connected:
                    self.counts[f"clients {trouble}"] += 1
                    self._trouble(client, trouble, seed, returns)
                await asyncio.sleep(seed.expovariate(len(self._clients) / 6))  # each of them every six seconds or so

    def _trouble(self, client: Client, trouble: str, seed: Random, returns: asyncio.TaskGroup) -> None:
        match trouble:
            case "cut":
                client.cut()
            case "away":
                client.go_away()
                returns.create_task(_bring_back(client, seed.uniform(1, 6)))
            case "slow":
                client.stop_reading()
                returns.create_task(_bring_back(client, seed.uniform(1, 8)))
            case "attached again":
                client.attach_again(seed.choice(list(client.lines)))
            case "detached":
                client.leave(seed.choice(list(client.lines)))
            case "started over":
                client.start_over()

    # ------------------------------------------------------------------ edges

    async def kill_edge(self, seed: Random) -> None:
        fleet, edge = self._ground.fleet, seed.choice(self._ground.fleet.edges)
        await fleet.look()
        fleet.up.discard(edge)
        edge.kill()
        fleet.close_books(edge)
        await self._start(edge)

    async def drain_edge(self, seed: Random) -> None:
        """A deploy: SIGTERM, and its clients are sent elsewhere."""
        fleet, edge = self._ground.fleet, seed.choice(self._ground.fleet.edges)
        await fleet.look()
        fleet.up.discard(edge)
        code = await asyncio.to_thread(edge.terminate)
        if code != 0:
            raise RuntimeError(f"an edge that was drained ended with {code}\n{edge.log_text()[-3000:]}")
        fleet.close_books(edge)
        await self._start(edge)

    async def _start(self, edge: EdgeProcess) -> None:
        edge.launch()
        await asked(edge.wait_until_ready)
        self._ground.fleet.up.add(edge)

    # ------------------------------------------------------------------ Redis

    async def flush_redis(self, seed: Random) -> None:
        await asyncio.to_thread(self._ground.redis.flush)

    async def restart_redis(self, seed: Random) -> None:
        """SIGKILL, and empty again at once."""
        self._ground.redis.kill()
        self._ground.redis.start()

    async def remove_redis(self, seed: Random) -> None:
        """SIGKILL, and gone for a while."""
        self._ground.redis.kill()
        await asyncio.sleep(seed.uniform(1, self._plan.silence_seconds))
        self._ground.redis.start()

    async def silence_redis(self, seed: Random) -> None:
        """SIGSTOP: it takes connections and commands, and answers nothing."""
        self._ground.redis.freeze()
        try:
            await asyncio.sleep(self._plan.silence_seconds)
        finally:
            self._ground.redis.thaw()

    # ------------------------------------------------------------------ brokers

    async def restart_broker(self, seed: Random) -> None:
        number, is_killed = seed.randrange(len(self._ground.cluster.brokers)), seed.random() < 0.5
        self.counts["leaders moved"] += await self._brokers.restart(number, is_killed=is_killed)

    # ------------------------------------------------------------------ topics

    async def trim(self, seed: Random) -> None:
        """Retention overtakes who is away."""
        away = [client for client in self._clients if any(line.startswith("trimmed:") for line in client.lines)]
        away = [client for client in seed.sample(away, min(4, len(away))) if client.is_connected]
        for client in away:
            client.go_away()
        await asyncio.sleep(1.5)  # longer than the window
        self._writing.write("trimmed", 40, seed)
        await asyncio.sleep(1.5)
        self._writing.write("trimmed", 40, seed)
        writer = self._writing.writers["trimmed"]
        await asyncio.to_thread(writer.flush)
        await self._books.learn("trimmed", writer)
        for partition in range(PARTITIONS):
            before = max(0, self._books.next_offset("trimmed", partition) - seed.randint(0, 5))
            await self._brokers.delete_before(topic_of("trimmed"), partition, before)
        for client in away:
            client.come_back()

    async def recreate(self, seed: Random) -> None:
        """Deleted, and made anew under the same name; half the time it is written before the edges have noticed."""
        writing, topic = self._writing, topic_of("reborn")
        writing.held.add("reborn")
        await asyncio.to_thread(writing.writers["reborn"].flush)
        await self._books.learn("reborn", writing.writers["reborn"])
        writing.renew("reborn")
        await self._brokers.recreate(topic, PARTITIONS)
        life = await self._books.begin_life("reborn")
        if seed.random() < 0.5:
            writing.held.discard("reborn")
        self._books.truth.name_life(topic, life, await self._new_generation())
        writing.held.discard("reborn")

    async def name_first_life(self) -> None:
        """Learn what clients are shown before the topic is recreated."""
        self._generation = await self._generation_at(self._ground.fleet.edges[0].port)
        self._books.truth.name_life(topic_of("reborn"), 0, self._generation)

    async def _new_generation(self) -> str:
        """Wait until every edge that is up shows another generation, and one of them has."""
        shown: str | None = None
        async with asyncio.timeout(DEADLINE_SECONDS):
            while shown is None:
                for edge in self._ground.fleet.edges:
                    shown = await self._shown_anew(edge) or shown
                await asyncio.sleep(LOOK_SECONDS)
        self._generation = shown
        return shown

    async def _shown_anew(self, edge: EdgeProcess) -> str | None:
        """The generation that an edge shows, once it is another; None if it is down."""
        while edge in self._ground.fleet.up:
            with suppress(OSError, TimeoutError):
                generation = await self._generation_at(edge.port)
                if generation != self._generation:
                    return generation
            await asyncio.sleep(LOOK_SECONDS)
        return None

    async def _generation_at(self, port: int) -> str:
        return await generation_at(port, "reborn:nobody", self._ground.token)


async def _bring_back(client: Client, after_seconds: float) -> None:
    await asyncio.sleep(after_seconds)
    client.come_back()
