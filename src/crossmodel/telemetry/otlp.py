"""Sending traces and metrics to an OpenTelemetry collector, over OTLP/HTTP.

What cannot be sent is dropped: whoever asks a model must not wait for whoever watches.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from crossmodel.domain.events import Event, RequestEvent
from crossmodel.errors import ConfigurationError, MissingExtraError

try:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.metrics import NoOpMeterProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import (
        ALWAYS_ON,
        ParentBased,
        Sampler,
        TraceIdRatioBased,
    )
except ImportError as error:
    raise MissingExtraError("sending telemetry", "otel") from error

from crossmodel.telemetry.opentelemetry_hook import SCOPE, OpenTelemetryHook
from crossmodel.telemetry.spans import Places

SEND_SECONDS: Final = 5.0
"""How long one message may take, further tries included; and how long closing may take."""

BATCH: Final = 128
"""Spans of one message: few, so that packing them does not hold up who answers requests."""

MOST_WAITING: Final = 2048
"""Spans that may wait; more are dropped."""

BATCH_SECONDS: Final = 1.0


def resource(service_name: str, version: str) -> Resource:
    """Who speaks: beside it, what the variable ``OTEL_RESOURCE_ATTRIBUTES`` says."""
    return Resource.create({"service.name": service_name, "service.version": version})


def headers_from(text: str) -> dict[str, str]:
    """Headers as ``name=value,name=value``, which is how OpenTelemetry's own variables have them.

    Raises:
        ConfigurationError: if a piece is none; it does not say which, since they are secret.
    """
    pairs = [piece.partition("=") for piece in text.split(",") if piece.strip()]
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    are_whole = all(separator for _, separator, _ in pairs)
    if not are_whole or not all(_is_header(*pair) for pair in headers.items()):
        raise ConfigurationError(
            "the variable must hold name=value,name=value", path="telemetry.headers_env"
        )
    return headers


def _is_header(name: str, value: str) -> bool:
    """Whether HTTP can say it (RFC 9110, 5.1 and 5.5), in ASCII."""
    return _TOKEN.fullmatch(name) is not None and value.isascii() and value.isprintable()


_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")


class Ids(RandomIdGenerator):
    """Ids of traces, of which one can be said beforehand: that of the caller's trace.

    A caller may name a trace without a span of it: then ours is its first one.
    """

    def __init__(self) -> None:
        self._said = threading.local()

    def generate_trace_id(self) -> int:
        """The id that was said, or a random one."""
        said: int | None = getattr(self._said, "trace_id", None)
        return super().generate_trace_id() if said is None else said

    @contextmanager
    def said(self, trace_id: str | None) -> Iterator[None]:
        """In this thread new traces have that id."""
        self._said.trace_id = None if trace_id is None else int(trace_id, 16)
        try:
            yield
        finally:
            self._said.trace_id = None


@dataclass(frozen=True, slots=True)
class Collector:
    """Where telemetry goes.

    Attributes:
        endpoint: address of an OpenTelemetry collector, such as ``http://127.0.0.1:4318``.
        headers: what it wants to see with each message.
        service_name: what all of it is said to be of.
        version: of CrossModel.
        places: the providers of models, by the ids of their rows.
    """

    endpoint: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    service_name: str = SCOPE
    version: str = ""
    places: Places = field(default_factory=dict)


class Export:
    """A hook that sends what it is told to a collector; close it at the end.

    Args:
        collector: where it goes.
        sampling: the share of traces that are made, 0..1; a caller's trace is made if the caller
            makes it. ``None`` if somebody has chosen already what is told.
        with_metrics: whether metrics are sent, too; not where somebody else does.

    Attributes:
        endpoint: as the collector has it; ``headers`` likewise.
        who: the resource that all of it is of.
    """

    def __init__(
        self, collector: Collector, *, sampling: float | None = 1.0, with_metrics: bool = True
    ) -> None:
        self.endpoint, self.headers = collector.endpoint, collector.headers
        self.who = resource(collector.service_name, collector.version)
        self._tracing = Tracing(self.who, span_exporter(self.endpoint, self.headers), sampling)
        self._meters: MeterProvider | None = None
        if with_metrics:
            reader = PeriodicExportingMetricReader(
                metric_exporter(self.endpoint, self.headers),
                export_timeout_millis=SEND_SECONDS * 1000,
            )
            self._meters = MeterProvider([reader], self.who, shutdown_on_exit=False)
        self._hook = OpenTelemetryHook(
            tracer_provider=self._tracing.provider,
            meter_provider=self._meters or NoOpMeterProvider(),
            places=collector.places,
        )

    def __call__(self, event: Event, /) -> None:
        """Take it down; it is sent later."""
        trace_id = event.trace_id if isinstance(event, RequestEvent) else None
        with self._tracing.ids.said(trace_id):
            self._hook(event)

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        self._tracing.close()
        if self._meters is not None:
            self._meters.shutdown(timeout_millis=SEND_SECONDS * 1000)


class Tracing:
    """A tracer provider of our own, and where its spans go.

    Args:
        who: the resource that all spans are of.
        exporter: where spans go.
        sampling: as for :class:`Export`.
    """

    def __init__(self, who: Resource, exporter: SpanExporter, sampling: float | None = 1.0) -> None:
        sampler: Sampler = (
            ALWAYS_ON if sampling is None else ParentBased(TraceIdRatioBased(sampling))
        )
        self.ids = Ids()
        self.provider = TracerProvider(sampler, who, shutdown_on_exit=False, id_generator=self.ids)
        self._exporter = exporter
        self.provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=MOST_WAITING,
                schedule_delay_millis=BATCH_SECONDS * 1000,
                max_export_batch_size=BATCH,
            )
        )

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        # else a collector that does not answer would be waited for once for each batch
        giving_up = threading.Timer(SEND_SECONDS, self._exporter.shutdown)
        giving_up.daemon = True
        giving_up.start()
        self.provider.shutdown()
        giving_up.cancel()


def span_exporter(endpoint: str, headers: Mapping[str, str]) -> SpanExporter:
    """Sends spans to the collector at that address."""
    return OTLPSpanExporter(_url(endpoint, "traces"), headers=dict(headers), timeout=SEND_SECONDS)


def metric_exporter(endpoint: str, headers: Mapping[str, str]) -> OTLPMetricExporter:
    """Sends metrics to the collector at that address."""
    url = _url(endpoint, "metrics")
    return OTLPMetricExporter(url, headers=dict(headers), timeout=SEND_SECONDS)


def _url(endpoint: str, signal: str) -> str:
    """Where a signal goes, by the address of the collector (OTLP 1.3, 4.2 OTLP/HTTP Request)."""
    return f"{endpoint.rstrip('/')}/v1/{signal}"
