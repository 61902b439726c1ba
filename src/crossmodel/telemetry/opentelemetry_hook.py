"""A hook that tells OpenTelemetry of requests: spans, and the metrics of its conventions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from crossmodel.errors import MissingExtraError

try:
    from opentelemetry.metrics import MeterProvider, get_meter_provider
    from opentelemetry.trace import TracerProvider, get_tracer_provider
except ImportError as error:
    raise MissingExtraError("OpenTelemetry", "otel") from error

from crossmodel.domain.events import (
    Event,
    ExtractionEvent,
    RequestEvent,
    SelectionEvent,
    TransferEvent,
)
from crossmodel.telemetry.conventions import (
    DURATION_BOUNDS_MS,
    STAGE_BOUNDS_MS,
    TOKEN_BOUNDS,
    seconds,
)
from crossmodel.telemetry.names import Names
from crossmodel.telemetry.spans import Place, Places, call_attributes, record_request

SCOPE: Final = "crossmodel"
"""The instrumentation scope of all that comes from here."""

_NOWHERE: Final[Mapping[str, Place]] = {}


class OpenTelemetryHook:
    """Makes spans and metrics of what happens; thread-safe, as the SDK's providers are.

    ::

        cm.hooks.add(OpenTelemetryHook())

    It speaks to the providers that the program has set up, or to those that are given. Where none
    are set up, OpenTelemetry does nothing.

    Args:
        tracer_provider: who makes spans; the program's own if ``None``.
        meter_provider: who keeps metrics; likewise.
        places: where the providers of models are, by the ids of their rows.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        places: Places = _NOWHERE,
    ) -> None:
        tracers = tracer_provider or get_tracer_provider()
        meter = (meter_provider or get_meter_provider()).get_meter(SCOPE)
        self._tracer = tracers.get_tracer(SCOPE)
        self._places = places
        self._fold = Names().fold  # of metrics only: spans may say whatever was said
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="From a request to the end of its answer.",
            explicit_bucket_boundaries_advisory=seconds(DURATION_BOUNDS_MS),
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Tokens of one request, as providers counted them.",
            explicit_bucket_boundaries_advisory=list(TOKEN_BOUNDS),
        )
        self._stages = meter.create_histogram(
            "crossmodel.stage.duration",
            unit="s",
            description="Selecting, handing over and extracting.",
            explicit_bucket_boundaries_advisory=seconds(STAGE_BOUNDS_MS),
        )
        self._insights = meter.create_counter(
            "crossmodel.insights",
            unit="{insight}",
            description="Insights that were found in answers, or put into requests.",
        )
        self._cost = meter.create_counter(
            "crossmodel.cost", unit="{USD}", description="What calls were charged with."
        )

    def __call__(self, event: Event, /) -> None:
        """Tell OpenTelemetry."""
        if isinstance(event, RequestEvent):
            record_request(self._tracer, event, self._places)
            self._requested(event)
        elif isinstance(event, SelectionEvent):
            self._took("select", event.model_id, event.latency_ms)
        elif isinstance(event, TransferEvent):
            self._took("transfer", event.target_model, event.latency_ms)
            self._counted("injected", event.target_model, event.insights)
        elif isinstance(event, ExtractionEvent):
            self._took("extract", event.source_model, event.latency_ms)
            self._counted("extracted", event.source_model, event.insights)

    def _requested(self, event: RequestEvent) -> None:
        said = call_attributes(event, self._places)
        for name in ("gen_ai.request.model", "gen_ai.response.model", "error.type"):
            if name in said:
                said[name] = self._fold(str(said[name]))
        if math.isfinite(event.latency_ms):  # else it would spoil the sum of all others for good
            self._duration.record(event.latency_ms / 1000, said)
        said.pop("error.type", None)
        for kind, tokens in (("input", event.input_tokens), ("output", event.output_tokens)):
            if tokens is not None:
                self._tokens.record(tokens, said | {"gen_ai.token.type": kind})
        if 0 < event.cost_usd < math.inf:
            self._cost.add(event.cost_usd, {"gen_ai.request.model": self._fold(event.model_id)})

    def _took(self, stage: str, model: str, latency_ms: float) -> None:
        if math.isfinite(latency_ms):
            said = {"crossmodel.stage": stage, "gen_ai.request.model": self._fold(model)}
            self._stages.record(latency_ms / 1000, said)

    def _counted(self, way: str, model: str, insights: int) -> None:
        if insights:
            said = {"crossmodel.insight.way": way, "gen_ai.request.model": self._fold(model)}
            self._insights.add(insights, said)
