import asyncio
import sys
import time
from pathlib import Path

from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.resources import Resource
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

sys.path.insert(0, str(Path(__file__).parents[3]))

from collector_server import CollectorServer, said
from crossmodel.telemetry.otlp import metric_exporter, resource
from crossmodel.telemetry.otlp_metrics import NAMES, MetricsSender, metrics_data
from crossmodel.telemetry.prometheus import PrometheusCollector


def histogram():
    family = HistogramMetricFamily(
        "gen_ai_server_request_duration_seconds",
        "How long.",
        labels=("gen_ai_request_model", "error_type"),
    )
    family.add_metric(("m", ""), [("0.01", 2.0), ("0.02", 5.0), ("+Inf", 9.0)], 1.5)
    family.add_metric(("m", "503"), [("0.01", 0.0), ("0.02", 1.0), ("+Inf", 1.0)], 0.02)
    return family


def converted(*families):
    data = metrics_data(families, Resource({}), 1, 2)
    return {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}


def test_a_histogram_has_its_buckets_apart_and_its_name_of_the_conventions():
    metric = converted(histogram())[gen_ai_metrics.GEN_AI_SERVER_REQUEST_DURATION]
    assert metric.unit == "s"
    assert metric.data.aggregation_temporality is AggregationTemporality.CUMULATIVE
    well, failed = metric.data.data_points
    assert list(well.explicit_bounds) == [0.01, 0.02]
    assert list(well.bucket_counts) == [2, 3, 4]
    assert (well.count, well.sum) == (9, 1.5)
    assert dict(well.attributes) == {"gen_ai.request.model": "m"}, "no empty error"
    assert dict(failed.attributes) == {"gen_ai.request.model": "m", "error.type": "503"}
    assert (well.start_time_unix_nano, well.time_unix_nano) == (1, 2)


def test_counters_are_sums_and_all_else_is_a_gauge():
    counter = CounterMetricFamily(
        "crossmodel_requests", "Requests.", labels=("http_response_status_code",)
    )
    counter.add_metric(("200",), 7)
    cost = CounterMetricFamily("crossmodel_cost_usd", "Cost.", 1.5)
    gauge = GaugeMetricFamily("crossmodel_log_unwritten_bytes", "Waits.", 9)
    truth = GaugeMetricFamily("crossmodel_healthy", "Well.", value=True)
    found = converted(
        counter, cost, gauge, truth, GaugeMetricFamily("crossmodel_empty", "", labels="a")
    )
    requests = found["crossmodel.requests"]
    assert requests.data.is_monotonic
    [point] = requests.data.data_points
    assert (point.value, dict(point.attributes)) == (7, {"http.response.status_code": 200})
    assert type(found["crossmodel.healthy"].data.data_points[0].value) is int
    assert found["crossmodel.cost"].unit == "{USD}"
    assert (found["crossmodel.log_unwritten"].unit, "crossmodel.empty" in found) == ("By", False)


def test_the_names_are_those_of_the_conventions():
    known = {
        getattr(gen_ai_metrics, name) for name in dir(gen_ai_metrics) if name.startswith("GEN_AI_")
    }
    assert {name for name, _ in NAMES.values()} <= known


def test_what_a_library_user_collects_can_be_sent_as_well(request_event):
    collector = PrometheusCollector()
    registry = CollectorRegistry()
    registry.register(collector)
    collector(request_event())
    found = converted(*registry.collect())
    [point] = found["gen_ai.client.operation.duration"].data.data_points
    assert (point.count, point.sum) == (1, 0.5)


async def test_metrics_are_sent_again_and_again_and_once_more_at_the_end():
    collected = 0

    async def collect():
        nonlocal collected
        collected += 1
        if collected == 2:
            raise OSError("once")
        family = CounterMetricFamily("crossmodel_retries", "Retries.", collected)
        return [family, histogram()]

    with CollectorServer() as collector:
        sender = MetricsSender(
            collect, metric_exporter(collector.url, {}), resource("shop", "1"), seconds=0.02
        )
        waiting = asyncio.to_thread(collector.wait_for, lambda: len(collector.messages) >= 3)
        assert await waiting
        await sender.close()
        await sender.close()
        last = collector.metrics()["crossmodel.retries"].sum.data_points[0]
        assert last.as_int == collected
        point = collector.metrics()["gen_ai.server.request.duration"].histogram.data_points[0]
    assert said(point) == {"gen_ai.request.model": "m"}
    assert not point.HasField("min"), "nobody has kept it"
    assert point.time_unix_nano <= time.time_ns()
