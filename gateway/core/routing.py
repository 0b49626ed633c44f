"""
Which topic feeds a channel, and which channel a record is for.

A namespace is the part of a channel's name before its first colon. Its key template says how the key of a record and
the name of its channel give each other:

    [namespaces.account]  topic = "edge.accounts"  key = "{rest}"      account:8731  ⇄  edge.accounts, key 8731
    [namespaces.default]  topic = "edge.channels"  key = "{channel}"   chat:7        ⇄  edge.channels, key chat:7

Two namespaces may share a topic if the fixed text of their templates tells their keys apart; `Router` refuses others.

Source: PROTOCOL.md section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

DEFAULT = "default"
MAX_KNOWN = 50_000  # channels of a topic whose names are kept ready: by estimate 15 MB


class PoisonRecord(Exception):
    """
    A record that no channel can be made of; it is counted, logged with its coordinates and skipped.

    Args:
        reason: A word of a closed set.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NamespaceRule(Protocol):
    """What routing needs of a namespace's settings."""

    @property
    def topic(self) -> str:
        """The topic that feeds it."""

    @property
    def key(self) -> str:
        """Its key template."""


class Source(NamedTuple):
    """Where a channel's records are."""

    namespace: str
    topic: str
    key: str


class _Template(NamedTuple):
    """A key template, cut at its placeholder."""

    namespace: str
    before: str
    after: str
    is_rest: bool
    channel_prefix: str
    is_bare: bool

    def channel_of(self, key: str) -> str | None:
        if self.is_bare:
            return self.channel_prefix + key if key else None
        end = len(key) - len(self.after)
        if end <= len(self.before) or not key.startswith(self.before) or not key.endswith(self.after):
            return None
        return self.channel_prefix + key[len(self.before) : end]

    def key_of(self, channel: str) -> str:
        inner = channel
        if self.is_rest and self.namespace != DEFAULT:
            inner = channel.partition(":")[2]
        return f"{self.before}{inner}{self.after}"

    def may_meet(self, other: _Template) -> bool:
        """Whether one key could be of both."""
        heads = self.before.startswith(other.before) or other.before.startswith(self.before)
        tails = self.after.endswith(other.after) or other.after.endswith(self.after)
        return heads and tails


class Router:
    """
    Channels to topics and keys, and back.

    Args:
        namespaces: Name → rule; ``default`` is for channels of no other.

    Raises:
        ValueError: If two namespaces share a topic and their keys cannot be told apart.
    """

    def __init__(self, namespaces: Mapping[str, NamespaceRule]) -> None:
        self._templates: dict[str, _Template] = {}
        self._topics: dict[str, str] = {}
        self._known: dict[str, dict[bytes, tuple[str, str]]] = {}
        self._by_topic: dict[str, list[_Template]] = {}
        for name, rule in namespaces.items():
            template = _template(name, rule.key)
            sharing = self._by_topic.setdefault(rule.topic, [])
            for other in sharing:
                if template.may_meet(other):
                    raise ValueError(
                        f"namespaces.{name}.key: keys of topic {rule.topic} could be of namespace {other.namespace} as well; "
                        "give each template its own fixed text, or each namespace its own topic"
                    )
            sharing.append(template)
            self._templates[name] = template
            self._topics[name] = rule.topic
            self._known[rule.topic] = {}

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that feed channels."""
        return tuple(self._by_topic)

    def source_of(self, channel: str) -> Source | None:
        """Where the records of a channel are; None if no namespace has channels of this name."""
        namespace, colon, rest = channel.partition(":")
        if not colon or not rest or namespace not in self._templates or namespace == DEFAULT:
            namespace = DEFAULT
        template = self._templates.get(namespace)
        if template is None:
            return None
        return Source(namespace, self._topics[namespace], template.key_of(channel))

    def channel_of(self, topic: str, key: bytes | None) -> tuple[str, str]:
        """
        The channel that a record is for.

        Returns:
            Its namespace and its name.

        Raises:
            PoisonRecord: If the key is missing, not UTF-8, or fits no template.
        """
        if key is None:
            raise PoisonRecord("key_missing")
        known = self._known[topic]
        found = known.get(key)
        if found is None:
            if len(known) >= MAX_KNOWN:
                known.clear()
            found = known[key] = self._find_channel(topic, key)
        return found

    def _find_channel(self, topic: str, key: bytes) -> tuple[str, str]:
        try:
            text = key.decode()
        except UnicodeDecodeError:
            raise PoisonRecord("key_undecodable") from None
        for template in self._by_topic[topic]:
            channel = template.channel_of(text)
            namespace = template.namespace
            if channel is not None and (namespace != DEFAULT or self._is_home(channel)):
                return namespace, channel
        raise PoisonRecord("key_of_no_channel")

    def _is_home(self, channel: str) -> bool:
        """A record of the default topic must not speak for a channel that another namespace's topic feeds."""
        source = self.source_of(channel)
        return source is not None and source.namespace == DEFAULT


def _template(namespace: str, text: str) -> _Template:
    before, _, rest = text.partition("{")
    placeholder, _, after = rest.partition("}")
    is_rest = placeholder == "rest"
    return _Template(
        namespace,
        before,
        after,
        is_rest,
        channel_prefix=f"{namespace}:" if is_rest and namespace != DEFAULT else "",
        is_bare=not before and not after,
    )
