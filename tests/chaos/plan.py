"""How much of everything, drawn from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

# topic and settings of each namespace, and which losses its topic's fate justifies
NAMESPACES: dict[str, dict[str, float]] = {
    "account": {"history_messages": 100_000},  # whoever was away is served from the history, while Redis has it
    "brief": {"history_messages": 10},  # what is trimmed there comes out of Kafka
    "plain": {"history_seconds": 0},  # all of it comes out of Kafka
    "trimmed": {"history_seconds": 0},  # records are deleted
    "reborn": {},  # the topic is recreated
    "spoken": {},  # clients publish, too
}
MAY_TELL = {"trimmed": (80006, 90003), "reborn": (80006, 90003)}
MAY_FORGET = (None,)  # a cursor that Redis has lost is a new one
TRANSACTIONAL = ("account", "plain")
SPOKEN = "spoken"
CLIENT_ID = "phone"  # of all clients: they are one customer's
KEYS = 8
PARTITIONS = 4


def topic_of(namespace: str) -> str:
    """Its topic."""
    return f"chaos.{namespace}"


@dataclass(frozen=True)
class Plan:
    """
    One run.

    Args:
        seed: Of everything that is drawn. What is drawn is the same for a seed; how it interleaves is the machine's.
        clients: How many.
        channels: How many each of them follows.
        edges: How many.
        records_per_second: Over all topics, in bursts.
        deliveries: The run ends when so many were received.
        round_seconds: How long faults go on between two judgements, at least.
        run_seconds: No round begins after this.
        silence_seconds: How long Redis is stopped.
        talkers: How many clients publish.
        said_per_second: By all of them.
    """

    seed: int
    clients: int
    channels: int
    edges: int
    records_per_second: float
    deliveries: int
    round_seconds: float
    run_seconds: float
    silence_seconds: float
    talkers: int
    said_per_second: float

    def random(self, *of: object) -> Random:
        """A source of chance of its own for one thing."""
        return Random(f"{self.seed} {of}")

    def channels_of(self, client: int) -> list[str]:
        """What a client follows."""
        every = [f"{namespace}:{key}" for namespace in NAMESPACES for key in keys(namespace)]
        return self.random("channels", client).sample(every, self.channels)


def keys(namespace: str) -> list[str]:
    """Keys of its records; the later, the more seldom they speak."""
    return [f"{namespace[0]}{number}" for number in range(KEYS)]


def short(seed: int) -> Plan:
    """The one of `make test`."""
    return Plan(
        seed,
        clients=60,
        channels=12,
        edges=2,
        records_per_second=200,
        deliveries=110_000,
        round_seconds=25,
        run_seconds=0,
        silence_seconds=3,
        talkers=16,
        said_per_second=30,
    )


def long(seed: int, *, minutes: float, deliveries: int) -> Plan:
    """The one of `make chaos`."""
    return Plan(
        seed,
        clients=150,
        channels=8,
        edges=3,
        records_per_second=250,
        deliveries=deliveries,
        round_seconds=60,
        run_seconds=minutes * 60,
        silence_seconds=30,
        talkers=40,
        said_per_second=40,
    )
