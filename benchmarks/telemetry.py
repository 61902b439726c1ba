"""What telemetry costs a request: on the gateway's path, and in the library.

It writes the table ``benchmarks/telemetry.md``. Each row is processor time of one thread for one
request, the least of several rounds; rows take turns, so that they can be compared on a noisy
machine too. The budget on the gateway's path is 3 µs, all of it together.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from crossmodel import CrossModelConsciousnessMetrics, ModelCapability, ModelSpec, TaskRequirement
from crossmodel.domain.events import RequestEvent, SelectionEvent
from crossmodel.domain.selection import ModelSelection
from crossmodel.gateway.events import EventRelay
from crossmodel.gateway.metrics import Metrics
from crossmodel.gateway.served import Served
from crossmodel.hooks import Hooks
from crossmodel.telemetry import OpenTelemetryHook, PrometheusCollector
from crossmodel.wire.dialect import Dialect
from crossmodel.wire.usage import TokenUsage

ROUNDS = 25
CALLS = 500
"""Of each round: fewer than the relay has room for, so that each of them is taken down."""

BUDGET_NS: Final = 3_000
TABLE: Final = Path(__file__).with_suffix(".md")

Call = Callable[[], None]


class Nowhere(SpanExporter):
    """Where spans go whose making is measured."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Drop them."""
        del spans
        return SpanExportResult.SUCCESS


def request() -> Served:
    """One request as the gateway has it at its end."""
    selection = ModelSelection("m", TaskRequirement([ModelCapability.CODING]), 0.8)
    return Served(
        id="req_1", tenant="acme", key="k", path="/v1/chat/completions", dialect=Dialect.CHAT,
        request=b"{}", selection=selection, model=ModelSpec("m", "p"),
        started_at=datetime.now(UTC), latency_ms=312.5, status=200,
        usage=TokenUsage(input_tokens=1200, output_tokens=310), cost_usd=0.002,
        served_model="m-2026",
    )  # fmt: skip


class Waiting(EventRelay):
    """A relay whose thread is over: what the request path does is all that is measured."""

    __slots__ = ()

    def refill(self) -> None:
        """Make room, as the thread does."""
        self._waiting.clear()


def gateway_rows() -> dict[str, tuple[Call, Call]]:
    """What is done at the end of a request, and what is done before each round."""
    served, hooks = request(), Hooks(lambda _event: None)

    def nothing() -> None:
        """No more than the call itself."""

    def both(sampling: float) -> tuple[Call, Call]:
        metrics, relay = Metrics(), Waiting(hooks, sampling=sampling)
        relay.close()

        def call() -> None:
            metrics.served(served)
            relay.tell(served)

        return call, relay.refill

    counting = Metrics()
    return {
        "nothing": (nothing, nothing),
        "counted for /metrics": (lambda: counting.served(served), nothing),
        "counted, and 1 % traced": both(0.01),
        "counted, and all traced": both(1.0),
    }


def library_rows() -> dict[str, tuple[Call, Call]]:
    """What each hook does with one request and its selection."""
    selection = SelectionEvent(tenant="acme", model_id="m", latency_ms=0.01)
    event = RequestEvent(
        request_id="req_1", tenant="acme", model_id="m", provider="p",
        started_at=datetime.now(UTC), latency_ms=312.5, input_tokens=1200, output_tokens=310,
        cost_usd=0.002, selection=selection,
    )  # fmt: skip
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(Nowhere()))
    telling = {
        "a hook that does nothing": Hooks(lambda _event: None),
        "CrossModelConsciousnessMetrics": Hooks(CrossModelConsciousnessMetrics()),
        "PrometheusCollector": Hooks(PrometheusCollector()),
        "OpenTelemetryHook": Hooks(
            OpenTelemetryHook(
                tracer_provider=tracers, meter_provider=MeterProvider([InMemoryMetricReader()])
            )
        ),
    }

    def tell(hooks: Hooks) -> Call:
        def call() -> None:
            hooks(selection)
            hooks(event)

        return call

    return {name: (tell(hooks), lambda: None) for name, hooks in telling.items()}


def measure(rows: dict[str, tuple[Call, Call]]) -> dict[str, float]:
    """Nanoseconds of each row."""
    least = dict.fromkeys(rows, float("inf"))
    for _ in range(ROUNDS):
        for name, (call, before) in rows.items():
            before()
            began = time.thread_time_ns()
            for _ in range(CALLS):
                call()
            least[name] = min(least[name], (time.thread_time_ns() - began) / CALLS)
    return least


def table() -> str:
    """Both tables, in the format of the page."""
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    gateway, library = measure(gateway_rows()), measure(library_rows())
    counted = gateway["counted for /metrics"]
    lines = [
        "# Telemetry",
        "",
        f"Least of {ROUNDS} rounds of {CALLS} requests, processor time of one thread; {machine},",
        f"{os.cpu_count()} processors, other work beside. Written by `benchmarks/telemetry.py`.",
        "",
        "## On the gateway's path",
        "",
        f"The budget is {BUDGET_NS / 1000:.0f} µs a request for all of it.",
        "",
        "| at the end of a request | µs | to counting alone |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {ns / 1000:.2f} | {ns / counted:.2f} |" for name, ns in gateway.items()),
        "",
        "## In the library",
        "",
        "What hooks take of the thread that completes a request; that itself takes milliseconds.",
        "",
        "| told of a request and its selection | µs |",
        "| --- | ---: |",
        *(f"| {name} | {ns / 1000:.1f} |" for name, ns in library.items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print the table and keep it."""
    made = table()
    TABLE.write_text(made, "utf-8")
    sys.stdout.write(made)


if __name__ == "__main__":
    main()
