"""Error rates and performance: alarms only where it is sure."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel import ErrorRateHealthCheck, PerformanceHealthCheck
from crossmodel.calibration import wilson_interval
from crossmodel.domain.models import ModelCapability, ModelSpec
from crossmodel.domain.period import utc_now
from crossmodel.domain.selection import ModelSelection, TaskRequirement
from crossmodel.errors import InvalidInputError
from crossmodel.gateway.control.figures import TrafficWindow
from crossmodel.gateway.metrics import Metrics
from crossmodel.gateway.served import Served
from crossmodel.telemetry.health.figures import RequestFigures


def rates(errors, requests, **more):
    return ErrorRateHealthCheck(lambda: {"": RequestFigures(requests, errors)}, **more).check()


@pytest.mark.parametrize(
    ("errors", "requests", "is_healthy"),
    [(0, 0, True), (1, 2, True), (2, 2, True), (19, 19, True), (20, 20, False), (60, 100, False),
     (5, 100, True), (8, 100, True), (20, 100, False), (500, 10_000, True), (600, 10_000, False)],
)  # fmt: skip
def test_a_rate_is_too_high_only_if_that_is_sure(errors, requests, is_healthy):
    assert rates(errors, requests).is_healthy is is_healthy


@given(st.integers(1, 10**9), st.data())
def test_it_is_as_the_interval_says(requests, data):
    errors = data.draw(st.integers(0, requests))
    result = rates(errors, requests, minimum_requests=1, max_error_rate=0.2)
    assert result.is_healthy == (wilson_interval(errors, requests).low <= 0.2)


def test_it_names_the_model_that_fails():
    figures = {
        "": RequestFigures(1000, 60),
        "a": RequestFigures(900, 0),
        "b": RequestFigures(100, 60),
    }
    result = ErrorRateHealthCheck(lambda: figures).check()
    assert [each.subject for each in result.findings] == ["b"]
    assert "60 of 100 requests failed (60.0%" in result.error
    assert result.to_dict()["details"]["a"]["requests"] == 900


@pytest.mark.parametrize(
    ("figures", "finds"),
    [
        (RequestFigures(100, 0, 900.0), ""),
        (RequestFigures(100, 0, 1100.0), "took 1100 ms or longer"),
        (RequestFigures(100, 0, math.inf), "took inf ms"),
        (RequestFigures(19, 0, 5000.0), ""),
        (RequestFigures(100, 12, 10.0), ""),
        (RequestFigures(100, 40, 10.0), "60 of 100 requests succeeded"),
        (RequestFigures(0, 0), ""),
    ],
)
def test_latency_and_success_have_targets(figures, finds):
    check = PerformanceHealthCheck(
        lambda: {"m": figures}, max_latency_p95_ms=1000, min_success_rate=0.9
    )
    result = check.check()
    assert result.is_healthy is (not finds)
    assert finds in (result.error or "")
    result.to_dict()


@pytest.mark.parametrize(
    "arguments", [(-1, 0), (1, 2), (math.nan, 0), (math.inf, 1), (1, 0, math.nan), ("1", 0)]
)
def test_figures_that_cannot_be_are_refused(arguments):
    with pytest.raises(InvalidInputError):
        RequestFigures(*arguments)


@pytest.mark.parametrize("more", [
    {"max_error_rate": 1.5}, {"max_error_rate": math.nan}, {"minimum_requests": 0},
])  # fmt: skip
def test_limits_that_cannot_be_are_refused(more):
    with pytest.raises(InvalidInputError, match=next(iter(more))):
        ErrorRateHealthCheck(**more)


def served(status, model="m", latency_ms=50.0):
    made = Served(
        id="r", tenant="t", key=None, path="/v1/chat/completions", dialect=None, request=b"{}",
        selection=ModelSelection(model, TaskRequirement([ModelCapability.CODING]), 1.0),
        model=ModelSpec(model, "p"), started_at=utc_now(), status=status,
    )  # fmt: skip
    made.latency_ms = latency_ms
    return made


def test_a_window_counts_only_what_lies_within_it():
    now = [0.0]
    metrics = Metrics()
    window = TrafficWindow(metrics, 300, lambda: now[0])

    def count(status, n, **more):
        for _ in range(n):
            metrics.served(served(status, **more))

    count(500, 10)
    count(200, 30)
    count(499, 5)
    count(429, 5)
    assert window()["m"] == window()[""]
    assert (window()[""].requests, window()[""].errors) == (50, 10)
    for _ in range(6):
        now[0] += 60
        figures = window()
    assert (figures[""].requests, figures[""].errors) == (0, 0)
    count(503, 2, model="other")
    assert window()["other"].errors == 2
    assert window()["m"].requests == 0


@given(st.lists(st.floats(0, 200_000), min_size=1, max_size=200))
def test_the_percentile_lies_in_the_bucket_of_the_true_one(latencies):
    from bisect import bisect_left

    from crossmodel.gateway.metrics import DURATION_BOUNDS_MS

    metrics = Metrics()
    window = TrafficWindow(metrics, 300)
    for each in latencies:
        metrics.served(served(200, latency_ms=each))
    true = sorted(latencies)[math.ceil(0.95 * len(latencies)) - 1]
    found = window()[""].latency_p95_ms
    bounds = (0.0, *DURATION_BOUNDS_MS, math.inf)
    at = bisect_left(DURATION_BOUNDS_MS, true)
    assert bounds[at] <= found <= bounds[at + 1]
