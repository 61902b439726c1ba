"""Metrics of a library user's own program, in a registry of theirs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from crossmodel.domain.events import (
    Event,
    ExtractionEvent,
    RequestEvent,
    SelectionEvent,
    TransferEvent,
    WitnessEvent,
)
from crossmodel.telemetry.conventions import (
    DURATION_BOUNDS_MS,
    STAGE_BOUNDS_MS,
    TOKEN_BOUNDS,
    seconds,
)
from crossmodel.telemetry.names import Names

MODEL: Final = "gen_ai_request_model"
STAGE_BOUNDS: Final = seconds(STAGE_BOUNDS_MS)


class PrometheusCollector(Collector):
    """Both a hook and a collector: it counts what it is told, and is read by scrapes.

    ::

        collector = PrometheusCollector()
        registry.register(collector)
        cm.hooks.add(collector)

    Names and units follow OpenTelemetry's conventions for generative AI where those have one, as
    its Prometheus exporter spells them; our own begin with ``crossmodel_``. Of models, tenants and
    the like each, the first 200 names are told apart, and all others are ``other``.
    """

    def __init__(self) -> None:
        models, tenants, words = Names(), Names(), Names()
        self._model, self._tenant, self._word = models.fold, tenants.fold, words.fold
        call = ("gen_ai_operation_name", "gen_ai_provider_name", MODEL)
        self._duration = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "From a request to the end of its answer.",
            (*call, "error_type"),
            registry=None,
            buckets=seconds(DURATION_BOUNDS_MS),
        )
        self._tokens = Histogram(
            "gen_ai_client_token_usage",
            "Tokens of one request, as providers counted them.",
            (*call, "gen_ai_token_type"),
            registry=None,
            buckets=TOKEN_BOUNDS,
        )
        self._cost = _counter("cost_usd", "What calls were charged with.", MODEL, "tenant")
        self._selections = _counter(
            "selections", "Models that were chosen.", MODEL, "algorithm", "error_type"
        )
        self._selecting = _duration("selection", "Choosing a model.")
        self._extractions = _counter("extractions", "Texts that insights were sought in.", MODEL)
        self._extracting = _duration("extraction", "Reading a text for insights.")
        self._found = _counter("insights_extracted", "Insights found in answers.", MODEL)
        self._rejected = _counter("insights_rejected", "Finds that were refused.", MODEL)
        self._transfers = _counter(
            "transfers", "Requests that insights were known for.", MODEL, "arm", "success"
        )
        self._transferring = _duration("transfer", "Preparing insights for a model.")
        self._injected = _counter("insights_injected", "Insights put into requests.", MODEL)
        self._records = _counter("witness_records", "Records that the log has got.")
        self._witnessing = _duration("witness", "From handing over until it is durable.")

    def __call__(self, event: Event, /) -> None:
        """Count what has happened."""
        if isinstance(event, RequestEvent):
            self._requested(event)
        elif isinstance(event, SelectionEvent):
            model = self._model(event.model_id)
            algorithm, error = self._word(event.algorithm), self._word(event.error)
            self._selections.labels(model, algorithm, error).inc()
            _observe(self._selecting, event.latency_ms / 1000)
        elif isinstance(event, ExtractionEvent):
            model = self._model(event.source_model)
            self._extractions.labels(model).inc()
            self._found.labels(model).inc(event.insights)
            self._rejected.labels(model).inc(event.rejected)
            _observe(self._extracting, event.latency_ms / 1000)
        elif isinstance(event, TransferEvent):
            model = self._model(event.target_model)
            success = str(event.success).lower()
            self._transfers.labels(model, self._word(event.arm), success).inc()
            self._injected.labels(model).inc(event.insights)
            _observe(self._transferring, event.latency_ms / 1000)
        elif isinstance(event, WitnessEvent):
            self._records.inc(event.records)
            _observe(self._witnessing, event.latency_ms / 1000)

    def describe(self) -> Iterator[Metric]:
        """The families without samples: a registry sees by it whether names are taken."""
        for metric in self._metrics():
            yield from metric.describe()

    def collect(self) -> Iterator[Metric]:
        """All families."""
        for metric in self._metrics():
            yield from metric.collect()

    def _metrics(self) -> Iterator[MetricWrapperBase]:
        for value in vars(self).values():
            if isinstance(value, MetricWrapperBase):
                yield value

    def _requested(self, event: RequestEvent) -> None:
        model = self._model(event.model_id)
        call = self._word(event.operation), self._word(event.provider), model
        _observe(self._duration.labels(*call, self._word(event.error)), event.latency_ms / 1000)
        if event.input_tokens is not None:
            self._tokens.labels(*call, "input").observe(event.input_tokens)
        if event.output_tokens is not None:
            self._tokens.labels(*call, "output").observe(event.output_tokens)
        if 0 < event.cost_usd < math.inf:
            self._cost.labels(model, self._tenant(event.tenant)).inc(event.cost_usd)


def _observe(histogram: Histogram, seconds_taken: float) -> None:
    """Take a duration down; what is none would spoil the sum of all others for good."""
    if math.isfinite(seconds_taken):
        histogram.observe(seconds_taken)


def _counter(name: str, documentation: str, *labels: str) -> Counter:
    return Counter(f"crossmodel_{name}", documentation, labels, registry=None)


def _duration(stage: str, documentation: str) -> Histogram:
    return Histogram(
        f"crossmodel_{stage}_duration_seconds", documentation, registry=None, buckets=STAGE_BOUNDS
    )
