"""Figures from sums: right where that can be told, and within their bound where it cannot."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel import PerformanceReport, TimePeriod
from crossmodel.calibration import wilson_interval
from crossmodel.domain.traffic import (
    BUCKETS,
    DAY,
    LATENCY_BOUNDS,
    NANO,
    SUMS,
    Traffic,
    TrafficSums,
    bucket_of,
    minute_of,
    nano,
)
from crossmodel.performance import figures_of, percentile_ms, performance_report

PERIOD = TimePeriod(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC))
START = int(PERIOD.start.timestamp())

sums = st.builds(
    TrafficSums,
    **{name: st.integers(0, 2**40) for name in SUMS},
    latencies=st.lists(st.integers(0, 2**40), min_size=BUCKETS, max_size=BUCKETS),
)


@given(
    st.lists(st.floats(1.0, LATENCY_BOUNDS[-1]), min_size=1, max_size=300),
    st.sampled_from([1, 50, 95, 99, 100]),
)
def test_percentiles_are_within_their_bound(latencies, percent):
    counts = [0] * BUCKETS
    for each in latencies:
        counts[bucket_of(each)] += 1
    exact = sorted(latencies)[math.ceil(percent / 100 * len(latencies)) - 1]
    assert percentile_ms(counts, percent) == pytest.approx(exact, rel=0.0906)


def test_percentiles_of_nothing_and_of_what_no_bucket_bounds():
    assert percentile_ms([0] * BUCKETS, 50) is None
    for latency, told in ((0.001, 1.0), (-5.0, 1.0), (1e12, LATENCY_BOUNDS[-1])):
        counts = [0] * BUCKETS
        counts[bucket_of(latency)] += 1
        assert percentile_ms(counts, 99) == told
    assert bucket_of(math.inf) == BUCKETS - 1


@given(st.floats(1.0, LATENCY_BOUNDS[-1]))
def test_every_latency_lies_within_its_bucket(latency):
    bucket = bucket_of(latency)
    assert latency <= LATENCY_BOUNDS[bucket]
    assert bucket == 0 or latency > LATENCY_BOUNDS[bucket - 1]


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([1.0, 10_000.0]))
def test_a_figure_in_billionths_is_whole_and_bounded(value, most):
    found = nano(value, most)
    assert type(found) is int
    assert 0 <= found <= most * NANO
    if 0 <= value <= most:
        assert abs(found / NANO - value) <= 1e-9


@given(sums, sums, sums)
def test_sums_add_up_in_any_order(one, two, three):
    assert TrafficSums.of([one, two, three]) == TrafficSums.of([three, one, two])
    whole = TrafficSums.of([one, TrafficSums()])
    assert whole == one
    assert whole is not one


def test_the_minute_of_a_moment():
    moment = datetime(2026, 11, 1, 10, 20, 59, 999_999, tzinfo=UTC)
    assert minute_of(moment) == moment.replace(second=0, microsecond=0).timestamp()
    assert minute_of(datetime(1, 1, 1, tzinfo=UTC)) == 0
    assert minute_of(datetime.max.replace(tzinfo=UTC)) == 253_402_300_740


def test_figures_of_nothing():
    found = figures_of(TrafficSums())
    assert (found.requests, found.error_rate, found.mean_score) == (0, None, None)
    assert (found.latency_p50_ms, found.score_interval) == (None, (0.0, 1.0))


def test_figures_of_some_requests():
    found = figures_of(
        TrafficSums(
            requests=8, errors=2, cost_nano=NANO // 4, baseline_nano=NANO, scores=4,
            score_nano=3 * NANO,
        )
    )  # fmt: skip
    assert found.error_rate == 0.25
    assert (found.cost_usd, found.baseline_usd, found.saved_usd) == (0.25, 1.0, 0.75)
    assert found.mean_score == 0.75
    assert found.score_interval == tuple(wilson_interval(3.0, 4))


@given(st.dictionaries(st.tuples(st.integers(0, 5), st.text(max_size=3)), sums, max_size=8))
def test_a_report_adds_up(steps):
    traffic = Traffic(PERIOD, DAY, {(START + DAY * n, m): each for (n, m), each in steps.items()})
    report = performance_report(traffic)
    whole = TrafficSums.of(steps.values())
    assert report.total == figures_of(whole)
    assert report.time_period == PERIOD
    asked = {model for (_, model), each in steps.items() if each.requests or each.cost_nano > 0}
    assert asked <= set(report.models) <= {model for _, model in steps}
    assert list(report.models) == sorted(report.models)
    assert sum(each.requests for each in report.models.values()) == whole.requests
    assert sum(point.figures.requests for point in report.trend) == whole.requests
    assert [point.start for point in report.trend] == sorted(p.start for p in report.trend)
    assert report.selections.count == whole.requests
    assert report.extractions.insights == whole.insights
    assert report.transfers.count == whole.transfers
    assert report.to_dict()["total"]["requests"] == whole.requests


def test_means_are_of_what_was_counted():
    one = TrafficSums(
        requests=4, selection_us=8_000, suitability_nano=2 * NANO, extractions=2,
        extraction_us=3_000, insights=10, confidence_nano=9 * NANO, transfers=4, transferred=2,
        withheld=1, handed_over=6, handed_tokens=50, quality_nano=NANO,
    )  # fmt: skip
    report = performance_report(Traffic(PERIOD, DAY, {(START, "m"): one}))
    assert (report.selections.mean_latency_ms, report.selections.mean_suitability) == (2.0, 0.5)
    assert (report.extractions.mean_confidence, report.extractions.mean_latency_ms) == (0.9, 1.5)
    transfers = report.transfers
    assert (transfers.success_rate, transfers.mean_quality) == (0.5, 0.5)
    assert (transfers.withheld, transfers.insights, transfers.tokens) == (1, 6, 50)
    assert report.trend[0].start == PERIOD.start


def test_an_empty_report_is_plain_values():
    empty = PerformanceReport(PERIOD).to_dict()
    assert empty["models"] == {}
    assert empty["transfers"]["success_rate"] is None
    assert empty["time_period"]["start"] == "2026-11-01T00:00:00+00:00"
