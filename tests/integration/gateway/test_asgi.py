"""The gateway under uvicorn: the same answers, and the same care for clients that leave."""

import re
import signal
import subprocess
import sys
import time

import openai
import pytest
from upstreams.clients import RawClient, request

from gateway.asking import ASKED, body_of
from gateway.process import Gateway
from gateway.setting import CLIENT_KEYS, ENVIRONMENT, main_settings

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
PATHS = [(CHAT, "{}"), (MESSAGES, "claude/{}"), (MESSAGES, "{}")]


class Uvicorn:
    """A gateway's settings under uvicorn; use it in ``with``."""

    def __init__(self, gateway, *more):
        self.gateway = gateway
        environment = gateway.environment | {"CROSSMODEL_CONFIG": str(gateway.config)}
        with gateway.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "crossmodel.gateway.asgi:app", "--port", "0",
                 *more],
                stderr=log, stdout=log, env=environment,
            )  # fmt: skip

    def __enter__(self):
        give_up = time.monotonic() + 20
        while (found := re.search(r"running on (http://\S+)", self.said())) is None:
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < give_up, self.said()
            time.sleep(0.02)
        self.gateway.url = found[1]
        return self.gateway

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()

    def said(self):
        return self.gateway.log.read_text()


def prepared(folder, upstream, **more):
    given = main_settings(upstream)
    given["gateway"] = {"limits": {"body_bytes": 50_000_000}, **more}
    return Gateway(folder, given, ENVIRONMENT, CLIENT_KEYS["all"])


@pytest.fixture(scope="module", params=["httptools", "h11"])
def served(upstream_process, tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("asgi")
    with Uvicorn(prepared(folder, upstream_process), "--http", request.param) as gateway:
        yield gateway


@pytest.fixture
def hosted(served, upstream):
    """A gateway under uvicorn; the upstream has seen nothing yet."""
    return served


def begun(gateway, body, path=CHAT):
    """A connection on which a request was sent."""
    client = gateway.connect()
    client.send(request("POST", path, body, [("authorization", f"Bearer {gateway.key}")]))
    return client


def test_the_vendors_client_is_answered(hosted):
    with hosted.openai() as client:
        whole = client.chat.completions.create(model="text", messages=ASKED)
        said = whole.choices[0].message.content
        assert said
        stream = client.chat.completions.create(model="text+split-1", messages=ASKED, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == said
        raw = client.chat.completions.with_raw_response.create(model="text", messages=ASKED)
        assert raw.headers["x-crossmodel-model"] == "text"
        assert {model.id for model in client.models.list()} > {"auto", "text"}
    with hosted.claude() as client:
        message = client.messages.create(model="claude/text", messages=ASKED, max_tokens=99)
        assert message.content[0].text


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("behaviour", ["text", "unicode", "tools", "big"])
def test_an_answer_comes_byte_for_byte(hosted, upstream, behaviour, stream):
    body = body_of(CHAT, behaviour, stream=stream)
    answer = hosted.ask(CHAT, body)
    with RawClient(upstream.host, upstream.port) as direct:
        assert answer.body == direct.ask("POST", CHAT, body).body
    assert answer.complete


@pytest.mark.parametrize("path", [CHAT, MESSAGES, "/v1/models", "/nowhere"])
def test_without_a_key_nothing_is_answered(hosted, upstream, path):
    answer = hosted.ask(path, {"model": "text"}, key="cmk-nobody")
    assert answer.status == 401
    assert answer.json()["error"]["type"]
    assert upstream.seen()["total"] == 0


def test_what_there_is_not_is_not_found(hosted):
    assert hosted.ask("/nowhere", {}).status == 404
    assert hosted.ask(CHAT, method="GET", body=None).status == 405


def test_a_body_over_the_limit_is_refused(tmp_path, upstream):
    with Uvicorn(prepared(tmp_path, upstream, limits={"body_bytes": 1000})) as gateway:
        for path in (CHAT, MESSAGES):
            for size, status in ((500, 200), (5000, 413), (500_000, 413)):
                body = body_of(path, "text", max_tokens=5, metadata={"user_id": "x" * size})
                answer = gateway.ask(path, body)
                assert answer.status == status
            assert answer.json().get("type") == ("error" if path == MESSAGES else None)
        assert upstream.seen()["total"] == 2


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("when", ["early", "streaming", "whole"])
@pytest.mark.parametrize(("path", "pattern"), PATHS)
def test_who_leaves_takes_the_upstream_along(hosted, upstream, path, pattern, when, how):  # noqa: PLR0917 - what pytest gives, by name
    model = pattern.format("long-2000+slow-20" if when == "streaming" else "stall")
    client = begun(hosted, body_of(path, model, stream=when != "whole"), path)
    with client:
        if when == "streaming":
            client.read_until(b"w1 ")
        upstream.wait_until(lambda seen: seen["in_flight"] == 1)
        getattr(client, how)()
    (record,) = upstream.idle()["requests"]
    assert record["outcome"] == "left"


@pytest.mark.parametrize(("path", "pattern"), PATHS)
@pytest.mark.parametrize("fault", ["drop-3", "cut-3"])
def test_a_stream_that_breaks_off_never_ends_well(hosted, path, pattern, fault):
    answer = hosted.ask(path, body_of(path, pattern.format(fault), stream=True))
    assert answer.status == 200
    assert not answer.complete
    assert b"[DONE]" not in answer.body
    assert b"message_stop" not in answer.body
    if fault == "drop-3":  # within an event of their own nothing is said
        assert b"error" in answer.body


def test_the_vendors_client_raises_when_a_stream_breaks_off(hosted):
    with hosted.openai() as client, pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="cut-3", messages=ASKED, stream=True))


