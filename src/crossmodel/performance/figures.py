"""Figures from the sums of traffic: rates, percentiles, means with their intervals."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Final

from crossmodel.calibration import wilson_interval
from crossmodel.domain.performance import (
    ExtractionFigures,
    PerformanceReport,
    SelectionFigures,
    TrafficFigures,
    TransferFigures,
    TrendPoint,
)
from crossmodel.domain.traffic import (
    BUCKETS_PER_DOUBLING,
    LATENCY_BOUNDS,
    NANO,
    Traffic,
    TrafficSums,
)

MIDDLE: Final = 2 ** (-0.5 / BUCKETS_PER_DOUBLING)
"""From a bucket's upper bound to its geometric middle."""


def performance_report(traffic: Traffic) -> PerformanceReport:
    """What a tenant's traffic of a period comes to."""
    by_model: dict[str, list[TrafficSums]] = {}
    by_step: dict[int, list[TrafficSums]] = {}
    for (start, model_id), sums in traffic.steps.items():
        by_model.setdefault(model_id, []).append(sums)
        by_step.setdefault(start, []).append(sums)
    total = TrafficSums.of(traffic.steps.values())
    figures = {name: figures_of(TrafficSums.of(by_model[name])) for name in sorted(by_model)}
    return PerformanceReport(
        time_period=traffic.period,
        total=figures_of(total),
        # others were only read for insights
        models={
            name: each
            for name, each in figures.items()
            if each.requests or each.cost_usd or each.scores
        },
        selections=SelectionFigures(
            total.requests,
            _mean(total.selection_us, total.requests, 1000),
            _mean(total.suitability_nano, total.requests, NANO),
        ),
        extractions=ExtractionFigures(
            total.extractions,
            total.insights,
            _mean(total.confidence_nano, total.insights, NANO),
            _mean(total.extraction_us, total.extractions, 1000),
        ),
        transfers=TransferFigures(
            total.transfers,
            total.transferred,
            total.withheld,
            total.handed_over,
            total.handed_tokens,
            _mean(total.quality_nano, total.transferred, NANO),
        ),
        trend=tuple(_point(at, traffic.seconds, by_step[at]) for at in sorted(by_step)),
    )


def figures_of(sums: TrafficSums) -> TrafficFigures:
    """The figures that sums come to.

    The interval of the mean score is Wilson's (JASA 22(158), 1927) of as many right and wrong
    answers with the same mean: no other scores within 0..1 vary as much, so it is never too narrow
    for that reason.
    """
    total = min(max(sums.score_nano / NANO, 0.0), float(sums.scores))
    low, high = wilson_interval(total, sums.scores)
    return TrafficFigures(
        requests=sums.requests,
        errors=sums.errors,
        cached=sums.cached,
        streams=sums.streams,
        input_tokens=sums.input_tokens,
        output_tokens=sums.output_tokens,
        uncounted=sums.uncounted,
        cost_usd=sums.cost_nano / NANO,
        baseline_usd=sums.baseline_nano / NANO,
        latency_p50_ms=percentile_ms(sums.latencies, 50),
        latency_p95_ms=percentile_ms(sums.latencies, 95),
        latency_p99_ms=percentile_ms(sums.latencies, 99),
        scores=sums.scores,
        mean_score=total / sums.scores if sums.scores else None,
        score_interval=(low, high),
    )


def percentile_ms(latencies: Sequence[int], percent: int) -> float | None:
    """The latency, in milliseconds, that ``percent`` % of all do not exceed; ``None`` without any.

    It is the middle of the bucket that holds the value of that rank (nearest rank), and so within
    9.1 % of it. What took no longer than 1 ms is told as 1 ms, what took longer than 12 minutes as
    those 12 minutes.
    """
    count = sum(latencies)
    if not count:
        return None
    rank = max(-(-percent * count // 100), 1)
    bucket = bisect_left(list(accumulate(latencies)), rank)
    if bucket == 0 or bucket >= len(LATENCY_BOUNDS):
        return LATENCY_BOUNDS[min(bucket, len(LATENCY_BOUNDS) - 1)]
    return LATENCY_BOUNDS[bucket] * MIDDLE


def _point(start: int, seconds: int, parts: Sequence[TrafficSums]) -> TrendPoint:
    figures = figures_of(TrafficSums.of(parts))
    return TrendPoint(datetime.fromtimestamp(start, UTC), seconds, figures)


def _mean(total: int, count: int, unit: int) -> float | None:
    return total / unit / count if count else None
