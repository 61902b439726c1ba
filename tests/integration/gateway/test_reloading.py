"""What can be done to a gateway that runs: reload, change models, drain; and what a kill costs."""

import json
import signal
import time
import urllib.request

import openai
import pytest
from upstreams import Upstream
from upstreams.clients import request

from gateway.asking import ASKED, body_of
from gateway.process import Gateway
from gateway.setting import CLIENT_KEYS, ENVIRONMENT

CHAT = "/v1/chat/completions"
STREAM = "long-150+slow-10"
"""About 1.5 seconds."""


@pytest.fixture
def given(upstream):
    """Settings of two models, and of two keys; tests change them."""
    return {
        "providers": [
            {"id": "p", "kind": "openai", "base_url": upstream.v1, "api_key_env": "TEST_OPENAI_KEY"}
        ],
        "models": [
            {"id": "text", "provider": "p", "input_price": 3.0, "output_price": 15.0},
            {"id": "stream", "name": STREAM, "provider": "p", "quality": 0.9, "output_price": 9.0},
        ],
        "keys": [
            {"name": "all", "key_env": "TEST_KEY_ALL"},
            {"name": "poor", "key_env": "TEST_KEY_POOR"},
        ],
        "gateway": {"insights": False, "learn": False},
    }


@pytest.fixture
def running(given, tmp_path):
    with Gateway(tmp_path, given, ENVIRONMENT, CLIENT_KEYS["all"]) as gateway:
        yield gateway


def reload(gateway, given):
    """Have other settings; what has changed."""
    gateway.configure(given)
    status, body = gateway.control("POST", "/admin/v1/reload")
    assert status == 200, body
    return json.loads(body)["changes"]


