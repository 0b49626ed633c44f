"""No message reaches a connection that is not entitled to it, whatever it attaches to, renews and drops."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

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
from tests.core.bench import TOPIC, Rule
from tests.core.outlet import Collected, Submitted

ACCOUNTS = ("account:1", "account:10", "account:2", "account:1:cards")
PATTERNS = (*ACCOUNTS, "account:*", "account:1:*", "*", "account:1*", "other:*")
NAMES = (*ACCOUNTS, *(f"[?rewind=5]{name}" for name in ACCOUNTS), "account:*", "*", "account:", "Account:1")


def entitled(patterns: frozenset[str]) -> frozenset[str]:
    """A second, independent reading: which of the accounts the patterns name."""
    names: set[str] = set()
    for pattern in patterns:
        if pattern == "*":
            names.update(ACCOUNTS)
        elif pattern.endswith(":*"):
            head = pattern.split(":")[:-1]
            names.update(
                name for name in ACCOUNTS if name.split(":")[: len(head)] == head and len(name.split(":")) > len(head)
            )
        elif pattern in ACCOUNTS:
            names.add(pattern)
    return frozenset(names)


class Client:
    """A connection, what it may have, and what it got."""

    def __init__(self, terms: Terms, patterns: frozenset[str]) -> None:
        self.outlet = Collected()
        self.patterns = patterns
        self.session = Session(terms, self.outlet, JSON, self.principal(patterns), "c", "c!k")

    @staticmethod
    def principal(patterns: frozenset[str]) -> Principal:
        return Principal(
            app_id="bank",
            key_name=None,
            client_id="ada",
            is_wildcard=False,
            capability=Capability.parse({pattern: ["subscribe"] for pattern in patterns}),
            expires_at=None,
            method="ably_jwt",
        )

    def got(self) -> set[str]:
        """The owners of the messages that came since the last look."""
        return {json.loads(m["data"])["owner"] for frame in self.outlet.take() for m in frame.get("messages", [])}


patterns = st.frozensets(st.sampled_from(PATTERNS), min_size=1, max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_only_the_entitled_get_messages(data: st.DataObject) -> None:
    hub = Hub(Window(max_bytes=1 << 30, max_seconds=1e9, remembered_channels=100), Duplicates(1000))
    hub.begin(TOPIC, "aaaaaaaa", {0: 0}, now=0.0)
    terms = Terms(
        hub,
        Router({"account": Rule()}),
        ConnectionDetails("", 1, 1, 1, 1, "e"),
        channels_per_connection=10,
        rewind_namespaces=frozenset({"account"}),
        count_refusal=lambda _code: None,
        publishing=Submitted(),
    )
    clients = [Client(terms, data.draw(patterns)) for _ in range(3)]
    for offset in range(data.draw(st.integers(1, 30))):
        client = data.draw(st.sampled_from(clients))
        step = data.draw(st.sampled_from(["say", "say", "attach", "resume", "detach", "renew"]))
        if step == "say":
            owner = data.draw(st.sampled_from(ACCOUNTS))
            hub.accept(TOPIC, 0, offset, owner, Message(id="m", timestamp=0, data=json.dumps({"owner": owner})), 1, 0.0)
        elif step == "renew":
            client.patterns = data.draw(patterns)
            client.session.renew(Client.principal(client.patterns))
        else:
            name = data.draw(st.sampled_from(NAMES))
            action = Action.DETACH if step == "detach" else Action.ATTACH
            serial = "aaaaaaaa-v-AA" if step == "resume" else None
            client.session.receive(ProtocolMessage(action=action, channel=name, channel_serial=serial), 0.0)
        for one in clients:
            assert one.got() <= entitled(one.patterns)
