from datetime import UTC, datetime, timedelta

import pytest

from crossmodel import (
    CrossModelConsciousnessMetrics,
    Insight,
    ModelCapability,
    ModelSelection,
    PerformanceReport,
    TaskRequirement,
    TimePeriod,
    TransferResult,
)
from crossmodel.domain.events import RequestEvent, SelectionEvent, WitnessEvent
from crossmodel.domain.insight import ExtractionResult
from crossmodel.domain.period import utc_now
from crossmodel.domain.transfer import Arm
from crossmodel.telemetry import MetricsCollector, PerformanceAnalyzer


def selection(model="m", latency=2.0, score=0.75):
    task = TaskRequirement([ModelCapability.CODING], complexity=0.4)
    return ModelSelection(model, task, score, selection_latency_ms=latency)


def request(model="m", **values):
    given = {
        "request_id": "req_1", "tenant": "acme", "provider": "p", "started_at": utc_now(),
        "latency_ms": 100.0,
    }  # fmt: skip
    return RequestEvent(model_id=model, **(given | values))


def last_hour():
    return TimePeriod.last(timedelta(hours=1), now=utc_now() + timedelta(minutes=1))


def test_the_reference_runs_as_it_is_written():
    metrics = CrossModelConsciousnessMetrics()
    assert isinstance(metrics.metrics_collector, MetricsCollector)
    assert isinstance(metrics.performance_analyzer, PerformanceAnalyzer)
    recorded = []
    metrics.metrics_collector.record_metrics = lambda name, figures, **_: recorded.append(
        (name, dict(figures))
    )
    metrics.collect_model_selection_metrics(selection())
    found = ExtractionResult([Insight("a", confidence_score=0.5)], "strong", latency_ms=7.0)
    metrics.collect_insight_extraction_metrics(found)
    handed = TransferResult(True, [Insight("a")], 0.8, latency_ms=3.0, target_model="m")
    metrics.collect_transfer_metrics(handed)
    (one, figures), (two, extraction), (three, transfer) = recorded
    assert (one, two, three) == ("model_selection", "insight_extraction", "insight_transfer")
    assert figures == {
        "model_selection_count": 1, "selection_latency_ms": 2.0, "suitability_score": 0.75,
        "model_id": "m", "task_complexity": 0.4,
    }  # fmt: skip
    assert extraction == {
        "extraction_count": 1, "insights_extracted": 1, "extraction_latency_ms": 7.0,
        "average_confidence": 0.5, "source_model": "strong",
    }  # fmt: skip
    wanted = {
        "transfer_count": 1, "transfer_success": True, "transfer_latency_ms": 3.0,
        "transfer_quality_score": 0.8, "insights_transferred": 1,
    }  # fmt: skip
    assert wanted.items() <= transfer.items()


def test_a_report_adds_up_what_was_collected():
    metrics = CrossModelConsciousnessMetrics()
    for latency, score in ((1.0, 0.5), (3.0, 1.0)):
        metrics.collect_model_selection_metrics(selection(latency=latency, score=score))
    found = [Insight("a", confidence_score=0.5), Insight("b", confidence_score=1.0)]
    metrics.collect_insight_extraction_metrics(ExtractionResult(found, "s", latency_ms=4.0))
    metrics.collect_insight_extraction_metrics(ExtractionResult([], "s", latency_ms=6.0))
    metrics.collect_transfer_metrics(TransferResult(True, found, 0.9, tokens=40))
    metrics.collect_transfer_metrics(TransferResult(False, error="nothing fits"))
    metrics.collect_transfer_metrics(TransferResult(False, arm=Arm.HOLDOUT, withheld=found))
    report = metrics.generate_performance_report(last_hour())
    assert isinstance(report, PerformanceReport)
    assert report.selections.count == 2
    assert report.selections.mean_latency_ms == 2.0
    assert report.selections.mean_suitability == 0.75
    assert (report.extractions.count, report.extractions.insights) == (2, 2)
    assert report.extractions.mean_confidence == 0.75, "of texts that hold some"
    assert report.extractions.mean_latency_ms == 5.0
    assert (report.transfers.count, report.transfers.successes) == (2, 1)
    assert (report.transfers.withheld, report.transfers.insights) == (1, 2)
    assert (report.transfers.tokens, report.transfers.mean_quality) == (40, 0.9)


def test_a_report_tells_models_apart_and_leaves_cached_answers_out_of_latencies():
    metrics = CrossModelConsciousnessMetrics()
    for n in range(100):
        metrics(request(latency_ms=float(n + 1), input_tokens=10, output_tokens=2, cost_usd=0.5))
    metrics(request("slow", latency_ms=9000.0, error="ProviderTimeoutError", is_stream=True))
    metrics(request("m", latency_ms=0.01, is_cached=True, input_tokens=1, output_tokens=1))
    report = metrics.generate_performance_report(last_hour())
    total = report.total
    assert (total.requests, total.errors, total.cached, total.streams) == (102, 1, 1, 1)
    assert (total.input_tokens, total.output_tokens, total.uncounted) == (1001, 201, 1)
    assert total.cost_usd == total.baseline_usd == 50.0
    assert total.saved_usd == 0.0
    assert list(report.models) == ["m", "slow"]
    assert report.models["m"].latency_p50_ms == pytest.approx(50, rel=0.06)
    assert report.models["m"].latency_p99_ms == pytest.approx(99, rel=0.06)
    assert report.models["slow"].error_rate == 1.0
    assert sum(point.figures.requests for point in report.trend) == 102
    assert report.to_dict()["total"]["requests"] == 102


def test_nothing_happened():
    report = CrossModelConsciousnessMetrics().generate_performance_report(last_hour())
    assert report.total.requests == 0
    assert report.total.latency_p50_ms is None
    assert report.trend == ()
    assert report.time_period.duration == timedelta(hours=1)


def test_what_lies_outside_of_the_period_does_not_count():
    metrics = CrossModelConsciousnessMetrics()
    metrics(request(started_at=utc_now() - timedelta(hours=2)))
    naive = selection()
    naive.selection_timestamp = datetime.now(UTC).replace(tzinfo=None)  # as utcnow() gives it
    metrics.collect_model_selection_metrics(naive)
    report = metrics.generate_performance_report(last_hour())
    assert report.total.requests == 0
    assert report.selections.count == 1


def test_a_failed_selection_is_none_and_other_events_are_passed_over():
    metrics = CrossModelConsciousnessMetrics()
    metrics(SelectionEvent(tenant="t", model_id="", error="NoAvailableModelsError"))
    metrics(WitnessEvent(tenant="t", about="req_1"))
    assert metrics.generate_performance_report(last_hour()).selections.count == 0


def test_with_a_history_reports_come_from_it():
    asked = []

    def history(period):
        asked.append(period)
        return PerformanceReport(period)

    metrics = CrossModelConsciousnessMetrics(history=history)
    period = last_hour()
    assert metrics.generate_performance_report(period).time_period == period
    assert asked == [period]
