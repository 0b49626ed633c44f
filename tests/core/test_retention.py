"""What of which channel is kept, and which settings make another history of it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.retention import Keep, Retention
from gateway.core.routing import Router
from gateway.settings import Namespace

TOPIC = "edge.accounts"


def retention_of(**namespaces: dict[str, Any]) -> Retention:
    rules = {name: Namespace(**{"topic": TOPIC, **settings}) for name, settings in namespaces.items()}
    return Retention(rules, Router(rules))


def test_each_namespace_has_its_own_measure() -> None:
    retention = retention_of(
        account={"key": "a{rest}", "history_seconds": 60, "history_messages": 5},
        card={"key": "c{rest}", "history_seconds": 0.5},
        chat={"topic": "edge.chats", "history_messages": 0},
    )

    assert retention.keep_of_channel("account:1") == Keep(60_000, 5)
    assert retention.keep_of_channel("card:1") == Keep(500, 1000)
    assert retention.keep_of_channel("chat:1") is None
    assert retention.keep_of_channel("nobody's") is None
    assert retention.topics == (TOPIC,)
    assert retention.milliseconds_of(TOPIC) == (500, 60_000)


def test_equal_settings_make_one_history_in_whatever_order() -> None:
    one = retention_of(account={"key": "a{rest}"}, card={"key": "c{rest}"})
    other = retention_of(card={"key": "c{rest}"}, account={"key": "a{rest}"})

    assert one.fingerprint_of(TOPIC) == other.fingerprint_of(TOPIC)
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"key": "x{rest}"},
        {"history_seconds": 61},
        {"name_header": "kind"},
        {"client_id_header": "who"},
        {"id_header": "id"},
        {"extras_header": "extras"},
    ],
)
def test_what_would_be_written_otherwise_is_another_history(change: dict[str, Any]) -> None:
    before = {"key": "a{rest}", "history_seconds": 60}

    assert retention_of(account=before).fingerprint_of(TOPIC) != retention_of(account=before | change).fingerprint_of(
        TOPIC
    )


def test_a_namespace_that_is_added_makes_another_history() -> None:
    """Its records were passed until now, and must not look as if there had been none."""
    one = retention_of(account={"key": "a{rest}"})
    both = retention_of(account={"key": "a{rest}"}, card={"key": "c{rest}"})

    assert one.fingerprint_of(TOPIC) != both.fingerprint_of(TOPIC)


def test_what_does_not_change_what_is_written_leaves_the_history() -> None:
    """The entries themselves tell how many were kept; another topic's namespaces do not matter."""
    before = retention_of(account={})
    after = retention_of(account={"history_messages": 7, "rewind": False}, chat={"topic": "edge.chats"})

    assert before.fingerprint_of(TOPIC) == after.fingerprint_of(TOPIC)
