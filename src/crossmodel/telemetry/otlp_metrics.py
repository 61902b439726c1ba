"""The families of a Prometheus collector, sent to an OpenTelemetry collector now and then.

What a gateway counts is counted once, in plain numbers that cost its requests next to nothing. Here
they get the names that OpenTelemetry has for them.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from crossmodel.telemetry.opentelemetry_hook import SCOPE

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 30.0
"""How often metrics are sent."""

NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "gen_ai_server_request_duration_seconds": ("gen_ai.server.request.duration", "s"),
    "gen_ai_server_time_to_first_token_seconds": ("gen_ai.server.time_to_first_token", "s"),
    "gen_ai_client_operation_duration_seconds": ("gen_ai.client.operation.duration", "s"),
    "gen_ai_client_token_usage": ("gen_ai.client.token.usage", "{token}"),
}
"""What OpenTelemetry calls a family, and the unit that it has there."""

LABELS: Final[Mapping[str, str]] = {
    "gen_ai_operation_name": "gen_ai.operation.name",
    "gen_ai_provider_name": "gen_ai.provider.name",
    "gen_ai_request_model": "gen_ai.request.model",
    "gen_ai_token_type": "gen_ai.token.type",
    "error_type": "error.type",
    "http_route": "http.route",
    "http_response_status_code": "http.response.status_code",
}
"""What OpenTelemetry calls a label."""

UNITS: Final = (("_usd", "{USD}"), ("_seconds", "s"), ("_bytes", "By"), ("_tokens", "{token}"))
"""Units that names of ours end with."""

CUMULATIVE: Final = AggregationTemporality.CUMULATIVE


class MetricsSender:
    """Sends metrics now and then until it is closed. For one event loop, which it never blocks.

    Args:
        collect: reads the families.
        exporter: where they go.
        who: the resource that they are of.
        seconds: how often they are sent.
    """

    def __init__(
        self,
        collect: Callable[[], Awaitable[Iterable[Family]]],
        exporter: MetricExporter,
        who: Resource,
        *,
        seconds: float = EVERY_SECONDS,
    ) -> None:
        self._collect = collect
        self._exporter = exporter
        self._who = who
        self._seconds = seconds
        self._began = time.time_ns()
        self._failures = 0
        self._closing = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Send them once more, and end. Again is no error."""
        self._closing.set()
        await self._task

    async def _run(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._seconds)
            try:
                families = await self._collect()
                await asyncio.to_thread(self._send, families)
            except Exception:
                self._failures += 1
                if self._failures & (self._failures - 1) == 0:  # loud, and no flood
                    logger.exception("metrics could not be sent %d times so far", self._failures)
        await asyncio.to_thread(self._exporter.shutdown)

    def _send(self, families: Iterable[Family]) -> None:
        self._exporter.export(metrics_data(families, self._who, self._began, time.time_ns()))


def metrics_data(families: Iterable[Family], who: Resource, began: int, now: int) -> MetricsData:
    """The families as OpenTelemetry has them; times are in nanoseconds since 1970.

    Labels that are empty are left out, as Prometheus takes them to be absent.
    """
    metrics = [metric for family in families for metric in _metrics_of(family, began, now)]
    scope = ScopeMetrics(InstrumentationScope(SCOPE), metrics, "")
    return MetricsData([ResourceMetrics(who, [scope], "")])


def _metrics_of(family: Family, began: int, now: int) -> Iterator[Metric]:
    if family.type == "histogram":
        points = list(_histograms(family.samples, began, now))
        data: Sum | Gauge | Histogram = Histogram(points, CUMULATIVE)
    elif family.type == "counter":
        counted = [each for each in family.samples if each.name.endswith("_total")]
        data = Sum(_numbers(counted, began, now), CUMULATIVE, is_monotonic=True)
    else:
        data = Gauge(_numbers(family.samples, began, now))
    if data.data_points:
        name, unit = _called(family.name)
        yield Metric(name, family.documentation, unit, data)


def _called(name: str) -> tuple[str, str]:
    """Name and unit; what the conventions have no name for keeps its own, with a dot."""
    if name in NAMES:
        return NAMES[name]
    unit = "1"
    for ending, its in UNITS:
        if name.endswith(ending):
            name, unit = name.removesuffix(ending), its
            break
    area, _, rest = name.partition("_")
    return f"{area}.{rest}", unit


def _numbers(samples: Iterable[Sample], began: int, now: int) -> list[NumberDataPoint]:
    return [
        NumberDataPoint(_attributes(each.labels), began, now, _number(each)) for each in samples
    ]


def _number(sample: Sample) -> float:
    """Gauges may be truths, which OTLP has no place for."""
    return int(sample.value) if isinstance(sample.value, bool) else sample.value


def _histograms(samples: Iterable[Sample], began: int, now: int) -> Iterator[HistogramDataPoint]:
    """A point for each set of labels: Prometheus has a sample for each bucket instead."""
    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for each in samples:
        labels = {name: value for name, value in each.labels.items() if name != "le"}
        key = tuple(sorted(labels.items()))
        if each.name.endswith("_bucket"):
            buckets.setdefault(key, []).append((float(each.labels["le"]), each.value))
        elif each.name.endswith("_sum"):
            sums[key] = each.value
    for key, cumulative in buckets.items():
        cumulative.sort()
        upto = [0.0, *(n for _, n in cumulative)]
        counts = [round(more - less) for less, more in pairwise(upto)]
        bounds = [bound for bound, _ in cumulative if not math.isinf(bound)]
        total = sums.get(key, 0.0)
        yield HistogramDataPoint(
            _attributes(dict(key)), began, now, round(upto[-1]), total, counts, bounds,
            min=None, max=None,  # type: ignore[arg-type]  # nobody has kept them: they are optional
        )  # fmt: skip


def _attributes(labels: Mapping[str, str]) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {}
    for name, value in labels.items():
        if value:
            is_status = name == "http_response_status_code" and value.isdigit()
            attributes[LABELS.get(name, f"crossmodel.{name}")] = int(value) if is_status else value
    return attributes