def test_a_client_that_does_not_read_holds_the_upstream_back(hosted, upstream):
    client = begun(hosted, body_of(CHAT, "big", stream=True, n=12))
    with client:
        upstream.wait_until(lambda seen: seen["total"] == 1)
        written, give_up = -1, time.monotonic() + 5
        while (now := upstream.last()["written"]) != written and time.monotonic() < give_up:
            written = now
            time.sleep(0.3)
        assert written < 30 << 20
        answer = client.read_response(timeout=30)
    assert answer.complete
    assert len(answer.body) > 36 << 20


def test_who_does_not_read_and_leaves_takes_the_upstream_along(hosted, upstream):
    client = begun(hosted, body_of(CHAT, "big", stream=True, n=12))
    upstream.wait_until(lambda seen: seen["total"] == 1)
    time.sleep(0.3)
    client.reset()
    assert upstream.idle()["requests"][0]["outcome"] == "left"


def test_what_was_answered_is_on_record_when_it_ends(tmp_path, upstream):
    with Uvicorn(prepared(tmp_path, upstream)) as gateway:
        answer = gateway.ask(CHAT, body_of(CHAT, "text"))
        assert answer.status == 200
    assert "Application shutdown complete" in gateway.log.read_text()
    traced = gateway.command("trace", answer.header("x-crossmodel-request-id"), "--json")
    assert traced.returncode == 0, traced.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"providers": [{"id": "p", "kind": "openai", "base_url": "ftp://a"}]}, "base_url"),
        ({"models": [{"id": "m", "provider": "nobody"}]}, "nobody"),
        ({"keys": [{"name": "k", "key_env": "NOT_SET_ANYWHERE"}]}, "NOT_SET_ANYWHERE"),
        ({"store": {"url": "sqlite:////nowhere/at/all.db"}}, "nowhere"),
    ],
)
def test_what_keeps_it_from_starting_is_told(tmp_path, settings, said):
    given = {"providers": [{"id": "p", "kind": "fake"}], "models": [{"id": "m", "provider": "p"}]}
    hosting = Uvicorn(Gateway(tmp_path, given | settings, {}, ""))
    assert hosting.process.wait(20) == 3
    assert said in hosting.said()
    assert "startup failed" in hosting.said()
