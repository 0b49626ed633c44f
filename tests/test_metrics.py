"""Metrics: plain ints in, Prometheus text out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from auth import errors as auth_errors
from gateway import errors as gateway_errors
from gateway.metrics.counts import DELIVERY_SECONDS, Counts, Histogram
from gateway.metrics.exposition import exposition, registry_of
from gateway.metrics.readings import Readings, TopicLag
from gateway.metrics.reasons import OTHER, REFUSALS


def scrape(counts: Counts, **readings: Any) -> dict[tuple[str, str], float]:
    """Name and first label value → value, as Prometheus reads them."""
    text = exposition(registry_of(counts, lambda: Readings(**readings), "1.2.3")).decode()
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counts_and_readings_are_what_a_scrape_shows() -> None:
    """One scrape has both what happened and what is."""
    counts = Counts()
    counts.connections_opened += 3
    counts.writes += 5

    shown = scrape(
        counts, is_ready=True, connections=2, deliveries=7, tail={"account": TopicLag("edge.accounts", 4, 0.5, 9_000)}
    )

    assert shown["lastmile_connections_opened_total", ""] == 3
    assert shown["lastmile_writes_total", ""] == 5
    assert shown["lastmile_ready", ""] == 1
    assert shown["lastmile_connections", ""] == 2
    assert shown["lastmile_deliveries_total", ""] == 7
    assert shown["lastmile_tail_lag_records", "account"] == 4
    assert shown["lastmile_tail_lag_seconds", "account"] == 0.5
    assert shown["lastmile_tail_as_of_timestamp_seconds", "account"] == 9
    assert shown["lastmile_version_info", "1.2.3"] == 1


def test_the_process_is_shown_too() -> None:
    """Memory and processor time need no exporter of their own."""
    assert scrape(Counts())["process_resident_memory_bytes", ""] > 0


def test_refusals_are_counted_by_reason() -> None:
    """By a word for each code of the wire."""
    counts = Counts()
    counts.refused(40160)
    counts.refused(40160)
    counts.refused(40142)

    shown = scrape(counts)

    assert shown["lastmile_refusals_total", "capability"] == 2
    assert shown["lastmile_refusals_total", "token_expired"] == 1


def test_failed_checks_are_counted_by_what_was_wrong() -> None:
    """The client does not hear it; the operator must, or nobody can put a token right."""
    counts = Counts()
    counts.failed(auth_errors.TokenRefused("audience").reason)

    assert scrape(counts)["lastmile_authentication_failures_total", "audience"] == 1


def test_reasons_are_a_closed_set() -> None:
    """Whatever comes, no new label appears: a label is memory in every Prometheus."""
    before = set(scrape(Counts()))
    counts = Counts()
    counts.refused(12345)
    counts.poisoned("no word of ours")
    counts.poisoned("key_missing")

    shown = scrape(counts)

    assert set(shown) == before
    assert shown["lastmile_refusals_total", OTHER] == 1
    assert shown["lastmile_poison_records_total", OTHER] == 1
    assert shown["lastmile_poison_records_total", "key_missing"] == 1


@pytest.mark.parametrize("module", [auth_errors, gateway_errors])
def test_every_error_of_ours_has_a_reason(module: Any) -> None:
    """A new wire code gets its word here."""
    codes = {error.code for error in vars(module).values() if isinstance(error, type) and hasattr(error, "code")}

    assert codes - set(REFUSALS) <= {40100, 50000, 90000}  # the roots of the trees, which nobody raises


def test_a_value_on_a_bound_belongs_below_it() -> None:
    """As Prometheus defines `le`."""
    histogram = Histogram((1.0, 2.0))

    histogram.observe(1.0)
    histogram.observe(1.5, 3)
    histogram.observe(9.0)
    histogram.observe(-4.0)

    assert histogram.counts == [2, 3, 1]
    assert histogram.total == pytest.approx(1.0 + 4.5 + 9.0)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5)), max_size=30))
def test_buckets_are_cumulative_and_complete(observed: list[tuple[float, int]]) -> None:
    """Each bucket counts what is at most its bound; the last one counts everything."""
    counts = Counts()
    for seconds, times in observed:
        counts.delivery.observe(seconds, times)

    shown = scrape(counts)

    for bound in DELIVERY_SECONDS:
        assert shown["lastmile_delivery_seconds_bucket", str(bound)] == sum(
            times for seconds, times in observed if seconds <= bound
        )
    assert shown["lastmile_delivery_seconds_bucket", "+Inf"] == sum(times for _, times in observed)
    assert shown["lastmile_delivery_seconds_count", ""] == sum(times for _, times in observed)
