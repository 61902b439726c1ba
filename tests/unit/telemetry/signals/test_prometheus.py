import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from crossmodel.domain.events import RequestEvent, SelectionEvent, WitnessEvent
from crossmodel.domain.period import utc_now
from crossmodel.telemetry import PrometheusCollector
from crossmodel.telemetry.names import MOST_NAMES


@pytest.fixture
def collector():
    return PrometheusCollector()


@pytest.fixture
def registry(collector):
    made = CollectorRegistry()
    made.register(collector)
    return made


def samples(text, parser=parse):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parser(text)
        for sample in family.samples
    }


def value(found, name, **labels):
    return found[name, tuple(sorted(labels.items()))]


def test_both_parsers_read_the_same_of_everything_that_happened(collector, registry, request_event):
    event = request_event()
    for each in (event.selection, event.transfer, event.extraction, event):
        collector(each)
    collector(WitnessEvent(tenant="acme", about="req_1", records=3, latency_ms=5.0))
    plain = samples(generate_latest(registry).decode())
    strict = samples(generate_openmetrics(registry).decode(), parse_openmetrics)
    call = {
        "gen_ai_operation_name": "chat", "gen_ai_provider_name": "row",
        "gen_ai_request_model": "cheap",
    }  # fmt: skip
    duration = "gen_ai_client_operation_duration_seconds"
    for found in (plain, strict):
        assert value(found, f"{duration}_sum", error_type="", **call) == 0.5
        assert value(found, f"{duration}_bucket", le="0.64", error_type="", **call) == 1
        assert value(found, f"{duration}_bucket", le="0.32", error_type="", **call) == 0
        usage = "gen_ai_client_token_usage"
        assert value(found, f"{usage}_sum", gen_ai_token_type="input", **call) == 120
        assert value(found, f"{usage}_bucket", gen_ai_token_type="output", le="64.0", **call) == 1
        assert value(found, f"{usage}_bucket", gen_ai_token_type="output", le="16.0", **call) == 0
        model = {"gen_ai_request_model": "cheap"}
        assert value(found, "crossmodel_cost_usd_total", tenant="acme", **model) == 0.25
        chosen = {"algorithm": "weighted", "error_type": ""}
        assert value(found, "crossmodel_selections_total", **chosen, **model) == 1
        arm = {"arm": "insights", "success": "true"}
        assert value(found, "crossmodel_transfers_total", **arm, **model) == 1
        assert value(found, "crossmodel_insights_injected_total", **model) == 3
        assert value(found, "crossmodel_insights_extracted_total", **model) == 2
        assert value(found, "crossmodel_witness_records_total") == 3
        assert value(found, "crossmodel_witness_duration_seconds_sum") == 0.005


def test_failures_are_told_apart(collector, registry, request_event):
    collector(request_event(error="ProviderTimeoutError", input_tokens=None, output_tokens=None))
    collector(SelectionEvent(tenant="t", model_id="", error="NoAvailableModelsError"))
    found = samples(generate_latest(registry).decode())
    errors = {dict(labels).get("error_type") for _, labels in found}
    assert {"ProviderTimeoutError", "NoAvailableModelsError"} <= errors
    assert not any(name.startswith("gen_ai_client_token_usage_c") for name, _ in found)


def test_a_registry_refuses_a_second_one_and_whoever_has_taken_its_names(registry):
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(PrometheusCollector())
    other = CollectorRegistry()
    Counter("crossmodel_insights_injected", "Somebody else's.", registry=other)
    with pytest.raises(ValueError, match="Duplicated"):
        other.register(PrometheusCollector())


def test_ten_thousand_tenants_and_hostile_models_stay_few(collector, registry, request_event):
    hostile = ['"}\n', "\x00", "\ud800", "é" * 5000, '{le="1"}', "a\\", "\u2028"]
    for n in range(10_000):
        model = f"{hostile[n % len(hostile)]}{n}"
        event = request_event(model_id=model, tenant=f"tenant {n}", error=f"E{n}")
        collector(event)
    text = generate_latest(registry).decode()
    found = samples(text)
    tenants = {dict(labels).get("tenant") for _, labels in found} - {None}
    models = {dict(labels).get("gen_ai_request_model") for _, labels in found} - {None}
    assert len(tenants) == len(models) == MOST_NAMES + 1
    assert max(map(len, models)) <= MOST_NAMES
    count = "gen_ai_client_operation_duration_seconds_count"
    assert sum(n for (name, _), n in found.items() if name == count) == 10_000
    assert len(parse_all(registry)) > 0


NUMBERS = st.floats()


@given(NUMBERS, NUMBERS, NUMBERS)
def test_what_is_no_figure_spoils_no_other(latency, cost, stage):
    collector, registry = PrometheusCollector(), CollectorRegistry()
    registry.register(collector)
    well = {"tenant": "t", "model_id": "m", "provider": "p", "started_at": utc_now()}
    for latency_ms, cost_usd in ((latency, cost), (100.0, 0.5)):
        event = RequestEvent(request_id="r", latency_ms=latency_ms, cost_usd=cost_usd, **well)
        collector(event)
    collector(SelectionEvent(tenant="t", model_id="m", latency_ms=stage))
    found = samples(generate_latest(registry).decode())
    assert all(math.isfinite(value) for value in found.values())
    spent = found["crossmodel_cost_usd_total", (("gen_ai_request_model", "m"), ("tenant", "t"))]
    assert spent >= 0.5


def parse_all(registry):
    return list(parse_openmetrics(generate_openmetrics(registry).decode()))
