import socket
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[3]))

from collector_server import CollectorServer, said
from crossmodel import ConfigurationError
from crossmodel.telemetry.otlp import SEND_SECONDS, Collector, Export, headers_from

TRACE = "0af7651916cd43dd8448eb211c80319c"


def exported(request_event, collector, **options):
    export = Export(
        Collector(collector.url, {"x-api-key": "the collector's"}, "shop", "1.2.3"), **options
    )
    for n in range(4):
        export(request_event(request_id=f"req_{n}"))
    export.close()


def test_spans_and_metrics_get_to_a_collector_with_its_headers(request_event):
    with CollectorServer() as collector:
        exported(request_event, collector)
    paths = {path for path, _, _ in collector.messages}
    assert paths == {"/v1/traces", "/v1/metrics"}
    for _, headers, _ in collector.messages:
        assert headers["x-api-key"] == "the collector's"
        assert headers["content-type"] == "application/x-protobuf"
    spans = collector.spans()
    assert len(spans) == 16
    roots = [span for span, _ in spans if not span.parent_span_id]
    assert sorted(said(span)["crossmodel.answer.id"] for span in roots) == [
        "req_0", "req_1", "req_2", "req_3",
    ]  # fmt: skip
    _, resource = spans[0]
    assert resource["service.name"] == "shop"
    assert resource["service.version"] == "1.2.3"
    duration = collector.metrics()["gen_ai.client.operation.duration"]
    [point] = duration.histogram.data_points
    assert point.count == 4


def test_a_gateway_counts_itself(request_event):
    with CollectorServer() as collector:
        exported(request_event, collector, with_metrics=False)
    assert {path for path, _, _ in collector.messages} == {"/v1/traces"}


def test_a_trace_that_the_caller_names_without_a_span_is_gone_on_with(request_event):
    with CollectorServer() as collector:
        export = Export(Collector(collector.url), with_metrics=False)
        export(request_event(trace_id=TRACE))
        export(request_event())
        export.close()
    ids = [span.trace_id.hex() for span, _ in collector.spans() if not span.parent_span_id]
    assert ids[0] == TRACE
    assert ids[1] != TRACE, "what was said of one request does not hold for the next"


def test_sampling_makes_no_trace_or_every_trace(request_event):
    with CollectorServer() as collector:
        exported(request_event, collector, sampling=0.0, with_metrics=False)
        assert not collector.spans()
        exported(request_event, collector, sampling=None, with_metrics=False)
        assert len(collector.spans()) == 16


@pytest.mark.slow
def test_a_collector_that_never_answers_does_not_hold_up_the_end(request_event):
    with CollectorServer(hangs=True) as collector:
        export = Export(Collector(collector.url), with_metrics=False)
        for n in range(600):
            export(request_event(request_id=f"req_{n}"))
        began = time.monotonic()
        export.close()
        assert time.monotonic() - began < 3 * SEND_SECONDS


def test_a_collector_that_is_not_there_costs_nobody_anything(request_event):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    export = Export(Collector(f"http://127.0.0.1:{port}"), with_metrics=False)
    began = time.monotonic()
    export(request_event())
    assert time.monotonic() - began < 1.0
    export.close()
    assert time.monotonic() - began < 3 * SEND_SECONDS


def test_headers_are_read_as_opentelemetrys_own_variables_are():
    assert headers_from("Authorization=Basic a=b, x-scope=7,") == {
        "authorization": "Basic a=b", "x-scope": "7",
    }  # fmt: skip
    assert headers_from("") == {}


@given(st.text())
def test_headers_that_are_none_are_refused_without_being_shown(text):
    try:
        headers = headers_from(text)
    except ConfigurationError as error:
        assert error.path == "telemetry.headers_env"
        assert str(error) == ("telemetry.headers_env: the variable must hold name=value,name=value")
    else:
        for name, value in headers.items():
            assert name.strip() == name != ""
            f"{name}: {value}".encode("ascii")
