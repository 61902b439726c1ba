import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.insight import Insight
from crossmodel.domain.transfer import TransferResult
from crossmodel.gateway.metrics import Counts, Metrics
from crossmodel.telemetry.names import MOST_NAMES, OTHER, Names
from crossmodel.wire.usage import TokenUsage


def usd(metrics):
    return {account: spent.usd for account, spent in metrics.spent.items()}


def test_one_request_counts_once_everywhere(served):
    metrics = Metrics()
    usage = TokenUsage(input_tokens=100, output_tokens=7)
    metrics.served(served(latency_ms=40.0, usage=usage, cost_usd=0.5, first_byte_ms=5.1))
    (key, series), *others = metrics.series.items()
    assert not others
    assert key == ("/v1/chat/completions", "m", 200)
    assert series.requests == 1
    assert series.duration_buckets[2] == 1, "a bound belongs to its bucket: le means at most"
    assert series.first_byte_buckets[2] == 1
    assert (series.duration_ms, series.first_byte_ms) == (40.0, 5.1)
    assert (series.input_tokens, series.output_tokens) == (100, 7)
    assert usd(metrics) == {("m", "acme"): 0.5}


def test_an_answer_that_never_began_has_no_time_to_its_first_byte(served):
    metrics = Metrics()
    metrics.served(served(status=499))
    (series,) = metrics.series.values()
    assert sum(series.first_byte_buckets) == 0
    assert series.requests == 1


def test_insights_and_cached_answers_are_counted(served):
    metrics = Metrics()
    given_to_it = TransferResult(True, [Insight("a"), Insight("b")])
    withheld = TransferResult(False, [], withheld=[Insight("c")])
    metrics.served(served(transfer=given_to_it))
    metrics.served(served(transfer=withheld, is_cached=True))
    assert metrics.insights_injected == 2
    assert [series.cached for series in metrics.series.values()] == [1]


def test_beyond_the_most_names_all_share_one(served):
    metrics = Metrics()
    for n in range(MOST_NAMES + 50):
        for _ in range(2):
            metrics.served(served(tenant=f"tenant {n}", model=f"model {n}", cost_usd=1.0))
    assert usd(metrics)[OTHER, OTHER] == 100.0
    assert len(metrics.spent) == MOST_NAMES + 1
    assert len(metrics.series) == MOST_NAMES + 1
    assert sum(usd(metrics).values()) == 2 * (MOST_NAMES + 50)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0, 1e9), st.integers(100, 599))))
def test_no_request_is_lost_or_counted_twice(served, requests):
    metrics = Metrics()
    for model, latency, status in requests:
        one = served(model=model, latency_ms=latency, status=status, first_byte_ms=latency)
        metrics.served(one)
    assert sum(series.requests for series in metrics.series.values()) == len(requests)
    assert sum(sum(s.first_byte_buckets) for s in metrics.series.values()) == len(requests)
    total = sum(series.duration_ms for series in metrics.series.values())
    assert total == pytest.approx(sum(latency for _, latency, _ in requests))


@given(st.lists(st.text(st.characters())), st.integers(0, 5))
def test_names_are_bounded_and_can_be_written_down(names, most):
    folding = Names(most)
    folded = [folding.fold(name) for name in names]
    assert len(set(folded) - {OTHER}) <= most
    assert folded == [folding.fold(name) for name in names], "a name keeps what it got"
    for name in folded:
        name.encode("utf-8")


@given(st.lists(st.text(max_size=3)))
def test_counts_add_up(names):
    counts = Counts(most=3)
    for name in names:
        counts.add(name)
    assert sum(counts.by_name.values()) == len(names)
    assert len(counts.by_name) <= 4
