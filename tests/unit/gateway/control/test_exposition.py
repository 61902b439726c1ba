import json
import math
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from crossmodel.balancing import CircuitState
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.transfer import TransferResult
from crossmodel.domain.witness import LogStanding
from crossmodel.gateway.control.exposition import Exposition
from crossmodel.gateway.control.gathered import Scrape
from crossmodel.gateway.control.ports import Counts, EndpointState, ModelState
from crossmodel.gateway.metrics import KNOWN_STATUSES, MOST_CELLS, MOST_SERIES, Metrics
from crossmodel.selection import Standing
from crossmodel.telemetry.names import MOST_NAMES
from crossmodel.wire.usage import TokenUsage

ROOT = Path(__file__).parents[4]


def read(metrics, models=()):
    """The samples by name and labels, from the text."""
    scrape = Scrape(models=models, providers={each.spec.id: "openai" for each in models})
    return samples_of(Exposition(metrics, "1.2.3").text(scrape).decode("utf-8"))


def samples_of(text):
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
        metrics.served(
            served(status=status, latency_ms=50.0, usage=usage, cost_usd=0.25, first_byte_ms=10.0)
        )
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
    metrics.served(served(latency_ms=50.0, first_byte_ms=10.0))
    metrics.served(served(path="/v1/messages", latency_ms=1e9))
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
        metrics.served(one)
    samples = read(metrics)
    count = "gen_ai_server_request_duration_seconds_count"
    assert sum(n for (name, _), n in samples.items() if name == count) == len(requests)
    spent = sum(n for (name, _), n in samples.items() if name == "crossmodel_cost_usd_total")
    assert math.isclose(spent, 0.5 * len(requests))


def families(metrics, scrape):
    return {family.name: family for family in Exposition(metrics, "1.2.3").families(scrape)}


def test_how_things_stand_can_be_scraped():
    now = datetime.now(UTC)
    standing = LogStanding(
        100, 90, now - timedelta(seconds=30), now - timedelta(seconds=5), unwritten_bytes=4096
    )
    endpoint = EndpointState("a", requests=9, successes=6, failures=2, cancelled=1)
    scrape = Scrape(
        models=[ModelState(ModelSpec("m", "p"), [endpoint], is_enabled=False)],
        counts=Counts(in_flight=3, records_lost=2, insights_dropped=1, hook_failures=4),
        budgets=[Standing("tenant", "acme", "daily_budget", "2026-05-04", 10.0, 2.5)],
        budgets_left_out=7,
        log=standing,
    )
    text = Exposition(Metrics(), "1.2.3").text(scrape).decode()
    samples = samples_of(text)
    acme = {"scope": "tenant", "owner": "acme", "budget": "daily_budget"}
    assert value(samples, "crossmodel_budget_limit_usd", **acme) == 10.0
    assert value(samples, "crossmodel_budget_committed_usd", **acme) == 2.5
    assert value(samples, "crossmodel_budgets_left_out") == 7
    assert value(samples, "crossmodel_log_records") == 100
    assert value(samples, "crossmodel_log_signed_records") == 90
    assert value(samples, "crossmodel_log_checkpoint_age_seconds") == pytest.approx(30, abs=2)
    assert value(samples, "crossmodel_log_unsigned_seconds") == pytest.approx(5, abs=2)
    assert value(samples, "crossmodel_log_unwritten_bytes") == 4096
    assert value(samples, "crossmodel_requests_in_flight") == 3
    assert value(samples, "crossmodel_records_lost_total") == 2
    assert value(samples, "crossmodel_insights_dropped_total") == 1
    assert value(samples, "crossmodel_hook_failures_total") == 4
    assert value(samples, "crossmodel_model_enabled", gen_ai_request_model="m") == 0
    calls = {"gen_ai_request_model": "m", "endpoint": "a"}
    assert value(samples, "crossmodel_endpoint_calls_total", outcome="failures", **calls) == 2


def test_a_store_that_does_not_say_how_the_log_stands_leaves_it_out_and_nothing_else():
    samples = samples_of(Exposition(Metrics(), "1.2.3").text(Scrape()).decode())
    assert not any(name.startswith("crossmodel_log_") for name, _ in samples)
    assert value(samples, "crossmodel_build_info", version="1.2.3") == 1


