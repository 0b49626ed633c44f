"""The short mode: one round of everything at once, and a hundred thousand deliveries without a fault."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from random import SystemRandom

import pytest

from tests.chaos.plan import short
from tests.chaos.report import complaint, table
from tests.chaos.run import Outcome, run_chaos

DELIVERIES = 100_000
FAULTS = (
    "kill edge", "drain edge", "flush redis", "restart redis", "remove redis", "silence redis", "restart broker",
    "leaders moved", "trim", "recreate", "clients cut", "clients away", "clients slow", "clients attached again", "clients detached",
)  # fmt: skip


@pytest.mark.timeout(600)  # a minute and a half; six times that where other work takes the machine
def test_nobody_is_wronged_whatever_happens(tmp_path: Path) -> None:
    """The seed is another one each time; LASTMILE_CHAOS_SEED draws one again."""
    seed = int(os.environ.get("LASTMILE_CHAOS_SEED") or SystemRandom().randrange(1_000_000))

    outcome = run_chaos(tmp_path, short(seed), print)

    print("\n".join(table(outcome)))  # noqa: T201  # pytest shows it if this fails
    assert outcome.is_clean, complaint(outcome)
    assert outcome.judgement.deliveries >= DELIVERIES
    assert untried(outcome) == []


def untried(outcome: Outcome) -> list[str]:
    """What was not exercised, so that nothing is proven of it."""
    edges, judgement = outcome.edges, outcome.judgement
    happened = {
        **{fault: outcome.faults[fault] for fault in FAULTS},
        "aborted transactions": outcome.written["transactions aborted"],
        "live, or out of the window": edges["lastmile_deliveries_total"] - replayed(edges),
        "out of the history": edges['lastmile_replayed_messages_total{tier="history"}'],
        "out of Kafka": edges['lastmile_replayed_messages_total{tier="kafka"}'],
        "sockets that filled up": edges["lastmile_suspensions_total"],
        "and had got everything": edges["lastmile_catch_ups_total"],
        "went on by a cursor": judgement.kept,
        "publications acknowledged": outcome.said["acknowledged"],
        "publications sent again": outcome.said["sent again"],
        "copies in Kafka": outcome.said["copies"],
        "told that records were deleted": judgement.told["trimmed", 80006],
        "told that the topic was recreated": judgement.told["reborn", 90003],
    }
    return [what for what, count in happened.items() if count <= 0]


def replayed(edges: Counter[str]) -> float:
    """Deliveries out of what lies before the window."""
    return sum(edges[f'lastmile_replayed_messages_total{{tier="{tier}"}}'] for tier in ("history", "kafka"))
