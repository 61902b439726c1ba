import math
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel import InvalidInputError, TimePeriod
from crossmodel.telemetry import MetricsCollector
from crossmodel.telemetry.buckets import DAY, HOUR, MOST_MODELS, Bucket
from crossmodel.telemetry.collector import MOST_SUMMARIES
from crossmodel.telemetry.names import OTHER
from crossmodel.telemetry.summary import ERROR, LEAST, MOST, Summary

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
EVER = TimePeriod(datetime(1970, 1, 1, tzinfo=UTC), datetime(9900, 1, 1, tzinfo=UTC))

FIGURES = st.floats(-MOST, MOST, allow_nan=False)


def whole(collector, period=EVER):
    everything = Bucket(0, 0)
    for stretch in collector.gather(period, HOUR):
        everything.merge(stretch)
    return everything


@given(st.lists(FIGURES, min_size=1), st.floats(0, 1))
def test_quantiles_are_as_near_as_they_say(figures, share):
    summary = Summary()
    for figure in figures:
        summary.add(figure)
    true = sorted(figures)[max(1, math.ceil(share * len(figures))) - 1]
    assert summary.quantile(share) == pytest.approx(true, rel=1.01 * ERROR, abs=LEAST)


@given(st.lists(FIGURES), st.lists(FIGURES))
def test_two_summaries_add_up_to_that_of_both(ones, others):
    one, other, both = Summary(), Summary(), Summary()
    for figure in ones:
        one.add(figure)
        both.add(figure)
    for figure in others:
        other.add(figure)
        both.add(figure)
    one.merge(other)
    assert (one.count, one.least, one.most) == (both.count, both.least, both.most)
    assert one.total == pytest.approx(both.total, rel=1e-9, abs=1e-3 * len(ones + others) + 1e-9)
    assert [one.quantile(q / 10) for q in range(11)] == [both.quantile(q / 10) for q in range(11)]


def test_a_summary_of_nothing_says_nothing():
    assert (Summary().mean, Summary().quantile(0.5)) == (None, None)


HOSTILE = st.one_of(
    st.floats(), st.integers(), st.text(), st.none(), st.booleans(), st.binary(),
    st.just(10**400), st.just(float("nan")), st.just(np.float32("inf")), st.just(object()),
)  # fmt: skip


@given(st.lists(st.dictionaries(st.text(), HOSTILE, max_size=5), max_size=20))
def test_whatever_comes_nothing_raises_and_what_cannot_be_reckoned_with_is_counted(metrics):
    collector = MetricsCollector(most_raw=3)
    refused = taken = 0
    for each in metrics:
        collector.record_metrics("x", each)
        for value in each.values():
            if isinstance(value, str) or value is None:
                continue
            try:
                is_figure = abs(float(value)) <= MOST
            except (TypeError, ValueError, OverflowError):
                is_figure = False
            if isinstance(value, bytes):
                is_figure = False
            taken += is_figure
            refused += not is_figure
    assert collector.refused == refused
    kept = whole(collector)
    found = [s for (_, model, _), s in kept.summaries.items() if not model]
    assert sum(summary.count for summary in found) <= taken, "two keys may be folded into one"
    assert all(math.isfinite(summary.total) for summary in found)


def test_numbers_of_numpy_are_numbers():
    collector = MetricsCollector()
    collector.record_metrics("x", {"a": np.float32(1.5), "b": np.int64(3), "c": np.bool_(1)})
    assert whole(collector).of("x", "a").total == 1.5
    assert whole(collector).of("x", "b").total == 3.0


def test_a_name_is_needed():
    with pytest.raises(InvalidInputError, match="name"):
        MetricsCollector().record_metrics(" ", {"a": 1})


@given(st.lists(st.tuples(st.integers(0, 400 * 24), FIGURES), max_size=60), st.integers(1, 20))
def test_rolling_up_loses_no_figure_whatever_the_order_of_times(seen, most_raw):
    collector = MetricsCollector(most_raw=most_raw)
    start = NOON.timestamp()
    for hours, figure in seen:
        collector.record_metrics("x", {"figure": figure}, at=start + hours * HOUR)
    kept = whole(collector).of("x", "figure")
    assert kept.count == len(seen)
    assert kept.total == pytest.approx(sum(figure for _, figure in seen), rel=1e-6, abs=1e3)


def test_what_is_older_than_two_days_is_kept_by_the_day():
    collector = MetricsCollector(most_raw=1)
    for hours in range(24 * 10):
        at = (NOON + timedelta(hours=hours)).timestamp()
        collector.record_metrics("x", {"count": 1}, at=at)
    lengths = [bucket.seconds for bucket in collector.gather(EVER, HOUR)]
    assert lengths.count(DAY) == 9
    assert lengths.count(HOUR) <= 24 * 3
    assert whole(collector).of("x", "count").total == 240


def test_a_period_takes_in_the_whole_of_an_hour_that_is_rolled_up_and_of_no_other():
    collector = MetricsCollector(most_raw=2)
    for minutes in (10, 50, 70, 130, 131):
        at = (NOON + timedelta(minutes=minutes)).timestamp()
        collector.record_metrics("x", {"count": 1}, at=at)
    period = TimePeriod(NOON + timedelta(minutes=30), NOON + timedelta(minutes=130))
    stretches = collector.gather(period, HOUR)
    counts = {each.starts_at.hour: each.of("x", "count").total for each in stretches}
    assert counts == {12: 2, 13: 1, 14: 1}
    assert [each.is_whole for each in stretches] == [True, True, False]


def test_memory_is_bounded_whatever_the_names_models_keys_and_times():
    collector = MetricsCollector(most_raw=10)
    start = NOON.timestamp()
    for n in range(6000):
        metrics = {f"key {n % 97}": n, "model_id": f"model {n}\ud800"}
        collector.record_metrics(f"name {n % 89}", metrics, at=start + n * 600)
    stretches = collector.gather(EVER, HOUR)
    assert sum(map(len, stretches)) <= MOST_SUMMARIES + 10 * 4
    assert all(len(list(s.models("name 1"))) <= MOST_MODELS + 1 for s in stretches)
    names = {name for each in stretches for name, _, _ in each.summaries}
    assert len(names) <= 33
    assert OTHER in names


def test_a_time_that_is_none_is_now():
    collector = MetricsCollector()
    for at in (math.nan, math.inf, -1.0, 1e300):
        collector.record_metrics("x", {"count": 1}, at=at)
    assert whole(collector, TimePeriod.last(timedelta(minutes=1))).of("x", "count").total == 4


def test_threads_lose_nothing():
    collector = MetricsCollector(most_raw=50)

    def work():
        for n in range(500):
            collector.record_metrics("x", {"count": 1, "n": n, "model_id": f"m{n % 3}"})
            if n % 100 == 0:
                collector.gather(EVER, HOUR)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert whole(collector).of("x", "count").total == 2000
