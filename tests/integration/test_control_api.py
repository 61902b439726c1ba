"""The admin API against its own document, on a real store, over real sockets."""

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from control_plane import ADMIN_KEY, ControlPlane
from prometheus_client.parser import text_string_to_metric_families

from crossmodel.domain.models import ModelCapability, ModelSpec
from crossmodel.domain.period import utc_now
from crossmodel.domain.selection import ModelSelection, TaskRequirement
from crossmodel.gateway.control import connection, operation
from crossmodel.gateway.control.app import document
from crossmodel.gateway.served import Served

SCHEMATHESIS = shutil.which("schemathesis", path=str(Path(sys.executable).parent))

ADMIN = [
    (method, path)
    for path, row in document()["paths"].items()
    for method in row
    if path.startswith("/admin/")
]


@pytest.fixture
def plane(tmp_path):
    with ControlPlane(tmp_path) as running:
        yield running


@pytest.fixture
def client(plane):
    with plane.client() as asking:
        yield asking


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """For tests that change nothing."""
    with ControlPlane(tmp_path_factory.mktemp("control")) as running:
        yield running


@pytest.fixture
def reader(lasting):
    with lasting.client() as asking:
        yield asking


@pytest.fixture
def served_request():
    """A request that is over."""
    return Served(
        id="req_1", tenant="acme", key=None, path="/v1/embeddings", dialect=None, request=b"{}",
        selection=ModelSelection("m", TaskRequirement([ModelCapability.CODING]), 1.0),
        model=ModelSpec("m", "p"), started_at=utc_now(), status=200,
    )  # fmt: skip


def raw(plane, request):
    """What the server answers to exactly these bytes."""
    url = urlsplit(plane.url)
    with socket.create_connection((url.hostname, url.port), timeout=30) as client:
        client.sendall(request)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    return answer


def conforms(plane, folder, config, *arguments):
    path = folder / "schemathesis.toml"
    path.write_text(config)
    run = subprocess.run(
        [
            SCHEMATHESIS, "--config-file", path, "run", f"{plane.url}/openapi.json",
            "--header", f"Authorization: Bearer {ADMIN_KEY}", "--checks", "all", "--warnings", "off",
            "--max-examples", "10", "--seed", "1",
            "--generation-database", "none", "--no-color", "--continue-on-failure", *arguments,
        ],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


ANSWERS_TOO = """
[[operations]]
include-operation-id = "readiness"
[operations.checks.not_a_server_error]
expected-statuses = ["2xx", "4xx", "503"]
[[operations]]
include-operation-id = "createKey"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "409", "422"]
"""


@pytest.mark.slow
def test_the_running_api_is_what_its_document_says(plane, tmp_path):
    conforms(plane, tmp_path, ANSWERS_TOO, "--phases", "coverage,fuzzing,stateful")


@pytest.mark.slow
def test_so_it_is_for_insights_and_models_that_exist(plane, client, tmp_path):
    insight = client.get("/admin/v1/insights?tenant=acme").json()["items"][0]["id"]
    config = f"""
    [[operations]]
    include-path-regex = "^/admin/v1/insights"
    parameters = {{ "path.id" = "{insight}", "query.tenant" = "acme" }}
    [[operations]]
    include-path-regex = "^/admin/v1/models/"
    parameters = {{ "path.id" = "strong" }}
    """
    conforms(
        plane, tmp_path, config,
        "--include-path-regex", "^/admin/v1/(insights|models)",
        "--exclude-operation-id", "eraseInsight", "--phases", "coverage,fuzzing",
    )  # fmt: skip
    assert client.get(f"/admin/v1/insights/{insight}?tenant=acme").status_code == 200


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": ADMIN_KEY},
        {"authorization": f"Basic {ADMIN_KEY}"},
        {"authorization": "Bearer \xff\xfe"},
        {"authorization": f"Bearer {ADMIN_KEY}x"},
        {"x-api-key": ADMIN_KEY},
    ],
)
def test_no_admin_operation_answers_without_the_key(lasting, credentials):
    with lasting.client(key=None) as client:
        for method, path in ADMIN:
            answer = client.request(
                method, path, headers={n: v.encode("latin-1") for n, v in credentials.items()}
            )
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == "application/problem+json"
        assert client.get("/openapi.json").status_code == 200
        assert client.get("/healthz").json()["status"] == "alive"
        assert client.get("/readyz").status_code == 200
        assert client.get("/metrics").status_code == 200