def change(gateway, model, **values):
    asked = urllib.request.Request(
        f"{gateway.control_url}/admin/v1/models/{model}",
        method="PATCH",
        data=json.dumps(values).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.loads(answer.read())


def committed(gateway, key):
    """What a key has spent today, as its budget knows, in USD."""
    status, body = gateway.control("GET", "/admin/v1/budgets")
    assert status == 200, body
    return {
        each["owner"]: each["committed_usd"]
        for each in json.loads(body)["items"]
        if each["scope"] == "key" and each["budget"] == "daily_budget"
    }.get(key)


def ask(gateway, model="text", **more):
    return gateway.ask(CHAT, body_of(CHAT, model), **more)


def cost(answer):
    return float(answer.header("x-crossmodel-cost").split(";")[0])


def begun(gateway, model="stream"):
    """A stream that has begun, on a connection of its own."""
    client = gateway.connect()
    body = body_of(CHAT, model, stream=True)
    client.send(request("POST", CHAT, body, [("authorization", f"Bearer {gateway.key}")]))
    client.read_until(b"w1 ")
    return client


def rest_is_whole(client):
    """Whether a stream that has begun comes to its proper end."""
    return b"data: [DONE]" in client.read_until(b"\r\n0\r\n\r\n", timeout=15)


def test_models_come_change_and_go_and_a_stream_goes_on(running, given, upstream):
    with Upstream() as other, begun(running) as client:
        given["models"] = [
            {"id": "text", "provider": "q", "output_price": 30.0},
            {"id": "new", "name": "unicode", "provider": "q"},
        ]
        given["providers"] = [{"id": "q", "kind": "openai", "base_url": other.v1}]
        changes = reload(running, given)
        assert set(changes) >= {"provider q", "model stream is gone", "model new is new"}
        before = upstream.seen()["total"]
        answer = ask(running)
        assert answer.status == 200
        assert "output=30" in answer.header("x-crossmodel-price")
        assert ask(running, "new").status == 200
        assert ask(running, "stream").status == 404
        assert (upstream.seen()["total"], other.seen()["total"]) == (before, 2)
        assert "authorization" not in dict(other.last()["headers"])
        assert rest_is_whole(client)
    assert upstream.idle()["requests"][0]["outcome"] == "complete"


def test_keys_come_and_go(running, given):
    assert ask(running, key=CLIENT_KEYS["slow"]).status == 401
    given["keys"] = [
        {"name": "all", "key_env": "TEST_KEY_ALL", "models": ["text"]},
        {"name": "slow", "key_env": "TEST_KEY_SLOW", "requests_per_minute": 1, "burst": 1},
    ]
    assert "keys changed" in reload(running, given)
    assert [ask(running, key=CLIENT_KEYS["slow"]).status for _ in range(2)] == [200, 429]
    assert ask(running, key=CLIENT_KEYS["poor"]).status == 401
    assert ask(running).status == 200
    assert ask(running, "stream").status == 404
    reload(running, given)
    assert ask(running, key=CLIENT_KEYS["slow"]).status == 429  # what was used still counts


def test_a_budget_that_comes_later_knows_what_was_spent(running, given):
    poor = CLIENT_KEYS["poor"]
    spent = sum(cost(ask(running, key=poor)) for _ in range(3))
    assert spent > 0
    given["keys"][1]["daily_budget"] = 50.0
    reload(running, given)
    assert committed(running, "poor") == pytest.approx(spent)
    spent += cost(ask(running, key=poor))
    given["keys"][1]["daily_budget"] = 1e-9
    reload(running, given)
    assert committed(running, "poor") == pytest.approx(spent)
    refused = ask(running, key=poor)
    assert (refused.status, refused.json()["error"]["code"]) == (429, "insufficient_quota")


def test_limits_and_balancing_change(running, given):
    given["gateway"] = given["gateway"] | {"limits": {"body_bytes": 600}, "drain_seconds": 7.0}
    given["load_balancer"] = {"load_balancing_strategy": "least_connections", "max_attempts": 1}
    given["loop"] = {"teacher_quality": 0.5}
    later = "changed: it counts when the gateway starts again"
    assert set(reload(running, given)) == {
        "gateway.limits changed", "load_balancer changed", f"gateway.drain_seconds {later}",
        f"loop {later}",
    }  # fmt: skip
    assert ask(running).status == 200
    assert running.ask(CHAT, body_of(CHAT, "text", user="x" * 600)).status == 413
    assert reload(running, given) == []


BAD = {
    "an address": {"providers": [{"id": "p", "kind": "openai", "base_url": "ftp://a"}]},
    "a second address": {
        "providers": [{"id": "p", "kind": "openai", "base_urls": ["http://a/v1", "http://[::1"]}]
    },
    "a kind": {"providers": [{"id": "p", "kind": "nobody"}]},
    "a key that is not set": {"keys": [{"name": "x", "key_env": "NOT_SET_ANYWHERE"}]},
    "a key twice": {"keys": [{"name": n, "key_env": "TEST_KEY_ALL"} for n in ("a", "b")]},
    "a name twice": {"keys": [{"name": "a", "key_env": f"TEST_KEY_{n}"} for n in ("ALL", "POOR")]},
    "a model's provider": {"models": [{"id": "text", "provider": "nobody"}]},
    "a fallback": {"models": [{"id": "text", "provider": "p", "fallbacks": ["nobody"]}]},
    "a price": {"models": [{"id": "text", "provider": "p", "input_price": -1}]},
    "a strategy": {"load_balancer": {"load_balancing_strategy": "best"}},
    "a word": {"modles": []},
}


def test_a_bad_file_changes_nothing(running, given):
    before = figures(running)
    changed = {
        "models": [{"id": "text", "provider": "p", "input_price": 99.0}],
        "keys": [{"name": "all", "key_env": "TEST_KEY_ALL", "requests_per_minute": 1}],
    }
    for what, wrong in BAD.items():
        running.configure(given | changed | wrong)
        status, body = running.control("POST", "/admin/v1/reload")
        assert status == 409, (what, status, body)
        assert figures(running) == before, what
        assert [ask(running).status for _ in range(2)] == [200, 200], what
    running.config.unlink()
    assert running.control("POST", "/admin/v1/reload")[0] == 409
    assert reload(running, given) == []


def figures(gateway):
    """The models as the control plane tells of them, and where they are asked."""
    items = json.loads(gateway.control("GET", "/admin/v1/models")[1])["items"]
    return [
        {**item, "endpoints": [endpoint["id"] for endpoint in item["endpoints"]]} for item in items
    ]


def until(holds):
    give_up = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_a_signal_reloads_and_tells_the_log(running, given):
    running.configure(given | {"modles": []})
    running.signal(signal.SIGHUP)
    until(lambda: "nothing was reloaded" in running.log.read_text())
    assert "did you mean 'models'" in running.log.read_text()
    given["models"][0]["output_price"] = 77.0
    running.configure(given)
    running.signal(signal.SIGHUP)
    until(lambda: "reloaded: model text changed" in running.log.read_text())
    assert "output=77" in ask(running).header("x-crossmodel-price")


def test_a_model_is_changed_at_once_and_only_until_the_next_reload(running, given):
    assert ask(running, "auto:best").header("x-crossmodel-model") == "stream"
    assert change(running, "stream", quality=0.1)["quality"] == 0.1
    changed = change(running, "text", output_price=1000.0, capabilities={"coding": 0.6})
    assert changed["capabilities"]["coding"] == 0.6
    answer = ask(running, "auto:best")
    assert answer.header("x-crossmodel-model") == "text"
    assert "output=1000" in answer.header("x-crossmodel-price")
    change(running, "text", enabled=False)
    with running.openai() as client:
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model="text", messages=ASKED)
        given["models"][1]["name"] = "text"
        assert "model text changed" in reload(running, given)
        assert client.chat.completions.create(model="text", messages=ASKED).choices
        listed = json.loads(running.control("GET", "/admin/v1/models/text")[1])
    assert (listed["output_price"], listed["enabled"]) == (15.0, True)


def test_who_is_drained_ends_what_has_begun_and_takes_nothing_new(running):
    with begun(running) as client:
        status, _ = running.control("POST", "/admin/v1/drain")
        assert status in {200, 202}
        until(lambda: refuses(running))
        assert rest_is_whole(client)
    assert running.wait() == 0
    assert running.command("verify").returncode == 0


def refuses(gateway):
    try:
        with gateway.connect() as client:
            return client.ask("GET", "/v1/models").status == 503
    except OSError:
        return True


def test_what_a_killed_gateway_has_answered_counts_in_its_keys_budget(given, tmp_path):
    given["keys"][0]["daily_budget"] = 50.0
    gateway = Gateway(tmp_path, given, ENVIRONMENT, CLIENT_KEYS["all"])
    spent = 0.0
    for _ in range(2):
        gateway.start()
        try:
            known = committed(gateway, "all") or 0.0
            answered = sum(cost(ask(gateway)) for _ in range(5))
            time.sleep(0.1)  # what was answered within the last two milliseconds may be lost
        finally:
            gateway.signal(signal.SIGKILL)
        assert gateway.wait() == -signal.SIGKILL
        assert known == pytest.approx(spent)
        spent += answered
    with gateway:
        assert committed(gateway, "all") == pytest.approx(spent)
    report = json.loads(gateway.command("verify", "--json").stdout)
    assert report["valid"] is True
    assert report["records"] >= 20
