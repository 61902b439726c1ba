"""Figures become a report: from the history in a store, or from what was collected in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from crossmodel.domain.performance import (
    ExtractionFigures,
    PerformanceReport,
    SelectionFigures,
    TrafficFigures,
    TransferFigures,
    TrendPoint,
)
from crossmodel.domain.period import TimePeriod
from crossmodel.telemetry.buckets import DAY, EVERY, HOUR, Bucket
from crossmodel.telemetry.collector import MetricsCollector

SELECTION: Final = "model_selection"
EXTRACTION: Final = "insight_extraction"
TRANSFER: Final = "insight_transfer"
REQUEST: Final = "request"
"""What the observations are called that a report is made of."""

BY_THE_HOUR: Final = timedelta(days=3)
"""Trends of periods up to this long have a point for each hour; of longer ones for each day."""

History = Callable[[TimePeriod], PerformanceReport]
"""Reports from what a store has kept."""


class PerformanceAnalyzer:
    """Reports what the system did within a period.

    Args:
        collector: what was measured in this process; an empty one if ``None``.
        history: reports from a store instead; it knows what other processes did, and before.
    """

    def __init__(
        self, collector: MetricsCollector | None = None, *, history: History | None = None
    ) -> None:
        self.collector = collector or MetricsCollector()
        self.history = history

    def generate_report(self, time_period: TimePeriod) -> PerformanceReport:
        """Report on a period.

        From memory the report covers what this process has measured and still remembers. Nobody
        knows there what the dearest model would have cost: the baseline is what was spent.
        """
        if self.history is not None:
            return self.history(time_period)
        seconds = HOUR if time_period.duration <= BY_THE_HOUR else DAY
        stretches = self.collector.gather(time_period, seconds)
        whole = Bucket(0, 0)
        for stretch in stretches:
            whole.merge(stretch)
        return PerformanceReport(
            _widened(time_period, stretches),
            total=_traffic(whole),
            models={model: _traffic(whole, model) for model in whole.models(REQUEST)},
            selections=_selections(whole),
            extractions=_extractions(whole),
            transfers=_transfers(whole),
            trend=tuple(
                TrendPoint(each.starts_at, each.seconds, figures)
                for each in stretches
                if (figures := _traffic(each)).requests
            ),
        )


def _widened(period: TimePeriod, stretches: Iterable[Bucket]) -> TimePeriod:
    """The period with the whole of those stretches that were kept by the hour or the day only."""
    rolled = [stretch for stretch in stretches if stretch.is_whole]
    if not rolled:
        return period
    first = min(stretch.start for stretch in rolled)
    last = max(stretch.end for stretch in rolled)
    return TimePeriod(
        min(period.start, datetime.fromtimestamp(first, UTC)),
        max(period.end, datetime.fromtimestamp(last, UTC)),
    )


def _traffic(bucket: Bucket, model: str = EVERY) -> TrafficFigures:
    def total(key: str) -> float:
        return bucket.of(REQUEST, key, model).total

    latency = bucket.of(REQUEST, "request_latency_ms", model)
    return TrafficFigures(
        requests=round(total("request_count")),
        errors=round(total("failed")),
        cached=round(total("cached")),
        streams=round(total("streamed")),
        input_tokens=round(total("input_tokens")),
        output_tokens=round(total("output_tokens")),
        uncounted=round(total("uncounted")),
        cost_usd=total("cost_usd"),
        baseline_usd=total("cost_usd"),
        latency_p50_ms=latency.quantile(0.50),
        latency_p95_ms=latency.quantile(0.95),
        latency_p99_ms=latency.quantile(0.99),
    )


def _selections(bucket: Bucket) -> SelectionFigures:
    return SelectionFigures(
        count=round(bucket.of(SELECTION, "model_selection_count").total),
        mean_latency_ms=bucket.of(SELECTION, "selection_latency_ms").mean,
        mean_suitability=bucket.of(SELECTION, "suitability_score").mean,
    )


def _extractions(bucket: Bucket) -> ExtractionFigures:
    return ExtractionFigures(
        count=round(bucket.of(EXTRACTION, "extraction_count").total),
        insights=round(bucket.of(EXTRACTION, "insights_extracted").total),
        mean_confidence=bucket.of(EXTRACTION, "average_confidence").mean,
        mean_latency_ms=bucket.of(EXTRACTION, "extraction_latency_ms").mean,
    )


def _transfers(bucket: Bucket) -> TransferFigures:
    def total(key: str) -> int:
        return round(bucket.of(TRANSFER, key).total)

    return TransferFigures(
        count=total("transfer_count") - total("withheld"),
        successes=total("transfer_success"),
        withheld=total("withheld"),
        insights=total("insights_transferred"),
        tokens=total("tokens"),
        mean_quality=bucket.of(TRANSFER, "quality_of_success").mean,
    )
