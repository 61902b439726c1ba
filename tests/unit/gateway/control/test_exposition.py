import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from crossmodel.balancing import CircuitState
from crossmodel.domain.models import ModelSpec
from crossmodel.gateway.control.exposition import Exposition
from crossmodel.gateway.control.figures import Scrape
from crossmodel.gateway.control.ports import EndpointState, ModelState
from crossmodel.gateway.metrics import Metrics
from crossmodel.wire.usage import TokenUsage


def read(metrics, models=()):
    """The samples by name and labels, from the text."""
    scrape = Scrape(models=models, providers={each.spec.id: "openai" for each in models})
    text = Exposition(metrics, "1.2.3").text(scrape).decode("utf-8")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples, name, **labels):
    return samples[name, tuple(sorted(labels.items()))]


def test_what_was_served_can_be_scraped(served):
    metrics = Metrics()
    usage = TokenUsage(input_tokens=10, output_tokens=3)
    for status in (200, 200, 499, 503):
        metrics.served(served(status=status, latency_ms=50.0, usage=usage, cost_usd=0.25), 10.0)
    metrics.served(served(path="/v1/messages", latency_ms=1e9, is_cached=True))
    metrics.refused.add("rate_limit", 2)
    metrics.upstream_errors.add("timeout")
    metrics.retries = 4
    samples = read(metrics)
    chat = {"http_route": "/v1/chat/completions", "gen_ai_request_model": "m"}
    code = "http_response_status_code"
    assert value(samples, "crossmodel_requests_total", **chat, **{code: "200"}) == 2
    assert value(samples, "crossmodel_requests_cancelled_total") == 1
    assert value(samples, "crossmodel_cache_hits_total") == 1
    assert value(samples, "crossmodel_requests_refused_total", reason="rate_limit") == 2
    assert value(samples, "crossmodel_upstream_errors_total", error_type="timeout") == 1
    assert value(samples, "crossmodel_retries_total") == 4
    of_model = {"gen_ai_request_model": "m"}
    tokens = "crossmodel_tokens_total"
    assert value(samples, tokens, gen_ai_token_type="input", **of_model) == 40
    assert value(samples, tokens, gen_ai_token_type="output", **of_model) == 12
    assert value(samples, "crossmodel_cost_usd_total", tenant="acme", **of_model) == 1.0
    assert value(samples, "crossmodel_build_info", version="1.2.3") == 1
    assert ("process_resident_memory_bytes", ()) in samples


def test_both_paths_of_one_operation_share_a_histogram_in_seconds(served):
    metrics = Metrics()
    metrics.served(served(latency_ms=50.0), 10.0)
    metrics.served(served(path="/v1/messages", latency_ms=1e9), None)
    samples = read(metrics)
    labels = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "",
        "gen_ai_request_model": "m",
        "error_type": "",
    }
    name = "gen_ai_server_request_duration_seconds"
    assert value(samples, f"{name}_count", **labels) == 2
    assert value(samples, f"{name}_sum", **labels) == pytest.approx(0.05 + 1e6)
    assert value(samples, f"{name}_bucket", le="0.04", **labels) == 0
    assert value(samples, f"{name}_bucket", le="0.08", **labels) == 1
    assert value(samples, f"{name}_bucket", le="81.92", **labels) == 1
    assert value(samples, f"{name}_bucket", le="+Inf", **labels) == 2
    first = "gen_ai_server_time_to_first_token_seconds"
    assert value(samples, f"{first}_count", **labels) == 1
    assert value(samples, f"{first}_bucket", le="0.01", **labels) == 1


def test_endpoints_show_their_circuits():
    endpoints = [
        EndpointState("a", in_flight=3),
        EndpointState("b", CircuitState.OPEN, is_healthy=False),
    ]
    samples = read(Metrics(), [ModelState(ModelSpec("m", "p"), endpoints)])
    a = {"gen_ai_request_model": "m", "endpoint": "a"}
    b = {"gen_ai_request_model": "m", "endpoint": "b"}
    assert value(samples, "crossmodel_endpoint_requests_in_flight", **a) == 3
    assert value(samples, "crossmodel_endpoint_healthy", **b) == 0
    circuit = "crossmodel_endpoint_circuit"
    assert value(samples, circuit, state="closed", **a) == 1
    assert value(samples, circuit, state="closed", **b) == 0
    assert value(samples, circuit, state="open", **b) == 1


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(), max_size=5),
            st.text(st.characters(), min_size=1, max_size=5).filter(str.strip),
            st.integers(100, 599),
            st.floats(0, 1e7),
        ),
        max_size=8,
    )
)
def test_whatever_the_names_the_text_can_be_parsed_and_adds_up(served, requests):
    metrics = Metrics()
    for tenant, model, status, latency in requests:
        one = served(tenant=tenant, model=model, status=status, latency_ms=latency, cost_usd=0.5)
        metrics.served(one, latency)
    samples = read(metrics)
    count = "gen_ai_server_request_duration_seconds_count"
    assert sum(n for (name, _), n in samples.items() if name == count) == len(requests)
    spent = sum(n for (name, _), n in samples.items() if name == "crossmodel_cost_usd_total")
    assert math.isclose(spent, 0.5 * len(requests))
