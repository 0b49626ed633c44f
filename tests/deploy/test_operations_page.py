"""docs/operations.md and deploy/alerts.yaml in step with the code: metrics, reasons, alerts, and an entry for each ERROR."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from gateway.metrics.collector import EdgeCollector
from gateway.metrics.counts import Counts
from gateway.metrics.exposition import registry_of
from gateway.metrics.readings import Readings, TopicLag
from gateway.metrics.reasons import OTHER, POISONS, REFUSALS
from gateway.settings import settings_table
from tests.testbed.process import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
ALERTS = [
    rule for group in yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]


def one_topic() -> Readings:
    """Of an edge that reads one topic."""
    return Readings(tail={"account": TopicLag("edge.accounts", 0, 0.0)}, history_lags={"edge.accounts": 0})


def section(title: str) -> str:
    """What stands under a heading of the second level."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return found


def entries(title: str) -> list[str]:
    """Headings of the third level within a section."""
    return re.findall(r"^### (.+)$", section(title), re.MULTILINE)


def registry() -> CollectorRegistry:
    """Its metrics."""
    return registry_of(Counts(), one_topic, "1.2.3")


# ---------------------------------------------------------------------- metrics


def test_the_table_of_metrics_is_that_of_the_code() -> None:
    """Name, type, labels and meaning of each, in the order in which they are shown."""
    collector = EdgeCollector(Counts(), one_topic, "1.2.3")
    expected = []
    for family in collector.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        expected.append(f"| `{name}` | {family.type} | {', '.join(sorted(labels))} | {family.documentation} |")

    assert [line for line in section("Metrics").splitlines() if line.startswith("| `lastmile_")] == expected


def test_the_reasons_are_those_of_the_code() -> None:
    """Of refusals with their codes, of poison by name."""
    rows = re.findall(r"^\| `(\w+)` \| (\d+|any other) \|$", section("Metrics"), re.MULTILINE)
    (poisons,) = re.findall(r"^Reasons of `lastmile_poison_records_total`: (.+)\.$", section("Metrics"), re.MULTILINE)

    assert rows == [*((reason, str(code)) for code, reason in REFUSALS.items()), (OTHER, "any other")]
    assert re.findall(r"`(\w+)`", poisons) == [*sorted(POISONS), OTHER]


# ---------------------------------------------------------------------- alerts


def test_every_alert_has_its_entry() -> None:
    """And no entry is for an alert that nobody gets."""
    assert entries("Alerts") == [alert["alert"] for alert in ALERTS]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_every_metric_of_an_alert_exists(alert: dict[str, Any]) -> None:
    """With the labels and reasons that it is asked by."""
    shown = {sample.name for family in registry().collect() for sample in family.samples} | {"up"}
    asked = set(re.findall(r"\b(?:lastmile_|process_|up\b)\w*", re.sub(r'"[^"]*"', "", alert["expr"])))
    reasons = {reason for found in re.findall(r'reason=~?"([^"]+)"', alert["expr"]) for reason in found.split("|")}

    assert asked
    assert asked - shown == set()
    assert reasons <= set(REFUSALS.values())


# ---------------------------------------------------------------------- the log


def error_sentences() -> Iterator[str]:
    """What the code logs at level ERROR."""
    for package in ("auth", "gateway"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                match node:
                    case ast.Call(
                        func=ast.Attribute(attr="error" | "exception" | "critical", value=ast.Name(id="_log"))
                    ):
                        yield ast.literal_eval(node.args[0])


def test_every_error_in_the_log_has_its_entry() -> None:
    """ERROR means that somebody must act; the page says how."""
    assert sorted(entries("Errors in the log")) == sorted(set(error_sentences()))


# ---------------------------------------------------------------------- names


def test_every_setting_that_is_named_exists() -> None:
    """By its full name."""
    sections = "server|limits|window|history|replay|kafka|redis|log"
    named = set(re.findall(rf"`((?:{sections})\.[a-z_]+)`", PAGE))
    known = set(re.findall(r"^\| `([^`]+)` \|", settings_table(), re.MULTILINE))

    assert named
    assert named - known == set()


def test_every_place_that_is_linked_exists() -> None:
    """Headings of the page, and files beside it."""
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    }
    links = re.findall(r"\]\(([^)]+)\)", PAGE)

    assert {link[1:] for link in links if link.startswith("#")} - anchors == set()
    assert [link for link in links if not link.startswith("#") and not (ROOT / "docs" / link).exists()] == []
