"""A run in words: the table, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.run import Outcome
from tests.checker.verdicts import Verdict

FINDINGS = 5
_TIERS = {
    "deliveries counted by edges": "lastmile_deliveries_total",
    "of them out of the history": 'lastmile_replayed_messages_total{tier="history"}',
    "of them out of Kafka": 'lastmile_replayed_messages_total{tier="kafka"}',
    "replays": "lastmile_replays_total",
    "passes over a partition": "lastmile_scans_total",
    "sockets that filled up": "lastmile_suspensions_total",
}


def table(outcome: Outcome) -> Iterator[str]:
    """Lines: verdicts, then what was delivered by whom, then what was done."""
    found = outcome.judgement
    yield f"seed {outcome.plan.seed}, {outcome.seconds:.0f} s"
    for verdict in Verdict:
        yield _line(verdict.value, found.counts[verdict])
    yield _line("deliveries judged", found.deliveries)
    for name, metric in _TIERS.items():
        yield _line(name, int(outcome.edges[metric]))
    yield _line("attached, resumed", found.resumed)
    yield _line("of them by a cursor", found.kept)
    yield _line("came again, by a cursor", found.repeated)
    for (namespace, code), count in sorted(found.told.items(), key=str):
        yield _line(f"losses told, {namespace} {code}", count)
    yield _line("messages in told losses", found.told_messages)
    yield _line("early, of a new life", found.early)
    for code, count in outcome.refused.items():
        yield _line(f"detached with {code}", count)
    yield _line("answers judged", found.answers)
    for name, count in sorted(outcome.said.items()):
        yield _line(f"said, {name}", count)
    for counts in (outcome.written, outcome.faults):
        for name, count in sorted(counts.items()):
            yield _line(name, count)


def complaint(outcome: Outcome) -> str:
    """What went wrong, with excerpts of clients' logs, and how to see it again."""
    found = [str(finding) for finding in outcome.judgement.findings[:FINDINGS]]
    return "\n\n".join(
        [f"seed {outcome.plan.seed}: make chaos SEED={outcome.plan.seed}", *outcome.failures[:FINDINGS], *found]
    )


def _line(name: str, count: int) -> str:
    return f"  {name:32} {count:>12,}"
