"""
How much of which channel the history keeps, by the settings.

What a history holds depends on them: with another key template or another header it would be another history of the same
records. So the rules of a topic have a *fingerprint*, which is a part of the history's name. Settings that change it begin
a new history, rebuilt from Kafka, and the old one expires; edges of both settings can run side by side meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from gateway.core.record import HeaderRule
from gateway.core.routing import Router

FORMAT = 1  # of what is written; another one is another history


class NamespaceRule(HeaderRule, Protocol):
    """What the history depends on in a namespace's settings."""

    @property
    def topic(self) -> str:
        """The topic that feeds it."""

    @property
    def key(self) -> str:
        """Its key template."""

    @property
    def history_seconds(self) -> float:
        """How long a message is kept; 0 keeps none."""

    @property
    def history_messages(self) -> int:
        """How many messages of a channel are kept; 0 keeps none."""


class Keep(NamedTuple):
    """
    How much is kept of each channel of a namespace.

    Args:
        milliseconds: Since a message was written to the history.
        messages: The newest so many.
    """

    milliseconds: int
    messages: int


class Retention:
    """
    What is kept of which namespace and topic.

    Args:
        namespaces: Name → rule.
        router: Tells the namespace of a channel.
    """

    def __init__(self, namespaces: Mapping[str, NamespaceRule], router: Router) -> None:
        self._router = router
        self._keeps: dict[str, Keep] = {}
        rules: dict[str, list[str]] = {}
        for name, rule in sorted(namespaces.items()):
            keep = Keep(int(rule.history_seconds * 1000), rule.history_messages)
            if keep.milliseconds > 0 and keep.messages > 0:
                self._keeps[name] = keep
                rules.setdefault(rule.topic, []).append(_described(name, rule))
        self._fingerprints = {topic: _digest(described) for topic, described in rules.items()}
        self._milliseconds = {
            topic: tuple(
                sorted({self._keeps[name].milliseconds for name in self._keeps if namespaces[name].topic == topic})
            )
            for topic in rules
        }

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics of which anything is kept."""
        return tuple(self._fingerprints)

    @property
    def fingerprint(self) -> str:
        """Names the rules of all topics together."""
        return _digest(sorted(f"{topic} {of}" for topic, of in self._fingerprints.items()))

    def fingerprint_of(self, topic: str) -> str:
        """Names the rules of a topic of which anything is kept."""
        return self._fingerprints[topic]

    def milliseconds_of(self, topic: str) -> tuple[int, ...]:
        """For how long anything of a topic is kept: one number for each length of time, ascending."""
        return self._milliseconds[topic]

    def keep_of(self, namespace: str) -> Keep | None:
        """How much of a namespace is kept; None if nothing is."""
        return self._keeps.get(namespace)

    def keep_of_channel(self, channel: str) -> Keep | None:
        """The same by a channel's name."""
        source = self._router.source_of(channel)
        return None if source is None else self._keeps.get(source.namespace)


def _described(name: str, rule: NamespaceRule) -> str:
    """All that decides what is written; not how many messages are kept, which the entries themselves tell."""
    headers = (rule.name_header, rule.client_id_header, rule.id_header, rule.extras_header)
    return repr((FORMAT, name, rule.key, int(rule.history_seconds * 1000), *headers))


def _digest(described: list[str]) -> str:
    return hashlib.sha256("\n".join(described).encode()).hexdigest()[:8]
