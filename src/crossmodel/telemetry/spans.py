"""A request becomes spans, as OpenTelemetry's conventions for generative AI have them.

One span for the request, named ``chat MODEL``, with children for selecting, handing over and
extracting. Nobody's text is in any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from crossmodel.domain.answer import ANSWER_ATTRIBUTE
from crossmodel.domain.events import (
    ExtractionEvent,
    RequestEvent,
    SelectionEvent,
    TransferEvent,
)

Attributes = dict[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class Place:
    """A provider, as spans name it.

    Attributes:
        name: ``gen_ai.provider.name``, such as ``openai``.
        address: ``server.address``; empty if it runs in this process, or in several places.
        port: ``server.port``; 0 likewise.
    """

    name: str
    address: str = ""
    port: int = 0


Places = Mapping[str, Place]
"""The providers by the ids of their rows."""


def record_request(tracer: Tracer, event: RequestEvent, places: Places) -> None:
    """Make the spans of a request that is over.

    In the gateway they continue the caller's trace; in the library they are children of the span
    that is open where this is called.
    """
    parts = [part for part in (event.selection, event.transfer, event.extraction) if part]
    ended_at = event.started_at + _duration(event.latency_ms)
    begins = min([event.started_at, *(_started_at(part) for part in parts)])
    ends = max([ended_at, *(part.at for part in parts)])
    span = tracer.start_span(
        f"{event.operation} {event.model_id}",
        context=_parent_of(event),
        kind=SpanKind.SERVER if event.route else SpanKind.CLIENT,
        attributes=request_attributes(event, places),
        start_time=_nanoseconds(begins),
        record_exception=False,
    )
    if span.is_recording():
        within = set_span_in_context(span)
        for part in parts:
            _record_part(tracer, part, within)
        _say_how_it_ended(span, event)
    span.end(_nanoseconds(ends))


def call_attributes(event: RequestEvent, places: Places) -> Attributes:
    """What the conventions ask of a call's spans and metrics alike."""
    place = places.get(event.provider)
    attributes: Attributes = {
        "gen_ai.operation.name": event.operation,
        "gen_ai.provider.name": place.name if place is not None else event.provider,
        "gen_ai.request.model": event.model_id,
    }
    if event.served_model:
        attributes["gen_ai.response.model"] = event.served_model
    if place is not None and place.address and not event.route:
        attributes["server.address"] = place.address
        attributes["server.port"] = place.port
    if event.error:
        attributes["error.type"] = event.error
    return attributes


def request_attributes(event: RequestEvent, places: Places) -> Attributes:
    """All that a request's span says. Names of clients' keys are none of it."""
    attributes = call_attributes(event, places)
    attributes[ANSWER_ATTRIBUTE] = event.request_id
    attributes["crossmodel.tenant"] = event.tenant
    attributes["crossmodel.cost_usd"] = event.cost_usd
    attributes["gen_ai.request.stream"] = event.is_stream
    if event.input_tokens is not None:
        attributes["gen_ai.usage.input_tokens"] = event.input_tokens
    if event.output_tokens is not None:
        attributes["gen_ai.usage.output_tokens"] = event.output_tokens
    if event.first_byte_ms is not None:
        attributes["gen_ai.response.time_to_first_chunk"] = event.first_byte_ms / 1000
    if event.route:
        attributes["http.request.method"] = "POST"
        attributes["http.route"] = event.route
        attributes["http.response.status_code"] = event.status
        attributes["crossmodel.cached"] = event.is_cached
    return attributes


Part = SelectionEvent | TransferEvent | ExtractionEvent


def _record_part(tracer: Tracer, part: Part, within: Context) -> None:
    name, attributes = _said_of(part)
    span = tracer.start_span(
        name, within, attributes=attributes, start_time=_nanoseconds(_started_at(part))
    )
    span.end(_nanoseconds(part.at))


def _said_of(part: Part) -> tuple[str, Attributes]:
    """Name and attributes of a part's span."""
    if isinstance(part, SelectionEvent):
        return "crossmodel.select", {
            "crossmodel.selection.model": part.model_id,
            "crossmodel.selection.suitability_score": part.suitability_score,
            "crossmodel.selection.task_complexity": part.task_complexity,
            "crossmodel.selection.alternatives": part.alternatives,
            "crossmodel.selection.algorithm": part.algorithm,
        }
    if isinstance(part, TransferEvent):
        return "crossmodel.transfer", {
            "crossmodel.transfer.success": part.success,
            "crossmodel.transfer.insights": part.insights,
            "crossmodel.transfer.rejected": part.rejected,
            "crossmodel.transfer.quality_score": part.quality_score,
            "crossmodel.transfer.tokens": part.tokens,
            "crossmodel.transfer.arm": part.arm,
            "crossmodel.transfer.protocol": part.protocol,
        }
    return "crossmodel.extract", {
        "crossmodel.extraction.insights": part.insights,
        "crossmodel.extraction.rejected": part.rejected,
        "crossmodel.extraction.failed_patterns": part.failed_patterns,
        "crossmodel.extraction.average_confidence": part.average_confidence,
    }


def _say_how_it_ended(span: Span, event: RequestEvent) -> None:
    """A server's span fails where the server does: a client's mistake is none of it.

    So the conventions for HTTP spans have it; a client's span fails with any error.
    """
    if not event.error:
        return
    if not event.route or event.status >= _SERVER_ERROR:
        span.set_status(Status(StatusCode.ERROR))


_SERVER_ERROR: Final = 500


def _parent_of(event: RequestEvent) -> Context | None:
    """The caller's span; ``None`` for the one that is open here, or for a trace of its own."""
    if event.trace_id is None or event.parent_id is None:
        return None
    caller = SpanContext(
        int(event.trace_id, 16),
        int(event.parent_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    return set_span_in_context(NonRecordingSpan(caller), Context())


def _started_at(part: Part) -> datetime:
    return part.at - _duration(part.latency_ms)


def _duration(milliseconds: float) -> timedelta:
    """A span of time; none for what is none, which spans have no other way to say."""
    return timedelta(milliseconds=milliseconds if 0 <= milliseconds <= _LONGEST_MS else 0.0)


_LONGEST_MS: Final = 366 * 24 * 3_600_000.0


def _nanoseconds(moment: datetime) -> int:
    """Since 1970, as OpenTelemetry has it; whole microseconds, so that none gets lost."""
    return (moment - _EPOCH) // _MICROSECOND * 1000


_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICROSECOND: Final = timedelta(microseconds=1)
