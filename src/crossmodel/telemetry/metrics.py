"""The reference's metrics: what selection, extraction and transfer come to, and reports of it."""

from __future__ import annotations

from typing import Final

from crossmodel.domain.events import (
    Event,
    ExtractionEvent,
    RequestEvent,
    SelectionEvent,
    TransferEvent,
)
from crossmodel.domain.insight import ExtractionResult
from crossmodel.domain.performance import PerformanceReport
from crossmodel.domain.period import TimePeriod
from crossmodel.domain.selection import ModelSelection
from crossmodel.domain.transfer import Arm, TransferResult
from crossmodel.telemetry.analyzer import (
    EXTRACTION,
    REQUEST,
    SELECTION,
    TRANSFER,
    History,
    PerformanceAnalyzer,
)
from crossmodel.telemetry.collector import MetricsCollector

WITHHOLDING: Final = (Arm.HOLDOUT, Arm.PADDING)
"""Arms of an experiment in which insights that fit are kept back."""

_NOBODY: Final = "default"


class CrossModelConsciousnessMetrics:
    """Collects what the system does, and reports on it. Thread-safe, in bounded memory.

    Feed it by its methods, or let a running system feed it: it is a hook, which
    ``cm.hooks.add(metrics)`` tells of everything.

    Args:
        history: reports from a store, such as ``cm.performance_report``, instead of from memory.

    Attributes:
        metrics_collector: takes in the figures.
        performance_analyzer: makes reports of them.
    """

    def __init__(self, *, history: History | None = None) -> None:
        self.metrics_collector = MetricsCollector()
        self.performance_analyzer = PerformanceAnalyzer(self.metrics_collector, history=history)

    def collect_model_selection_metrics(self, selection: ModelSelection) -> None:
        """Take in a selection."""
        self._selected(SelectionEvent.of(selection, _NOBODY))

    def collect_insight_extraction_metrics(self, extraction_result: ExtractionResult) -> None:
        """Take in an extraction."""
        self._extracted(ExtractionEvent.of(extraction_result, _NOBODY))

    def collect_transfer_metrics(self, transfer_result: TransferResult) -> None:
        """Take in a transfer."""
        target = transfer_result.target_model
        self._transferred(TransferEvent.of(transfer_result, _NOBODY, target))

    def generate_performance_report(self, time_period: TimePeriod) -> PerformanceReport:
        """Report on a period."""
        return self.performance_analyzer.generate_report(time_period)

    def __call__(self, event: Event, /) -> None:
        """Take in whatever happened."""
        if isinstance(event, RequestEvent):
            self._requested(event)
        elif isinstance(event, SelectionEvent):
            self._selected(event)
        elif isinstance(event, TransferEvent):
            self._transferred(event)
        elif isinstance(event, ExtractionEvent):
            self._extracted(event)

    def _selected(self, event: SelectionEvent) -> None:
        if event.error:
            return
        metrics = {
            "model_selection_count": 1,
            "selection_latency_ms": event.latency_ms,
            "suitability_score": event.suitability_score,
            "model_id": event.model_id,
            "task_complexity": event.task_complexity,
        }
        self.metrics_collector.record_metrics(SELECTION, metrics, at=event.at.timestamp())

    def _extracted(self, event: ExtractionEvent) -> None:
        metrics = {
            "extraction_count": 1,
            "insights_extracted": event.insights,
            "extraction_latency_ms": event.latency_ms,
            "average_confidence": event.average_confidence if event.insights else None,
            "source_model": event.source_model,
        }
        self.metrics_collector.record_metrics(EXTRACTION, metrics, at=event.at.timestamp())

    def _transferred(self, event: TransferEvent) -> None:
        metrics = {
            "transfer_count": 1,
            "transfer_success": event.success,
            "transfer_latency_ms": event.latency_ms,
            "transfer_quality_score": event.quality_score,
            "insights_transferred": event.insights,
            "quality_of_success": event.quality_score if event.success else None,
            "tokens": event.tokens,
            "withheld": event.arm in WITHHOLDING,
            "target_model": event.target_model,
        }
        self.metrics_collector.record_metrics(TRANSFER, metrics, at=event.at.timestamp())

    def _requested(self, event: RequestEvent) -> None:
        counted = event.input_tokens is not None or event.output_tokens is not None
        metrics = {
            "request_count": 1,
            "request_latency_ms": None if event.is_cached else event.latency_ms,
            "failed": bool(event.error),
            "cached": event.is_cached,
            "streamed": event.is_stream,
            "input_tokens": event.input_tokens,
            "output_tokens": event.output_tokens,
            "uncounted": not counted,
            "cost_usd": event.cost_usd,
            "model_id": event.model_id,
        }
        self.metrics_collector.record_metrics(REQUEST, metrics, at=event.started_at.timestamp())
