"""A gateway that watches over itself: a provider goes down, people hear of it, and of its return."""

import contextlib
import json
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from gateway_process import GatewayProcess, wait_for

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

MORE = """
[health]
interval_seconds = 0.2
time_limit_seconds = 5
max_disk = 1.0
max_memory = 1.0
required_models = ["main"]
[alerts]
instance = "test"
group_wait_seconds = 0.05
group_interval_seconds = 0.1
resolve_after_checks = 1
flap_window_seconds = 0.001
[[alerts.sinks]]
name = "hook"
kind = "webhook"
url_env = "HOOK_URL"
secret_env = "HOOK_SECRET"
[[alerts.sinks]]
name = "log"
kind = "log"
"""


class Upstream:
    """Lists its models, and takes webhooks; down while it is told to be."""

    def __init__(self):
        self.is_down, self.hooks = False, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer(503 if outer.is_down else 200)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.hooks.append((dict(self.headers), json.loads(body)))
                self._answer(204)

            def _answer(self, status):
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def told(self):
        return [each for _, body in self.hooks for each in told_by(body)]


def told_by(body):
    """The states and subjects of a message."""
    return [(body["data"]["status"], each["subject"]) for each in body["data"]["alerts"]]


@pytest.fixture
def upstream():
    made = Upstream()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@contextlib.contextmanager
def gateway(folder, upstream, more=MORE, **options):
    made = GatewayProcess(
        folder, {"p": f"{upstream.url}/v1"}, {"main": "p", "spare": "p"}, more=more,
        environment={"HOOK_URL": f"{upstream.url}/token-4711", "HOOK_SECRET": SECRET}, **options,
    )  # fmt: skip
    with made:
        yield made


def admin(made):
    return httpx.Client(base_url=made.control_url, timeout=30, trust_env=False)


@pytest.mark.slow
def test_a_provider_that_goes_down_is_told_and_so_is_its_return(tmp_path, upstream):
    with gateway(tmp_path, upstream) as made, admin(made) as client:
        wait_for(lambda: client.get("/admin/v1/health").json()["is_healthy"], 30)
        upstream.is_down = True
        wait_for(lambda: ("firing", "main") in upstream.told, 30)
        health = client.get("/admin/v1/health").json()
        assert (health["is_healthy"], health["watching"]) == (False, True)
        (models,) = [c for c in health["check_results"] if c["check_name"] == "model_availability"]
        assert {(f["subject"], f["severity"]) for f in models["findings"]} == {
            ("main", "critical"), ("spare", "warning"),
        }  # fmt: skip
        (sink,) = [each for each in health["sinks"] if each["name"] == "hook"]
        assert (sink["dead"], sink["failed"]) == (False, 0)
        assert client.get("/healthz").status_code == 200  # it lives, and says no more to strangers
        firing = client.get("/admin/v1/alerts", params={"state": "firing"}).json()["items"]
        assert {each["subject"] for each in firing} == {"main", "spare"}
        upstream.is_down = False
        wait_for(lambda: {("resolved", "main"), ("resolved", "spare")} <= set(upstream.told), 30)
        assert upstream.told.count(("firing", "main")) == 1
    assert all("webhook-signature" in headers for headers, _ in upstream.hooks)
    assert len({headers["webhook-id"] for headers, _ in upstream.hooks}) == len(upstream.hooks)
    assert "1 firing" in made.log or "2 firing" in made.log
    assert "token-4711" not in made.log
    assert SECRET not in made.log
    for path in tmp_path.glob("state.db*"):
        content = path.read_bytes() if path.is_file() else b""
        assert b"token-4711" not in content
        assert SECRET.encode() not in content


@pytest.mark.slow
def test_an_alert_outlives_the_gateway_that_raised_it(tmp_path, upstream):
    upstream.is_down = True
    with gateway(tmp_path, upstream) as made:
        wait_for(lambda: ("firing", "main") in upstream.told, 30)
        made.process.kill()
        made.process.wait()
    upstream.is_down = False
    with gateway(tmp_path, upstream):
        wait_for(lambda: ("resolved", "main") in upstream.told, 30)
    # who is killed before it could note that something arrived sends it again, under the same id
    ids = {
        headers["webhook-id"]
        for headers, body in upstream.hooks
        if ("firing", "main") in told_by(body)
    }
    assert len(ids) == 1
    with sqlite3.connect(tmp_path / "state.db") as kept:
        states = kept.execute("SELECT subject, state, told FROM alerts").fetchall()
    assert ("main", "resolved", "resolved") in states


@pytest.mark.slow
def test_a_silence_of_the_admin_api_counts_in_the_running_watch(tmp_path, upstream):
    with gateway(tmp_path, upstream) as made, admin(made) as client:
        silence = client.post(
            "/admin/v1/silences",
            json={"minutes": 60, "created_by": "me", "reason": "moving house", "subject": "main"},
        )
        assert silence.status_code == 201
        upstream.is_down = True
        wait_for(lambda: ("firing", "spare") in upstream.told, 30)
        assert ("firing", "main") not in upstream.told
        name = silence.json()["id"]
        assert client.delete(f"/admin/v1/silences/{name}").json()["reason"] == "moving house"
        wait_for(lambda: ("firing", "main") in upstream.told, 60)
        assert client.delete(f"/admin/v1/silences/{name}").status_code == 404
        assert client.get("/admin/v1/silences").json() == {"items": []}


@pytest.mark.slow
def test_without_settings_nobody_watches_and_who_asks_is_answered(tmp_path, upstream):
    with gateway(tmp_path, upstream, more="[health]\nmax_disk = 1.0\nmax_memory = 1.0") as made:
        maps = Path(f"/proc/{made.process.pid}/maps")
        assert "psutil" not in maps.read_text()  # who does not watch does not pay
        with admin(made) as client:
            health = client.get("/admin/v1/health").json()
            assert (health["is_healthy"], health["watching"], health["sinks"]) == (True, False, [])
            assert "psutil" in maps.read_text()
            upstream.is_down = True
            wait_for(lambda: not client.get("/admin/v1/health").json()["is_healthy"], 30)
        assert not upstream.hooks
        made.process.send_signal(15)
        assert made.process.wait(20) == 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            '[[alerts.sinks]]\nname = "a"\nkind = "webhook"\nurl_env = "NO_SUCH"',
            "alerts.sinks[0].url_env",
        ),
        ('[[alerts.sinks]]\nname = "a"\nkind = "webhook"\nurl = "ftp://x"', "alerts.sinks[0]"),
        ('[health]\nrequired_models = ["mian"]', "did you mean 'main'"),
    ],
)
def test_what_cannot_be_is_told_at_the_start(tmp_path, upstream, more, says):
    with pytest.raises(RuntimeError) as caught, gateway(tmp_path, upstream, more=more):
        pass
    assert says in str(caught.value)
