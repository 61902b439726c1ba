import math
from dataclasses import replace

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes, http_attributes, server_attributes
from opentelemetry.trace import SpanKind, StatusCode

from crossmodel.telemetry import OpenTelemetryHook
from crossmodel.telemetry.names import MOST_NAMES
from crossmodel.telemetry.spans import Place

PLACES = {"row": Place("openai", "127.0.0.1", 9100)}

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Telemetry:
    """A program with the SDK set up, and the hook."""

    def __init__(self):
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.hook = OpenTelemetryHook(
            tracer_provider=self.tracers,
            meter_provider=MeterProvider([self.reader]),
            places=PLACES,
        )

    @property
    def spans(self):
        return {span.name: span for span in self.exporter.get_finished_spans()}

    def metrics(self):
        data = self.reader.get_metrics_data()
        found = data.resource_metrics[0].scope_metrics[0].metrics if data else []
        return {metric.name: metric for metric in found}


@pytest.fixture
def telemetry():
    made = Telemetry()
    yield made
    made.tracers.shutdown()


def test_a_request_is_a_span_with_a_child_for_each_stage(telemetry, request_event):
    telemetry.hook(request_event())
    spans = telemetry.spans
    names = {"chat cheap", "crossmodel.select", "crossmodel.transfer", "crossmodel.extract"}
    assert set(spans) == names
    root = spans["chat cheap"]
    assert root.kind is SpanKind.CLIENT
    assert root.parent is None
    assert root.status.status_code is StatusCode.UNSET
    wanted = {
        gen_ai.GEN_AI_OPERATION_NAME: "chat",
        gen_ai.GEN_AI_PROVIDER_NAME: "openai",
        gen_ai.GEN_AI_REQUEST_MODEL: "cheap",
        gen_ai.GEN_AI_RESPONSE_MODEL: "cheap-2026",
        gen_ai.GEN_AI_USAGE_INPUT_TOKENS: 120,
        gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS: 30,
        gen_ai.GEN_AI_REQUEST_STREAM: False,
        server_attributes.SERVER_ADDRESS: "127.0.0.1",
        server_attributes.SERVER_PORT: 9100,
        "crossmodel.answer.id": "req_1",
        "crossmodel.tenant": "acme",
        "crossmodel.cost_usd": 0.25,
    }
    assert dict(root.attributes) == wanted
    for name in names - {"chat cheap"}:
        child = spans[name]
        assert child.parent.span_id == root.context.span_id
        assert root.start_time <= child.start_time <= child.end_time <= root.end_time, name
    assert spans["crossmodel.transfer"].attributes["crossmodel.transfer.insights"] == 3
    took = spans["crossmodel.transfer"].end_time - spans["crossmodel.transfer"].start_time
    assert took == 12_000_000, "nanoseconds"
    assert root.end_time - root.start_time == pytest.approx(500_020_000, abs=2000)


def test_in_the_library_it_is_a_child_of_the_span_that_is_open(telemetry, request_event):
    tracer = telemetry.tracers.get_tracer("program")
    with tracer.start_as_current_span("handle") as outer:
        telemetry.hook(request_event())
    root = telemetry.spans["chat cheap"]
    assert root.parent.span_id == outer.get_span_context().span_id


def served(request_event, **changes):
    given = {"route": "/v1/chat/completions", "status": 200, "first_byte_ms": 40.0}
    return request_event(**(given | changes))


def test_in_the_gateway_it_continues_the_callers_trace(telemetry, request_event):
    telemetry.hook(served(request_event, trace_id=TRACE, parent_id=PARENT))
    root = telemetry.spans["chat cheap"]
    assert root.kind is SpanKind.SERVER
    assert f"{root.context.trace_id:032x}" == TRACE
    assert f"{root.parent.span_id:016x}" == PARENT
    assert root.parent.is_remote
    said = root.attributes
    assert said[http_attributes.HTTP_ROUTE] == "/v1/chat/completions"
    assert said[http_attributes.HTTP_RESPONSE_STATUS_CODE] == 200
    assert said[http_attributes.HTTP_REQUEST_METHOD] == "POST"
    assert said[gen_ai.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] == 0.04
    assert server_attributes.SERVER_ADDRESS not in said, "of a server's span it were our own"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"route": "", "status": 0, "error": "ProviderTimeoutError"}, StatusCode.ERROR),
        ({"status": 503, "error": "503"}, StatusCode.ERROR),
        ({"status": 404, "error": "404"}, StatusCode.UNSET),
        ({"status": 499, "error": "499"}, StatusCode.UNSET),
    ],
)
def test_who_failed_decides_whether_the_span_did(telemetry, request_event, changes, status):
    telemetry.hook(served(request_event, **changes))
    root = telemetry.spans["chat cheap"]
    assert root.status.status_code is status
    assert root.attributes[error_attributes.ERROR_TYPE] == changes["error"]


def test_metrics_have_the_names_units_and_bounds_of_the_conventions(telemetry, request_event):
    event = request_event()
    for each in (event.selection, event.transfer, event.extraction, event):
        telemetry.hook(each)
    metrics = telemetry.metrics()
    duration = metrics[gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION]
    [point] = duration.data.data_points
    assert duration.unit == "s"
    assert (point.count, point.sum) == (1, 0.5)
    assert point.explicit_bounds[0] == 0.01
    assert point.explicit_bounds[-1] == 81.92
    usage = metrics[gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE]
    assert usage.unit == "{token}"
    by_kind = {
        point.attributes[gen_ai.GEN_AI_TOKEN_TYPE]: point.sum for point in usage.data.data_points
    }
    assert by_kind == {"input": 120, "output": 30}
    assert usage.data.data_points[0].explicit_bounds[-1] == 67108864
    stages = {
        point.attributes["crossmodel.stage"]: point.sum
        for point in metrics["crossmodel.stage.duration"].data.data_points
    }
    assert stages == pytest.approx({"select": 2e-5, "transfer": 0.012, "extract": 0.004})
    insights = {
        point.attributes["crossmodel.insight.way"]: point.value
        for point in metrics["crossmodel.insights"].data.data_points
    }
    assert insights == {"injected": 3, "extracted": 2}
    assert metrics["crossmodel.cost"].data.data_points[0].value == 0.25


def test_metrics_of_hostile_names_stay_few(telemetry, request_event):
    for n in range(1000):
        telemetry.hook(request_event(model_id=f"m{n}", served_model=f"s{n}", error=f"e{n}"))
    duration = telemetry.metrics()[gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION]
    assert len(duration.data.data_points) <= MOST_NAMES + 1
    assert sum(point.count for point in duration.data.data_points) == 1000


@pytest.mark.parametrize("latency", [math.nan, math.inf, -math.inf, -5.0, 1e300])
def test_what_is_no_duration_costs_neither_the_span_nor_the_figures_of_others(
    telemetry, request_event, latency
):
    broken = request_event().transfer
    telemetry.hook(request_event(latency_ms=latency, transfer=replace(broken, latency_ms=latency)))
    telemetry.hook(request_event(latency_ms=500.0, cost_usd=latency))
    assert len(telemetry.exporter.get_finished_spans()) == 8
    for span in telemetry.exporter.get_finished_spans():
        assert span.end_time >= span.start_time
    [point] = telemetry.metrics()["gen_ai.client.operation.duration"].data.data_points
    assert math.isfinite(point.sum)


def test_without_an_sdk_nothing_happens(request_event):
    OpenTelemetryHook()(request_event())
