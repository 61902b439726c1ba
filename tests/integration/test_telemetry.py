"""The loop and the gateway tell hooks and a collector of what they do; real servers on both ends."""

import asyncio
import json
import sys
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from gateway.process import Gateway
from gateway.setting import CLIENT_KEYS, ENVIRONMENT, OPENAI_KEY, main_settings

from collector_server import CollectorServer, said
from crossmodel import (
    CrossModel,
    CrossModelConsciousnessMetrics,
    ExtractionEvent,
    ModelNotFoundError,
    ProviderResponseError,
    RequestEvent,
    SelectionEvent,
    TimePeriod,
    TransferEvent,
    WitnessEvent,
)
from crossmodel.domain.scope import current_scope
from crossmodel.observing import secrets_of
from crossmodel.settings import load_settings

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
QUESTION = "Which ticket code has billing on floor 7?"


async def test_the_loop_tells_hooks_of_everything_once(settings):
    told, metrics = [], CrossModelConsciousnessMetrics()
    async with CrossModel.open(settings) as cm:
        cm.hooks.add(told.append)
        cm.hooks.add(metrics)
        taught = await cm.complete("How are ticket codes made?", model="strong", tenant="acme")
        asked = await cm.complete(QUESTION, model="cheap", tenant="acme", trace_id=TRACE)
    kinds = [type(event) for event in told]
    assert kinds == [
        SelectionEvent, ExtractionEvent, WitnessEvent, RequestEvent,
        SelectionEvent, TransferEvent, WitnessEvent, RequestEvent,
    ]  # fmt: skip
    assert {event.tenant for event in told} == {"acme"}
    first, second = (event for event in told if isinstance(event, RequestEvent))
    assert (first.request_id, second.request_id) == (taught.id, asked.id)
    assert told[1].insights == len(taught.extraction.insights) > 0
    assert told[1].request_id == taught.id
    assert told[2].records == len(taught.leaves)
    assert told[5].insights == len(asked.transfer.transferred_insights) > 0
    assert second.transfer == told[5] or second.transfer.insights == told[5].insights
    assert (second.trace_id, second.error, second.model_id) == (TRACE, "", "cheap")
    assert second.cost_usd == asked.cost_usd
    assert second.latency_ms >= told[5].latency_ms
    assert QUESTION not in repr(told)
    assert "BIL-7" not in repr(told), "no event says what anybody wrote"
    report = metrics.generate_performance_report(TimePeriod.last_24_hours())
    assert (report.total.requests, report.selections.count) == (2, 2)
    assert list(report.models) == ["cheap", "strong"]
    assert report.transfers.successes == 1


async def test_failures_are_told_too_and_a_hook_that_fails_harms_nobody(settings, script):
    told = []

    def bad(_event):
        raise ValueError("of the hook")

    def fails(_request):
        raise ProviderResponseError("no", status=500)

    script["cheap"] = fails
    async with CrossModel.open(settings) as cm:
        cm.hooks.add(bad)
        cm.hooks.add(told.append)
        with pytest.raises(ProviderResponseError):
            await cm.complete(QUESTION, model="cheap")
        with pytest.raises(ModelNotFoundError):
            await cm.complete(QUESTION, model="nobody")
        await cm.extract("First, always sign the log.", source_model="elsewhere")
        assert cm.hooks.failures == len(told)
    errors = [event.error for event in told if hasattr(event, "error")]
    assert errors == ["", "ProviderResponseError", "ModelNotFoundError"]
    assert isinstance(told[-1], WitnessEvent)


async def test_what_works_for_a_request_knows_it_in_every_thread_and_task(settings, script):
    seen = {}

    def answer(request):
        seen[request.messages[-1].content] = current_scope()
        return "BIL-7"

    script["cheap"] = answer
    async with CrossModel.open(settings) as cm:
        answers = await asyncio.gather(
            *(cm.complete(f"Q{n}?", model="cheap", tenant=f"t{n}") for n in range(5))
        )
        assert current_scope() is None
    for n, each in enumerate(answers):
        assert seen[f"Q{n}?"].request_id == each.id
        assert seen[f"Q{n}?"].tenant == f"t{n}"


async def test_the_library_sends_traces_and_metrics_to_a_collector(settings, monkeypatch):
    monkeypatch.setenv("COLLECTOR_HEADERS", "x-api-key=of-the-collector")
    with CollectorServer() as collector:
        settings["telemetry"] = {
            "otlp_endpoint": collector.url, "headers_env": "COLLECTOR_HEADERS",
            "service_name": "shop",
        }  # fmt: skip
        async with CrossModel.open(settings) as cm:
            await cm.complete("How are ticket codes made?", model="strong")
            answer = await cm.complete(QUESTION, model="cheap", trace_id=TRACE)
        spans = {said(span).get("crossmodel.answer.id"): span for span, _ in collector.spans()}
        assert spans[answer.id].trace_id.hex() == TRACE
        assert spans[answer.id].name == "chat cheap"
        names = {span.name for span, _ in collector.spans()}
        assert {"crossmodel.select", "crossmodel.transfer", "crossmodel.extract"} <= names
        usage = collector.metrics()["gen_ai.client.token.usage"]
        models = {said(point)["gen_ai.request.model"] for point in usage.histogram.data_points}
        assert models == {"strong", "cheap"}
        bodies = b"".join(body for _, _, body in collector.messages)
        assert b"BIL-7" not in bodies
        assert QUESTION.encode() not in bodies
        assert {headers["x-api-key"] for _, headers, _ in collector.messages} == {
            "of-the-collector"
        }


def observed(upstream, collector):
    settings = main_settings(upstream)
    telemetry = {
        "otlp_endpoint": collector.url, "headers_env": "COLLECTOR_HEADERS", "log_format": "json",
        "log_level": "info",
    }  # fmt: skip
    return settings | {"telemetry": telemetry}


