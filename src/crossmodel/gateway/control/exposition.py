"""The gateway's numbers in the text format of Prometheus, read when somebody asks for them.

Names are those of OpenTelemetry's conventions for generative AI where it has one, spelt as its
Prometheus exporter spells them; our own begin with ``crossmodel_``. Importing this takes some 50 ms
and 5 MB, so it is imported by the first scrape, in another thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from crossmodel.balancing import CircuitState
from crossmodel.gateway.control.ports import ModelState
from crossmodel.gateway.metrics import (
    CLIENT_GONE,
    DURATION_BOUNDS_MS,
    FIRST_BYTE_BOUNDS_MS,
    Metrics,
    Series,
)

MEDIA_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

OPERATIONS: Final[Mapping[str, str]] = {
    "/v1/chat/completions": "chat",
    "/v1/messages": "chat",
    "/v1/responses": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}
"""``gen_ai.operation.name`` of each path."""

BEGINNING_OF_ERRORS: Final = 400
"""HTTP statuses from here on are errors (RFC 9110, 15.5)."""

REQUEST_LABELS: Final = ("gen_ai_operation_name", "gen_ai_request_model", "error_type")

COUNTS: Final = (
    ("retries", "crossmodel_retries", "Calls made again to an endpoint of the same model."),
    ("failovers", "crossmodel_failovers", "Requests that went on to another model."),
    ("insights_injected", "crossmodel_insights_injected", "Insights put into requests."),
    ("insights_extracted", "crossmodel_insights_extracted", "Insights found in answers."),
    ("insights_dropped", "crossmodel_insights_dropped", "Answers not read: too many waited."),
    ("records_handed_over", "crossmodel_records_handed_over", "Requests given to the record."),
    ("records_lost", "crossmodel_records_lost", "Requests that the record could not take."),
)
"""Plain counters: attribute, name of the metric, what it counts."""


class Exposition:
    """One gateway's metrics, and those of its process.

    Args:
        metrics: what the hot path counts.
        version: of CrossModel.
    """

    def __init__(self, metrics: Metrics, version: str) -> None:
        self._collector = _GatewayCollector(metrics, version)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._collector)
        ProcessCollector(registry=self._registry)

    def text(self, models: Sequence[ModelState]) -> bytes:
        """Everything, with the state of the models that is given. Meant for another thread."""
        self._collector.models = models
        return generate_latest(self._registry)


class _GatewayCollector(Collector):
    def __init__(self, metrics: Metrics, version: str) -> None:
        self._metrics = metrics
        self._version = version
        self.models: Sequence[ModelState] = ()

    def collect(self) -> Iterator[Metric]:
        """All families. What may grow meanwhile is copied first, in one step under the GIL."""
        series = list(self._metrics.series.items())
        yield from _requests(series)
        yield _histogram(
            "gen_ai_server_request_duration_seconds",
            "From the whole request to the end of its answer.",
            series,
            DURATION_BOUNDS_MS,
            lambda each: (each.duration_buckets, each.duration_ms),
        )
        yield _histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "From the whole request to the first byte of its answer.",
            series,
            FIRST_BYTE_BOUNDS_MS,
            lambda each: (each.first_byte_buckets, each.first_byte_ms),
        )
        yield from self._money_and_tokens(series)
        yield _named(
            "crossmodel_requests_refused",
            "Requests that were answered without asking a model.",
            "reason",
            list(self._metrics.refused.by_name.items()),
        )
        yield _named(
            "crossmodel_upstream_errors",
            "Calls to models that failed.",
            "error_type",
            list(self._metrics.upstream_errors.by_name.items()),
        )
        for attribute, name, documentation in COUNTS:
            yield CounterMetricFamily(name, documentation, getattr(self._metrics, attribute))
        yield from _endpoints(self.models)
        build = InfoMetricFamily("crossmodel_build", "What is running.")
        build.add_metric((), {"version": self._version})
        yield build

    def _money_and_tokens(
        self, series: Sequence[tuple[tuple[str, str, int], Series]]
    ) -> Iterator[Metric]:
        sums: dict[str, list[int]] = {}
        for (_, model, _), each in series:
            tokens = sums.setdefault(model, [0, 0])
            tokens[0] += each.input_tokens
            tokens[1] += each.output_tokens
        family = CounterMetricFamily(
            "crossmodel_tokens",
            "Tokens, as providers counted them.",
            labels=("gen_ai_request_model", "gen_ai_token_type"),
        )
        for model, tokens in sums.items():
            family.add_metric((model, "input"), tokens[0])
            family.add_metric((model, "output"), tokens[1])
        yield family
        cost = CounterMetricFamily(
            "crossmodel_cost_usd",
            "What calls were charged with.",
            labels=("gen_ai_request_model", "tenant"),
        )
        for (model, tenant), usd in list(self._metrics.cost_usd.items()):
            cost.add_metric((model, tenant), usd)
        yield cost


def _requests(series: Sequence[tuple[tuple[str, str, int], Series]]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "crossmodel_requests",
        "Requests that are over.",
        labels=("http_route", "gen_ai_request_model", "http_response_status_code"),
    )
    gone = cached = 0
    for (path, model, status), each in series:
        requests.add_metric((path, model, str(status)), each.requests)
        cached += each.cached
        if status == CLIENT_GONE:
            gone += each.requests
    yield requests
    yield CounterMetricFamily(
        "crossmodel_requests_cancelled", "Requests whose client left before the end.", gone
    )
    yield CounterMetricFamily("crossmodel_cache_hits", "Answers that came from the cache.", cached)


def _histogram(
    name: str,
    documentation: str,
    series: Sequence[tuple[tuple[str, str, int], Series]],
    bounds_ms: Sequence[float],
    read: Callable[[Series], tuple[list[int], float]],
) -> Metric:
    """Seconds by operation, model and error, from milliseconds by path, model and status."""
    merged: dict[tuple[str, str, str], tuple[list[int], float]] = {}
    for (path, model, status), each in series:
        error = str(status) if status >= BEGINNING_OF_ERRORS else ""
        labels = OPERATIONS.get(path, path), model, error
        buckets, total = read(each)
        before, sum_before = merged.get(labels, ([0] * len(buckets), 0.0))
        summed = [a + b for a, b in zip(before, buckets, strict=True)]
        merged[labels] = summed, sum_before + total
    family = HistogramMetricFamily(name, documentation, labels=REQUEST_LABELS)
    names = [*(str(bound / 1000) for bound in bounds_ms), "+Inf"]
    for labels, (buckets, total) in merged.items():
        if any(buckets):
            cumulative = list(zip(names, map(float, accumulate(buckets)), strict=True))
            family.add_metric(labels, cumulative, total / 1000)
    return family


def _named(
    name: str, documentation: str, label: str, counts: Iterable[tuple[str, int]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, documentation, labels=(label,))
    for value, n in counts:
        family.add_metric((value,), n)
    return family


def _endpoints(models: Sequence[ModelState]) -> Iterator[Metric]:
    labels = ("gen_ai_request_model", "endpoint")
    in_flight = GaugeMetricFamily(
        "crossmodel_endpoint_requests_in_flight", "Sent and not yet over.", labels=labels
    )
    healthy = GaugeMetricFamily(
        "crossmodel_endpoint_healthy", "1 if active checks found it so.", labels=labels
    )
    circuit = GaugeMetricFamily(
        "crossmodel_endpoint_circuit", "1 for the state that it is in.", labels=(*labels, "state")
    )
    for model in models:
        for endpoint in model.endpoints:
            where = model.spec.id, endpoint.id
            in_flight.add_metric(where, endpoint.in_flight)
            healthy.add_metric(where, endpoint.is_healthy)
            for state in CircuitState:
                circuit.add_metric((*where, state.value), endpoint.circuit is state)
    yield in_flight
    yield healthy
    yield circuit
