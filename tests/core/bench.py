"""A session on a hub without sockets, and what is said to it."""

from __future__ import annotations

from typing import Any

from auth.capability import Capability
from auth.principal import Principal
from gateway.core.duplicates import Duplicates
from gateway.core.hub import Hub
from gateway.core.message import Message
from gateway.core.routing import Router
from gateway.core.session import Session
from gateway.core.terms import Terms
from gateway.core.window import Window
from gateway.core.wire import JSON, Action, ConnectionDetails, ProtocolMessage
from tests.core.outlet import Collected, Submitted

TOPIC = "edge.accounts"
LIFE = "aaaaaaaa"


class Rule:
    """A namespace's part in routing."""

    topic = TOPIC
    key = "{rest}"


def principal_of(capability: dict[str, list[str]], client_id: str | None = "ada") -> Principal:
    return Principal(
        app_id="bank",
        key_name="bank.server",
        client_id=client_id,
        is_wildcard=False,
        capability=Capability.parse(capability),
        expires_at=None,
        method="ably_jwt",
    )


class Bench:
    """A session on a hub, and what it said."""

    def __init__(
        self, capability: dict[str, list[str]] | None = None, channels: int = 200, *, is_read: bool = True
    ) -> None:
        self.hub = Hub(Window(max_bytes=1 << 30, max_seconds=60.0, remembered_channels=100), Duplicates(1000))
        if is_read:
            self.hub.begin(TOPIC, LIFE, {0: 0}, now=0.0)
        self.refusals: list[int] = []
        self.submitted = Submitted()
        self.terms = Terms(
            self.hub,
            Router({"account": Rule()}),
            ConnectionDetails("", 65536, 262144, 120000, 15000, "edge-1"),
            channels_per_connection=channels,
            rewind_namespaces=frozenset({"account"}),
            count_refusal=self.refusals.append,
            publishing=self.submitted,
        )
        self.outlet = Collected()
        self.session = self.new_session(self.outlet, capability or {"*": ["*"]})

    def new_session(self, outlet: Collected, capability: dict[str, list[str]]) -> Session:
        return Session(self.terms, outlet, JSON, principal_of(capability), "conn-1", "conn-1!key")

    def say(self, channel: str, offset: int, now: float = 0.0, timestamp_ms: int = 0) -> None:
        self.hub.accept(
            TOPIC, 0, offset, channel, Message(id=f"{TOPIC}:0:{offset}", timestamp=timestamp_ms, data="x"), 10, now
        )

    def send(self, action: Action, now: float = 0.0, **fields: Any) -> list[dict[str, Any]]:
        self.session.receive(ProtocolMessage(action=action, **fields), now)
        self.outlet.have_turns(self.hub)
        return self.outlet.take()

    def attach(self, channel: str = "account:1", now: float = 0.0, **fields: Any) -> dict[str, Any]:
        answer, *backlog = self.send(Action.ATTACH, now, channel=channel, **fields)
        self.backlog = [message["messages"][0]["id"].rpartition(":")[2] for message in backlog]
        return answer


def serial_at(offset: int) -> str:
    return f"{LIFE}-00000-{offset:016d}"