def test_two_credentials_are_none(lasting):
    right = f"Authorization: Bearer {ADMIN_KEY}\r\n".encode()
    head = b"GET /admin/v1/log HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    assert raw(lasting, head + right + b"\r\n").startswith(b"HTTP/1.1 200")
    assert raw(lasting, head + right + right + b"\r\n").startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize(("control", "status"), [("127.0.0.1:0", 200), ("0.0.0.0:0", 403)])
def test_without_a_key_only_this_machine_may_use_it(tmp_path, control, status):
    with (
        ControlPlane(tmp_path, key=None, control=control) as plane,
        plane.client(key=None) as client,
    ):
        answer = client.get("/admin/v1/log")
        assert answer.status_code == status
        assert client.get("/healthz").status_code == 200
        if status == 403:
            assert "admin_key_env" in answer.json()["detail"]


def test_pages_of_another_site_reach_nothing(plane, client):
    assert client.get("/metrics", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/metrics", headers={"host": "control.example:8081"}).status_code == 200
    assert client.get("/admin/v1/log", headers={"origin": "http://evil.example"}).status_code == 403
    drained = client.post("/admin/v1/drain", headers={"sec-fetch-site": "cross-site"})
    assert drained.status_code == 403
    assert not plane.gateway.is_draining
    assert client.get("/admin/v1/log", headers={"origin": plane.url}).status_code == 200


def test_insights_are_paged_set_aside_judged_and_erased(client):
    path = "/admin/v1/insights"
    everything = client.get(path, params={"tenant": "acme"}).json()
    assert everything["next_offset"] is None
    ids = [insight["id"] for insight in everything["items"]]
    assert len(ids) >= 3

    paged, offset = [], 0
    while offset is not None:
        page = client.get(path, params={"tenant": "acme", "limit": 2, "offset": offset}).json()
        paged += [insight["id"] for insight in page["items"]]
        offset = page["next_offset"]
    assert paged == ids

    one = f"{path}/{ids[0]}"
    mine = {"tenant": "acme"}
    shown = client.get(one, params=mine).json()["insight"]
    assert shown["evidence"][0]["text"]
    assert client.get(one, params={"tenant": "other"}).status_code == 404
    assert client.get(one).status_code == 400
    assert client.get(path, params={"tenant": "other"}).json()["items"] == []

    aside = client.post(f"{one}/quarantine", params=mine, json={"reason": "it is wrong"})
    assert (aside.status_code, aside.json()["standing"]) == (200, "quarantined")
    found = client.get(path, params=mine | {"standing": "quarantined"}).json()["items"]
    assert [insight["id"] for insight in found] == [ids[0]]
    released = client.post(f"{one}/release", params=mine)
    assert (released.status_code, released.json()["standing"]) == (200, "active")
    judged = client.post(f"{one}/judge", params=mine, json={"correct": True})
    assert judged.status_code == 200

    quoting = client.delete(one, params=mine | {"reason": shown["content"]})
    assert quoting.status_code == 422, quoting.text
    before = client.get("/admin/v1/log").json()["size"]
    receipt = client.delete(one, params=mine | {"reason": "asked to"})
    assert receipt.status_code == 200, receipt.text
    assert receipt.json()["insights"] == [ids[0]]
    assert receipt.json()["leaf"] >= before
    assert client.get(one, params=mine).status_code == 404
    assert client.post(f"{one}/release", params=mine).status_code == 404
    assert client.get("/admin/v1/log").json()["checkpoint"]["note"]


def test_a_model_is_changed_and_switched_off_while_it_runs(client):
    path = "/admin/v1/models/org%2Fcheap"
    change = {"quality": 0.75, "capabilities": {"coding": 0.9}, "output_price": 2.5}
    changed = client.patch(path, json=change)
    assert changed.status_code == 200, changed.text
    for shown in (changed.json(), client.get(path).json()):
        assert (shown["quality"], shown["output_price"]) == (0.75, 2.5)
        assert shown["capabilities"]["coding"] == 0.9
        assert shown["enabled"] is True
    for each in ("strong", "org%2Fcheap"):
        assert client.patch(f"/admin/v1/models/{each}", json={"enabled": False}).status_code == 200
    models = client.get("/readyz").json()["components"][2]
    assert (models["ready"], models["reason"]) == (False, "no model is configured and enabled")
    assert client.patch("/admin/v1/models/nobody", json={}).status_code == 404
    for wrong in ({"quality": 2}, {"quality": None}, {"qualty": 1}, {"input_price": -1}, [], "x"):
        assert client.patch(path, json=wrong).status_code == 400


def test_readiness_says_which_part_is_not(plane, client, monkeypatch):
    assert client.get("/readyz").status_code == 200
    for balancer in plane.gateway.balancers.values():
        while not all(endpoint.breaker.openings for endpoint in balancer.endpoints):
            balancer.pick().failed()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    parts = {part["name"]: part for part in answer.json()["components"]}
    assert parts["models"] == {"name": "models", "ready": False, "reason": "0 of 2 may be asked"}
    assert parts["gateway"]["ready"]
    shown = client.get("/admin/v1/models").json()["items"][0]["endpoints"][0]
    assert shown["circuit"] == "open"
    assert shown["ready_in_seconds"] > 0

    assert client.post("/admin/v1/drain").json() == {"draining": True, "in_flight": 0}
    assert client.post("/admin/v1/drain").status_code == 202
    assert client.get("/readyz").json()["components"][0]["reason"] == "draining"
    assert client.get("/healthz").status_code == 200


def test_a_store_that_cannot_be_written_is_not_ready(plane, client, tmp_path, monkeypatch):
    import sqlite3

    from crossmodel.gateway.control import readiness

    monkeypatch.setattr(readiness, "STORE_SECONDS", 0.2)
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0.0)
    with sqlite3.connect(tmp_path / "state.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert "more than 0.2 s" in answer.json()["components"][1]["reason"]
        other.execute("ROLLBACK")
    other.close()
    deadline = time.monotonic() + 10
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_bad_file_changes_nothing_and_says_why(plane, client):
    good = plane.settings.read_text()
    assert client.post("/admin/v1/reload").json() == {"changes": []}
    plane.settings.write_text(good.replace("quality = 0.9", "qualty = 0.9"))
    refused = client.post("/admin/v1/reload")
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert "did you mean 'quality'" in refused.json()["detail"]
    assert refused.json()["path"] == "models[0].qualty"
    assert client.get("/admin/v1/models/strong").json()["quality"] == 0.9
    plane.settings.write_text(good.replace("quality = 0.9", "quality = 0.8"))
    assert client.post("/admin/v1/reload").json() == {"changes": ["model strong has changed"]}
    assert client.get("/admin/v1/models/strong").json()["quality"] == 0.8


def test_a_key_is_made_shown_once_and_revoked(plane, client):
    path = "/admin/v1/keys"
    wanted = {
        "name": "Kiosk 7", "tenant": "acme", "models": ["org/cheap"], "requests_per_minute": 60,
        "burst": 5, "daily_budget": 2.5, "expires_at": "2999-01-01T00:00:00+02:00",
    }  # fmt: skip
    made = client.post(path, json=wanted)
    assert made.status_code == 201, made.text
    clear, shown = made.json()["clear"], made.json()["key"]
    assert clear.startswith("cmk-")
    assert (shown["valid"], shown["source"]) == (True, "store")
    assert shown["expires_at"] == "2998-12-31T22:00:00Z"
    found = plane.keyring.identify(clear.encode())
    assert (found.name, found.tenant, found.models) == ("Kiosk 7", "acme", ("org/cheap",))

    listed = client.get(path)
    assert [key["name"] for key in listed.json()["items"]] == ["configured", "Kiosk 7"]
    assert clear not in listed.text
    assert found.digest not in listed.text
    budgets = client.get("/admin/v1/budgets").json()["items"]
    assert ("key", "Kiosk 7", 2.5) in {(b["scope"], b["owner"], b["limit_usd"]) for b in budgets}

    assert client.post(path, json=wanted).status_code == 409
    assert client.post(path, json={"name": "configured"}).status_code == 409
    revoked = client.delete(f"{path}/Kiosk%207")
    assert (revoked.status_code, revoked.json()["valid"]) == (200, False)
    assert plane.keyring.identify(clear.encode()) is None
    assert client.delete(f"{path}/Kiosk%207").json()["revoked_at"] == revoked.json()["revoked_at"]
    assert client.post(path, json=wanted).status_code == 409, "names are never used again"
    configured = client.delete(f"{path}/configured")
    assert configured.status_code == 409
    assert "settings file" in configured.json()["detail"]
    assert client.delete(f"{path}/nobody").status_code == 404


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"models": ["nobody"]}, 422),
        ({"models": ["strong", "strong"]}, 422),
        ({"burst": 3}, 422),
        ({"name": " x"}, 422),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, 422),
        ({"expires_at": "2999-01-01T00:00:00"}, 400),
        ({"daily_budget": -1}, 400),
        ({"concurrent": 0}, 400),
        ({"requests_per_minute": 1e300}, 400),
        ({"name": ""}, 400),
        ({"is_admin": True}, 400),
    ],
)
def test_a_key_that_cannot_be_is_not_made(lasting, reader, wrong, status):
    answer = reader.post("/admin/v1/keys", json={"name": "x"} | wrong)
    assert answer.status_code == status, answer.text
    assert [key.name for key in lasting.keyring.keys] == ["configured"]


