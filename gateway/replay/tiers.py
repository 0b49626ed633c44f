"""Where the past is, and what it takes to read it."""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.interpreter import Interpreter
from gateway.core.routing import Router
from gateway.settings import KafkaSettings
from gateway.store.history import HistoryStore
from gateway.stream.past import Past


class Tiers(NamedTuple):
    """
    What those who read the past share.

    Args:
        store: Histories in Redis.
        past: What Kafka still has.
        kafka: How Kafka is reached and read.
        router: Which keys are of which channels.
        interpreter: What records mean.
    """

    store: HistoryStore
    past: Past
    kafka: KafkaSettings
    router: Router
    interpreter: Interpreter