HEADERS = {"COLLECTOR_HEADERS": "authorization=Bearer token-of-the-collector"}


def asked(gateway, **headers):
    body = json.dumps({"model": "text", "messages": [{"role": "user", "content": "hi there"}]})
    return httpx.post(
        f"{gateway.url}/v1/chat/completions", content=body, timeout=15,
        headers={"authorization": f"Bearer {gateway.key}"} | headers,
    )  # fmt: skip


def test_a_gateway_sends_its_metrics_and_says_no_secret_in_its_log(tmp_path, upstream):
    with CollectorServer() as collector:
        environment = ENVIRONMENT | HEADERS
        with Gateway(
            tmp_path, observed(upstream, collector), environment, CLIENT_KEYS["all"]
        ) as gateway:
            for _ in range(3):
                assert asked(gateway).status_code == 200
            assert asked(gateway, authorization="Bearer cmk-nobody-0123456789").status_code == 401
            text = gateway.control("GET", "/metrics")[1]
        metrics = collector.metrics()
        log = gateway.log.read_text()
    assert "crossmodel_log_records" in text
    [point] = metrics["gen_ai.server.request.duration"].histogram.data_points
    assert point.count == 3
    assert said(point) == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "text",
    }  # fmt: skip
    assert "gen_ai.client.token.usage" in metrics
    assert "crossmodel.log_records" in metrics
    assert "process.resident_memory" in metrics
    for secret in (*environment.values(), "cmk-nobody-0123456789", "token-of-the-collector"):
        assert secret not in log
        assert secret not in text
    for line in log.splitlines():
        json.loads(line)


def test_a_gateway_sends_a_trace_of_each_request(tmp_path, upstream):
    with CollectorServer() as collector:
        with Gateway(
            tmp_path, observed(upstream, collector), ENVIRONMENT | HEADERS, CLIENT_KEYS["school"]
        ) as gateway:
            answer = asked(gateway, traceparent=f"00-{TRACE}-{PARENT}-01")
            assert answer.status_code == 200
        spans = collector.spans()
    [root] = [span for span, _ in spans if span.name == "chat text"]
    assert root.trace_id.hex() == TRACE
    attributes = said(root)
    assert attributes["crossmodel.answer.id"] == answer.headers["x-crossmodel-request-id"]
    assert attributes["crossmodel.tenant"] == "school"
    assert attributes["http.response.status_code"] == 200
    assert attributes["gen_ai.provider.name"] == "openai"
    assert attributes["gen_ai.usage.input_tokens"] > 0
    bodies = b"".join(body for _, _, body in collector.messages)
    assert b"hi there" not in bodies
    assert OPENAI_KEY.encode() not in bodies


def test_a_gateway_without_a_collector_loads_nothing_for_it(tmp_path, upstream):
    environment = ENVIRONMENT | {"PYTHONPROFILEIMPORTTIME": "1"}
    with Gateway(tmp_path, main_settings(upstream), environment, CLIENT_KEYS["all"]) as gateway:
        assert asked(gateway).status_code == 200
        gateway.control("GET", "/readyz")
        imported = gateway.log.read_text()
    assert "crossmodel.gateway.server" in imported
    names = {line.rpartition("|")[2].strip() for line in imported.splitlines()}
    heavy = ("opentelemetry", "prometheus_client", "google", "requests", "crossmodel.telemetry.sp")
    assert not [name for name in names if name.startswith(heavy)]
    assert "crossmodel.gateway.events" not in names, "nobody asks to be told"


def test_every_secret_that_settings_lead_to_is_known(monkeypatch):
    for name, value in (ENVIRONMENT | HEADERS).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-kind-itself")
    monkeypatch.setenv("ADMIN", "the-admin-key")
    monkeypatch.setenv("PASSPHRASE", "of the keys")
    settings = load_settings(
        {
            "gateway": {"admin_key_env": "ADMIN"},
            "store": {"url": "postgresql://me:of-the-database@db/crossmodel"},
            "witness": {"passphrase_env": "PASSPHRASE"},
            "telemetry": {"headers_env": "COLLECTOR_HEADERS"},
            "providers": [
                {"id": "a", "kind": "openai", "api_key_env": "TEST_OPENAI_KEY",
                 "base_urls": ["http://u:of-the-proxy@h/v1", "http://[bad"]}
            ],
            "models": [{"id": "m", "provider": "a"}],
            "keys": [{"name": "k", "key_env": "TEST_KEY_ALL"}],
        }
    )  # fmt: skip
    assert {
        "the-admin-key", "of-the-database", "of the keys", OPENAI_KEY, "of-the-proxy",
        CLIENT_KEYS["all"], "sk-of-the-kind-itself", "Bearer token-of-the-collector",
    } <= set(secrets_of(settings))  # fmt: skip


@pytest.mark.parametrize(
    ("telemetry", "path"),
    [
        ({"sampling": 1.5}, "telemetry.sampling"),
        ({"sampling": float("nan")}, "telemetry.sampling"),
        ({"log_format": "xml"}, "telemetry.log_format"),
        ({"log_level": "loud"}, "telemetry.log_level"),
        ({"otlp_endpoint": "collector:4318"}, "telemetry.otlp_endpoint"),
        ({"otlp_endpont": "http://c"}, "telemetry.otlp_endpont"),
        ({"service_name": " "}, "telemetry.service_name"),
    ],
)
def test_settings_that_are_wrong_are_refused_by_name(telemetry, path):
    with pytest.raises(Exception, match=path.replace(".", r"\.")) as refused:
        load_settings({"telemetry": telemetry})
    assert refused.value.path == path
