"""The gateway's numbers in the text format of Prometheus, read when somebody asks for them.

Names are those of OpenTelemetry's conventions for generative AI where it has one, spelt as its
Prometheus exporter spells them; our own begin with ``crossmodel_``. Importing this takes some 50 ms
and 5 MB, so it is imported by the first scrape, in another thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from crossmodel.gateway.control import standing
from crossmodel.gateway.control.gathered import Scrape
from crossmodel.gateway.metrics import CLIENT_GONE, Metrics, Series
from crossmodel.telemetry.conventions import (
    BEGINNING_OF_ERRORS,
    DURATION_BOUNDS_MS,
    FIRST_BYTE_BOUNDS_MS,
    TOKEN_BOUNDS,
    operation_of,
)

CALL_LABELS: Final = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
"""What the conventions ask of every metric of a call."""

COUNTERS: Final = (
    ("retries", "Calls made again to an endpoint of the same model."),
    ("failovers", "Requests that went on to another model."),
    ("insights_injected", "Insights put into requests."),
)
"""Plain counters of the hot path: attribute and name of the metric, what it counts."""

OF_PARTS: Final = (
    ("records_handed_over", "Requests given to the record."),
    ("records_lost", "Requests that the record could not take."),
    ("answers_learned", "Answers that were read for insights."),
    ("insights_dropped", "Answers not read: too many waited."),
    ("answers_failed", "Answers that could not be read."),
    ("insights_extracted", "Insights found in answers."),
    ("transfers_late", "Requests that went without insights, since those took too long."),
    ("transfers_failed", "Requests that went without insights, since something failed."),
    ("events_dropped", "Requests that hooks were not told of: too many waited."),
    ("hook_failures", "Events that hooks have lost by failing."),
)
"""Plain counters of other parts, likewise."""

WAITING: Final = (
    ("in_flight", "requests_in_flight", "Requests of clients that are not yet over."),
    ("records_waiting", "records_waiting", "Requests that wait in memory for the record."),
    ("answers_waiting", "answers_waiting", "Answers that wait to be read for insights."),
)
"""What goes up and down: attribute, name of the metric, what it is."""

Counted = Sequence[tuple[tuple[str, str, int], Series]]
"""What was counted of requests, by path, model and status."""


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
        PlatformCollector(registry=self._registry)

    def text(self, scrape: Scrape) -> bytes:
        """Everything, with the rest of the gateway as it is given. Meant for another thread."""
        self._collector.scrape = scrape
        return generate_latest(self._registry)

    def families(self, scrape: Scrape) -> list[Metric]:
        """The same as families."""
        self._collector.scrape = scrape
        return list(self._registry.collect())


class _GatewayCollector(Collector):
    def __init__(self, metrics: Metrics, version: str) -> None:
        self._metrics = metrics
        self._version = version
        self.scrape = Scrape()

    def collect(self) -> Iterator[Metric]:
        """All families. What may grow meanwhile is copied first, in one step under the GIL."""
        metrics, scrape = self._metrics, self.scrape
        series = list(metrics.series.items())
        yield from _requests(series)
        yield from _histograms(series, scrape.providers)
        yield from _tokens(series)
        yield self._cost()
        named = (
            ("requests_refused", "Requests answered without asking a model.", "reason",
             metrics.refused),
            ("upstream_errors", "Calls to models that failed.", "error_type",
             metrics.upstream_errors),
            ("transfers", "Requests that insights were known for.", "arm", metrics.transfers),
        )  # fmt: skip
        for name, documentation, label, counts in named:
            yield _named(name, documentation, label, list(counts.by_name.items()))
        for name, documentation in COUNTERS:
            yield CounterMetricFamily(f"crossmodel_{name}", documentation, getattr(metrics, name))
        for name, documentation in OF_PARTS:
            count = getattr(scrape.counts, name)
            yield CounterMetricFamily(f"crossmodel_{name}", documentation, count)
        for attribute, name, documentation in WAITING:
            value = getattr(scrape.counts, attribute)
            yield GaugeMetricFamily(f"crossmodel_{name}", documentation, value)
        yield from standing.endpoints(scrape.models)
        yield from standing.budgets(scrape.budgets, scrape.budgets_left_out)
        if scrape.log is not None:
            yield from standing.log(scrape.log, time.time())
        build = InfoMetricFamily("crossmodel_build", "What is running.")
        build.add_metric((), {"version": self._version})
        yield build

    def _cost(self) -> Metric:
        cost = CounterMetricFamily(
            "crossmodel_cost_usd",
            "What calls were charged with.",
            labels=("gen_ai_request_model", "tenant"),
        )
        for (model, tenant), spent in list(self._metrics.spent.items()):
            if spent.usd:
                cost.add_metric((model, tenant), spent.usd)
        return cost


def _requests(series: Counted) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "crossmodel_requests",
        "Requests that are over.",
        labels=("http_route", "gen_ai_request_model", "http_response_status_code"),
    )
    selecting = SummaryMetricFamily(
        "crossmodel_selection_duration_seconds", "Choosing the model of a request."
    )
    gone = cached = total = 0
    selecting_ms = 0.0
    for (path, model, status), each in series:
        count = each.requests
        requests.add_metric((path, model, str(status)), count)
        cached += each.cached
        total += count
        selecting_ms += each.selection_ms
        if status == CLIENT_GONE:
            gone += count
    yield requests
    selecting.add_metric((), total, selecting_ms / 1000)
    yield selecting
    yield CounterMetricFamily(
        "crossmodel_requests_cancelled", "Requests whose client left before the end.", gone
    )
    yield CounterMetricFamily("crossmodel_cache_hits", "Answers that came from the cache.", cached)


def _histograms(series: Counted, providers: Mapping[str, str]) -> Iterator[Metric]:
    def call(path: str, model: str) -> tuple[str, ...]:
        return operation_of(path), providers.get(model, ""), model

    def with_error(path: str, model: str, status: int) -> tuple[str, ...]:
        error = str(status) if status >= BEGINNING_OF_ERRORS else ""
        return (*call(path, model), error)

    yield _histogram(
        "gen_ai_server_request_duration_seconds",
        "From the whole request to the end of its answer.",
        (*CALL_LABELS, "error_type"),
        [bound / 1000 for bound in DURATION_BOUNDS_MS],
        [
            (with_error(*key), each.duration_buckets, each.duration_ms / 1000)
            for key, each in series
        ],
    )
    yield _histogram(
        "gen_ai_server_time_to_first_token_seconds",
        "From the whole request to the first byte of its answer.",
        (*CALL_LABELS, "error_type"),
        [bound / 1000 for bound in FIRST_BYTE_BOUNDS_MS],
        [
            (with_error(*key), each.first_byte_buckets, each.first_byte_ms / 1000)
            for key, each in series
        ],
    )
    tokens = [
        ((*call(path, model), kind), buckets, float(total))
        for (path, model, _), each in series
        for kind, buckets, total in (
            ("input", each.input_buckets, each.input_tokens),
            ("output", each.output_buckets, each.output_tokens),
        )
    ]
    yield _histogram(
        "gen_ai_client_token_usage",
        "Tokens of one request, as providers counted them.",
        (*CALL_LABELS, "gen_ai_token_type"),
        TOKEN_BOUNDS,
        tokens,
    )


Buckets = Iterable[tuple[tuple[str, ...], Sequence[int], float]]
"""Labels, how many values fell into each bucket, and their sum."""


def _histogram(
    name: str, documentation: str, labels: Sequence[str], bounds: Sequence[float], counted: Buckets
) -> Metric:
    """A histogram whose buckets of the same labels are added up."""
    merged: dict[tuple[str, ...], tuple[Sequence[int], float]] = {}
    for values, buckets, total in counted:
        before, sum_before = merged.get(values, ([0] * len(buckets), 0.0))
        summed = [a + b for a, b in zip(before, buckets, strict=True)]
        merged[values] = summed, sum_before + total
    family = HistogramMetricFamily(name, documentation, labels=labels)
    names = [*(str(float(bound)) for bound in bounds), "+Inf"]
    for values, (buckets, total) in merged.items():
        if any(buckets):
            cumulative = list(zip(names, map(float, accumulate(buckets)), strict=True))
            family.add_metric(values, cumulative, total)
    return family


def _tokens(series: Counted) -> Iterator[Metric]:
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


def _named(
    name: str, documentation: str, label: str, counts: Iterable[tuple[str, int]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"crossmodel_{name}", documentation, labels=(label,))
    for value, n in counts:
        family.add_metric((value,), n)
    return family
