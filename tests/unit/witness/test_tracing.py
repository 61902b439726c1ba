"""W3C Trace Context, and the span that OpenTelemetry has open."""

import subprocess
import sys

import pytest
from opentelemetry import trace as opentelemetry

from crossmodel.witness.tracing import (
    current_trace_id,
    note_answer,
    parent_id_of,
    trace_id_of,
)

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE_ID}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}-00",
        f"01-{TRACE_ID}-{PARENT}-ff",
        f"cc-{TRACE_ID}-{PARENT}-01-what-the-future-brings",
    ],
)
def test_a_traceparent_names_its_trace(header):
    assert trace_id_of(header) == TRACE_ID


@pytest.mark.parametrize(
    "header",
    [
        "",
        TRACE_ID,
        f"ff-{TRACE_ID}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}-01-more",
        f"01-{TRACE_ID}-{PARENT}-01more",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{PARENT}-01",
        f"00-{TRACE_ID[:-1]}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}-1",
        f"0-{TRACE_ID}-{PARENT}-01",
        f" 00-{TRACE_ID}-{PARENT}-01",
        f"00-{TRACE_ID}-{PARENT}-01\n",
        f"00-{TRACE_ID[:-1]}\u0661-{PARENT}-01",
    ],
)
def test_a_traceparent_that_is_none_is_ignored(header):
    assert trace_id_of(header) is None


@pytest.mark.parametrize(
    ("header", "parent"),
    [
        (f"00-{TRACE_ID}-{PARENT}-01", PARENT),
        (f"00-{TRACE_ID}-{PARENT}-03", PARENT),
        (f"cc-{TRACE_ID}-{PARENT}-01-what-the-future-brings", PARENT),
        (f"00-{TRACE_ID}-{PARENT}-00", None),
        (f"00-{TRACE_ID}-{PARENT}-02", None),
        (f"00-{TRACE_ID}-{'0' * 16}-01", None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{TRACE_ID}-{PARENT}-01-more", None),
        ("", None),
    ],
)
def test_the_callers_span_counts_if_the_caller_records_it(header, parent):
    assert parent_id_of(header) == parent


def test_the_trace_of_the_open_span():
    assert current_trace_id() is None
    context = opentelemetry.SpanContext(int(TRACE_ID, 16), 5, is_remote=False)
    with opentelemetry.use_span(opentelemetry.NonRecordingSpan(context)):
        assert current_trace_id() == TRACE_ID
        note_answer("req_1")
    with opentelemetry.use_span(opentelemetry.NonRecordingSpan(opentelemetry.INVALID_SPAN_CONTEXT)):
        assert current_trace_id() is None


def test_opentelemetry_is_never_loaded_for_it():
    code = (
        "import sys\n"
        "from crossmodel.witness.tracing import current_trace_id\n"
        "assert current_trace_id() is None\n"
        "print('opentelemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
