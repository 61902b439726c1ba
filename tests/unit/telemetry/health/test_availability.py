"""Which models are down, asked for real: by a probe each, and of providers over HTTP."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from crossmodel import ModelAvailabilityHealthCheck
from crossmodel.domain.alerts import Severity
from crossmodel.errors import (
    ConfigurationError,
    InvalidInputError,
    ProviderAuthenticationError,
    ProviderConnectionError,
    ProviderResponseError,
    ProviderTimeoutError,
)
from crossmodel.providers.probing import ProviderProbe


def fail(error):
    def probe():
        raise error

    return probe


def test_nothing_configured_is_healthy():
    assert ModelAvailabilityHealthCheck().check().is_healthy


def test_it_names_those_that_are_down():
    check = ModelAvailabilityHealthCheck(
        {
            "up": lambda: None,
            "also up": lambda: True,
            "no": lambda: False,
            "says why": lambda: "its breaker is open",
            "refused": fail(ProviderConnectionError("ConnectError", provider="p")),
            "bug": fail(RuntimeError("key sk-123")),
        }
    )
    result = check.check()
    assert not result.is_healthy
    assert {each.subject: each.message for each in result.findings} == {
        "no": "model no is down: its probe says so",
        "says why": "model says why is down: its breaker is open",
        "refused": "model refused is down: p: ConnectError",
        "bug": "model bug is down: RuntimeError",
    }
    assert result.details["models"]["up"] is True
    assert "sk-123" not in str(result.to_dict())


def test_only_required_models_make_it_unhealthy():
    check = ModelAvailabilityHealthCheck({"a": lambda: None, "b": lambda: False}, required=["a"])
    result = check.check()
    assert result.is_healthy
    assert [(each.subject, each.severity) for each in result.findings] == [("b", Severity.WARNING)]


def test_a_required_model_that_goes_missing_is_down():
    check = ModelAvailabilityHealthCheck(dict, required=["a"])
    assert "a is down: it is not configured" in check.check().error
    with pytest.raises(InvalidInputError, match="'a'"):
        ModelAvailabilityHealthCheck({"b": lambda: None}, required=["a"])


def test_a_model_that_does_not_answer_is_down_and_holds_up_nobody():
    release = threading.Event()
    check = ModelAvailabilityHealthCheck(
        {"hangs": lambda: release.wait(30), **{str(n): lambda: None for n in range(50)}},
        probe_seconds=0.2,
    )
    for _ in range(3):
        began = time.monotonic()
        result = check.check()
        assert time.monotonic() - began < 2
        assert [each.subject for each in result.findings] == ["hangs"]
    assert sum(each.name == "crossmodel-probe" for each in threading.enumerate()) == 1
    release.set()


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        status, delay, seen = 200, 0.0, []

        def do_GET(self):
            self.seen.append((self.path, dict(self.headers)))
            time.sleep(self.delay)
            self.send_response(self.status)
            self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    Handler.seen = []
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    Handler.url = f"http://127.0.0.1:{made.server_port}/v1"
    yield Handler
    made.shutdown()
    made.server_close()
    thread.join()


def probe(*urls, kind="openai", **more):
    return ProviderProbe(kind, provider_id="p", base_urls=urls, api_key="sk-test", **more)


@pytest.mark.parametrize("status", [200, 204, 302, 400, 404, 405, 429])
def test_who_answers_is_there(server, status):
    server.status = status
    probe(server.url)()
    assert [path for path, _ in server.seen] == ["/v1/models"]
    assert server.seen[0][1]["authorization"] == "Bearer sk-test"


@pytest.mark.parametrize(("status", "error"), [
    (401, ProviderAuthenticationError), (403, ProviderAuthenticationError),
    (500, ProviderResponseError), (503, ProviderResponseError),
])  # fmt: skip
def test_who_fails_or_refuses_our_key_is_not(server, status, error):
    server.status = status
    with pytest.raises(error, match=str(status)) as caught:
        probe(server.url)()
    assert "sk-test" not in str(caught.value)


@pytest.mark.parametrize("base", ["", "/v1"])
def test_the_other_dialect_is_asked_in_its_own_way(server, base):
    url = server.url.removesuffix("/v1") + base
    probe(url, kind="anthropic")()
    ((path, headers),) = server.seen
    assert path == "/v1/models"
    assert headers["x-api-key"] == "sk-test"


def test_one_of_several_addresses_is_enough(server):
    dead = "http://127.0.0.1:9/v1"
    probe(dead, server.url)()
    with pytest.raises(ProviderConnectionError):
        probe(dead, dead)()


def test_an_answer_that_takes_too_long_is_none(server):
    server.delay = 0.5
    with pytest.raises(ProviderTimeoutError, match=r"within 0\.1 s"):
        probe(server.url, timeout_seconds=0.1)()


def test_many_models_of_a_provider_ask_it_once(server):
    ask = probe(server.url)
    result = ModelAvailabilityHealthCheck({str(n): ask for n in range(30)}).check()
    assert result.is_healthy
    assert len(server.seen) == 1


def test_other_kinds(tmp_path, monkeypatch):
    ProviderProbe("fake", provider_id="p")()
    weights = tmp_path / "m.gguf"
    with pytest.raises(ConfigurationError, match="no model file"):
        ProviderProbe("local", provider_id="p", model_path=str(weights))()
    weights.write_bytes(b"GGUF")
    ProviderProbe("local", provider_id="p", model_path=str(weights))()
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        ProviderProbe("openai", provider_id="p")()