def test_budgets_say_what_is_committed_and_left(plane, client):
    optimizer = plane.cm.engine.selector.cost_optimizer
    reservation = optimizer.reserve(4.0, tenant="acme")
    items = client.get("/admin/v1/budgets").json()["items"]
    shown = {(item["scope"], item["owner"], item["budget"]): item for item in items}
    assert set(shown) == {("everyone", "", "daily_budget"), ("tenant", "acme", "monthly_budget")}
    daily, acme = shown.values()
    assert (daily["limit_usd"], daily["committed_usd"], daily["left_usd"]) == (10.0, 4.0, 6.0)
    assert (acme["committed_usd"], acme["left_usd"]) == (4.0, 1.0)
    optimizer.settle(reservation, 1.0)
    page = client.get("/admin/v1/budgets", params={"limit": 1, "offset": 1}).json()
    assert (page["items"][0]["left_usd"], page["next_offset"]) == (4.0, None)


def test_metrics_can_be_parsed_and_change(plane, client, served_request):
    def total():
        answer = client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        families = text_string_to_metric_families(answer.text)
        samples = [sample for family in families for sample in family.samples]
        return sum(each.value for each in samples if each.name == "crossmodel_requests_total")

    assert total() == 0
    plane.metrics.served(served_request)
    assert total() == 1
    plane.metrics.served(served_request)
    assert total() == 2


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"correct": true}', {"content-type": "text/plain"}, 415),
        (b'{"correct": true}', {}, 415),
        (b'{"correct": true}', {"content-type": "application/json", "content-encoding": "gzip"}, 415),
        (b'{"correct": true}', {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b"", {"content-type": "application/json"}, 400),
        (b"\xff\xfe", {"content-type": "application/json"}, 400),
        (b'{"correct": 1}', {"content-type": "application/json"}, 400),
        (b'{"correct": ' + b"[" * 100_000, {"content-type": "application/json"}, 400),
        (b'{"reason": "\\ud800"}', {"content-type": "application/json"}, 400),
        (b'{"correct": 1e999}', {"content-type": "application/json"}, 400),
        (b'{"correct": true} {}', {"content-type": "application/json"}, 400),
        (b'{"correct": NaN}', {"content-type": "application/json"}, 400),
        (b" " * (operation.MOST_BODY_BYTES + 1), {"content-type": "application/json"}, 413),
    ],
)  # fmt: skip
def test_bodies_that_are_not_what_they_should_be(reader, body, headers, status):
    insight = reader.get("/admin/v1/insights?tenant=acme").json()["items"][0]["id"]
    answer = reader.post(
        f"/admin/v1/insights/{insight}/judge?tenant=acme", content=body, headers=headers
    )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_an_integer_may_be_written_like_any_number(client):
    made = client.post(
        "/admin/v1/keys",
        content=b'{"name": "n", "concurrent": 5.0, "burst": 1e1, "requests_per_minute": 6E+1}',
        headers={"content-type": "application/json"},
    )
    shown = made.json()["key"]
    assert (shown["concurrent"], shown["burst"], shown["requests_per_minute"]) == (5, 10, 60)