def test_tokens_fall_into_the_buckets_of_the_conventions(served):
    metrics = Metrics()
    for tokens in (0, 1, 2, 4, 5, 67108864, 67108865):
        metrics.served(served(usage=TokenUsage(input_tokens=tokens, output_tokens=1)))
    family = families(metrics, Scrape(providers={"m": "openai"}))["gen_ai_client_token_usage"]
    found = {
        float(sample.labels["le"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_bucket") and sample.labels["gen_ai_token_type"] == "input"
    }
    assert [found[bound] for bound in (1, 4, 16, 67108864, math.inf)] == [2, 4, 5, 6, 7]
    assert {sample.labels["gen_ai_provider_name"] for sample in family.samples} == {"openai"}


def test_openmetrics_reads_it_too(served):
    metrics = Metrics()
    metrics.served(served(latency_ms=50.0, cost_usd=0.25, first_byte_ms=10.0))
    registry = CollectorRegistry()

    class All(Collector):
        def collect(self):
            return Exposition(metrics, "1.2.3").families(Scrape())

    registry.register(All())
    read_back = list(parse_openmetrics(generate_openmetrics(registry).decode()))
    names = {family.name for family in read_back}
    assert {"crossmodel_requests", "gen_ai_server_request_duration_seconds"} <= names
    assert "python_info" in {sample.name for family in read_back for sample in family.samples}


HOSTILE = ['"}\n', "\x00", "\ud800", "é" * 300, '{le="1"}', "a\\", "\u2028"]


def test_ten_thousand_tenants_with_hostile_models_and_statuses_make_few_series(served):
    metrics = Metrics()
    for n in range(10_000):
        model = f"{HOSTILE[n % len(HOSTILE)]}{n % 977}"
        transfer = TransferResult(True, [], arm=f"arm {n}")
        one = served(
            tenant=f"tenant {n}", model=model, status=100 + n % 900, path=f"/v1/{n % 7}",
            latency_ms=float(n), cost_usd=0.5, transfer=transfer,
            usage=TokenUsage(input_tokens=n, output_tokens=n),
        )  # fmt: skip
        one.first_byte_ms = 1.0
        metrics.served(one)
        metrics.refused.add(f"reason {n}")
    samples = samples_of(Exposition(metrics, "1.2.3").text(Scrape()).decode())
    by_label = {}
    for name, labels in samples:
        for label, said in labels:
            by_label.setdefault(label, set()).add(said)
        assert name
    assert len(by_label["tenant"]) <= MOST_NAMES + 1
    assert len(by_label["gen_ai_request_model"]) <= MOST_NAMES + 1
    assert len(by_label["reason"]) <= MOST_NAMES + 1
    assert len(by_label["arm"]) <= MOST_NAMES + 1
    assert len(metrics.series) <= MOST_SERIES + len(KNOWN_STATUSES) + 10
    assert len(metrics.spent) <= MOST_SERIES + 1
    assert len(metrics._cells) <= MOST_CELLS
    series = Counter(name for name, _ in samples)
    assert max(n for name, n in series.items() if not name.endswith("_bucket")) <= 2_500
    counted = sum(n for (name, _), n in samples.items() if name == "crossmodel_requests_total")
    assert counted == 10_000, "none is lost"
    spent = sum(n for (name, _), n in samples.items() if name == "crossmodel_cost_usd_total")
    assert spent == 5_000.0


def expressions():
    """What the dashboard and the page ask Prometheus for."""
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "crossmodel.json").read_text("utf-8"))
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from re.findall(
        r"^\| `(.*?)`", (ROOT / "docs" / "telemetry.md").read_text("utf-8"), re.MULTILINE
    )
    yield from re.findall(r"`(\w+)`", (ROOT / "docs" / "control-plane.md").read_text("utf-8"))


def test_what_the_dashboard_and_the_pages_ask_for_is_there(served):
    metrics = Metrics()
    usage = TokenUsage(input_tokens=10, output_tokens=3)
    metrics.served(
        served(usage=usage, cost_usd=0.5, transfer=TransferResult(True), first_byte_ms=10.0)
    )
    metrics.refused.add("quota")
    metrics.upstream_errors.add("timeout")
    scrape = Scrape(
        models=[ModelState(ModelSpec("m", "p"), [EndpointState("a")])],
        budgets=[Standing("", "", "daily_budget", "2026-05-04", 10.0, 2.5)],
        log=LogStanding(1, 1),
    )
    samples = samples_of(Exposition(metrics, "1.2.3").text(scrape).decode())
    names = {name for name, _ in samples}
    names |= {name.rsplit("_", 1)[0] for name in names}  # of a histogram as a whole
    labels = {label for _, labels in samples for label, _ in labels}
    asked = {
        name
        for expression in expressions()
        for name in re.findall(r"\b(?:crossmodel|gen_ai|process)_\w+", expression)
    }
    assert len(asked) > 40
    assert asked - names - labels - {"process_"} == set()
