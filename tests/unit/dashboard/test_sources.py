"""The figures of the traffic, made of outcomes."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.dashboard.sources import BUCKETS, summed
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.period import TimePeriod
from crossmodel.domain.selection import Outcome

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = TimePeriod(NOW - timedelta(hours=24), NOW)
DEAR = ModelSpec("dear", "p", input_price=10, output_price=10)
CHEAP = ModelSpec("cheap", "p", input_price=1, output_price=1)
FREE = ModelSpec("free", "p")


def outcome(model="cheap", *, hours=1.0, **more):
    more = {"success": True, "cost_usd": 0.01, "latency_ms": 100.0, **more}
    number = more.pop("request_id", f"{model} {hours}")
    return Outcome(number, model, recorded_at=NOW - timedelta(hours=hours), **more)


def test_the_baseline_is_the_same_tokens_of_the_dearest_model():
    found = summed([outcome(), outcome("dear", hours=2)], DAY, [DEAR, CHEAP])
    assert found.requests == 2
    assert found.cost_usd == pytest.approx(0.02)
    assert found.baseline_usd == pytest.approx(0.1 + 0.01)
    assert "dear" in found.assumption


def test_without_prices_there_is_no_baseline():
    assert summed([outcome("free", cost_usd=0.0)], DAY, [DEAR, FREE]).baseline_usd is None
    assert summed([outcome("gone")], DAY, [DEAR]).baseline_usd is None
    assert summed([], DAY, [DEAR]).baseline_usd is None


def test_answers_from_the_cache_cost_nothing_in_both():
    found = summed([outcome(source="cache", cost_usd=0.0)], DAY, [DEAR, CHEAP])
    assert (found.requests, found.cost_usd, found.baseline_usd) == (1, 0.0, 0.0)


def test_feedback_is_no_request_and_its_last_word_counts():
    said = [
        outcome(
            hours=1, source="feedback", score=1.0, request_id="r", cost_usd=None, latency_ms=None
        ),
        outcome(
            hours=2, source="feedback", score=0.0, request_id="r", cost_usd=None, latency_ms=None
        ),
        outcome(hours=3, request_id="r"),
    ]
    found = summed(said, DAY, [DEAR, CHEAP])
    assert found.requests == 1
    assert (found.models["cheap"].score, found.models["cheap"].scored) == (1.0, 1)


def test_failures_and_quantiles():
    outcomes = [
        outcome(hours=n / 10, latency_ms=float(n), success=n % 2 == 0) for n in range(1, 101)
    ]
    found = summed(outcomes, DAY, [CHEAP])
    assert found.error_rate == 0.5
    assert found.models["cheap"].latency_p50_ms == 50.0
    assert found.models["cheap"].latency_p95_ms == 95.0


def test_what_is_outside_of_the_period_is_left_out():
    found = summed([outcome(hours=25), outcome(hours=-1)], DAY, [CHEAP])
    assert (found.requests, sum(found.per_bucket)) == (0, 0)
    assert found.error_rate is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["cheap", "dear", "gone"]),
            st.floats(0, 24),
            st.booleans(),
            st.none() | st.floats(0, 1e6),
            st.none() | st.floats(0, 1e6),
            st.none() | st.floats(0, 1),
            st.sampled_from(["engine", "cache", "feedback"]),
        ),
        max_size=40,
    )
)
def test_figures_of_anything_add_up(rows):
    outcomes = [
        outcome(
            m, hours=h, success=ok, cost_usd=c, latency_ms=ms, score=s, source=w, request_id=str(n)
        )
        for n, (m, h, ok, c, ms, s, w) in enumerate(rows)
    ]
    found = summed(outcomes, DAY, [DEAR, CHEAP])
    assert found.requests == sum(found.per_bucket) == sum(m.requests for m in found.models.values())
    assert len(found.per_bucket) == BUCKETS
    assert found.failures <= found.requests
    assert math.isclose(
        found.cost_usd, sum(m.cost_usd for m in found.models.values()), abs_tol=1e-6
    )
    for each in found.models.values():
        assert each.score is None or 0 <= each.score <= 1
        assert (each.latency_p50_ms or 0) <= (each.latency_p95_ms or 0)


def test_a_period_of_no_length_is_no_division_by_nothing():
    found = summed([outcome(hours=0)], TimePeriod(NOW, NOW), [CHEAP])
    assert found.requests == 1