def test_a_body_without_a_length_is_cut_off_as_well(reader):
    answer = reader.patch(
        "/admin/v1/models/strong",
        content=(b" " * 65536 for _ in range(64)),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(lasting, monkeypatch):
    monkeypatch.setattr(operation, "BODY_SECONDS", 0.2)
    head = (
        f"PATCH /admin/v1/models/strong HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {ADMIN_KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: 100\r\nConnection: close\r\n\r\n"
    )
    assert raw(lasting, head.encode() + b'{"quality"').startswith(b"HTTP/1.1 408")


def test_heads_that_drip_or_never_end_are_cut_off(lasting, monkeypatch):
    line = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    endless = [line] + [b"X-Filler: " + b"x" * 8192 + b"\r\n"] * 40
    dripping = [line] + [b"X: y\r\n"] * 40

    def last_answer(*requests):
        """What is answered to the last of them on one connection; nothing if it is cut off."""
        url = urlsplit(lasting.url)
        with socket.create_connection((url.hostname, url.port), timeout=10) as client:
            for pieces in requests:
                try:
                    for piece in pieces:
                        client.sendall(piece)
                        time.sleep(0.02)
                    answer = client.recv(4096)
                except (BrokenPipeError, ConnectionResetError):
                    return b""
            return answer

    assert last_answer([line, b"\r\n"], [line, b"\r\n"]).startswith(b"HTTP/1.1 200")
    began = time.monotonic()
    assert last_answer(endless) == b""
    assert last_answer([line, b"\r\n"], endless) == b""
    assert time.monotonic() - began < connection.HEAD_SECONDS, "for their size, not their time"
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    assert last_answer([]) == b""
    assert last_answer(dripping) == b""
    assert last_answer([line, b"\r\n"], dripping) == b""


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "offset=-1", "limt=5", "limit=1&limit=2", "limit=%ff",
     "a=1" + "&a=1" * 50, "limit=\u00e9"],
)  # fmt: skip
def test_parameters_that_are_not_what_they_should_be(reader, query):
    assert reader.get(f"/admin/v1/models?{query}").status_code == 400


def test_what_is_not_there_says_so(reader):
    assert reader.get("/admin/v1/nothing").status_code == 404
    assert reader.get("/").json()["title"] == "Not Found"
    wrong = reader.put("/admin/v1/models/strong", json={})
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "GET, PATCH, HEAD"
    assert reader.head("/healthz").status_code == 200
    assert reader.head("/healthz").content == b""


def test_what_goes_wrong_inside_is_logged_and_not_shown(plane, client, caplog):
    plane.gateway.drain = lambda: 1 / 0
    answer = client.post("/admin/v1/drain")
    assert answer.status_code == 500
    assert "ZeroDivision" not in answer.text
    assert "ZeroDivisionError" in caplog.text
    assert ADMIN_KEY not in caplog.text


def test_answers_on_a_kept_connection_are_not_late(reader):
    """Without TCP_NODELAY each waits 40 ms for the client's acknowledgement."""
    took = []
    for _ in range(20):
        began = time.perf_counter()
        reader.get("/healthz")
        took.append(time.perf_counter() - began)
    assert min(took[1:]) < 0.03


def test_the_document_is_json(reader):
    assert json.loads(reader.get("/openapi.json").content)["openapi"] == "3.1.0"
