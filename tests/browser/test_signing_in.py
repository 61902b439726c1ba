"""Who may look, and who may change something: asked over real HTTP, of the running command."""

import json
import re
from contextlib import contextmanager

import httpx
import pytest
from dashboard_process import DashboardProcess
from filling import ADMIN, VIEWER, in_a_loop, write_settings
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from crossmodel.dashboard import hash_password


@contextmanager
def signed_in(guarded, name, password):
    with httpx.Client(base_url=guarded.url, headers={"origin": guarded.url}) as client:
        said = {"name": name, "password": password, "next": "/insights"}
        answer = client.post("/sign-in", data=said)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"] == "/insights"
        yield client


@pytest.fixture
def viewer(guarded):
    with signed_in(guarded, "vera", VIEWER) as client:
        yield client


@pytest.fixture
def admin(guarded):
    with signed_in(guarded, "ada", ADMIN) as client:
        yield client


def test_it_does_not_start_for_strangers_without_users(filled, command, tmp_path):
    config = write_settings(filled[0], tmp_path)
    done = command("dashboard", "--config", config, "--listen", "0.0.0.0:0")
    assert done.returncode == 2
    assert "[[dashboard.users]]" in done.stderr


def test_a_variable_without_a_hash_stops_it(tmp_path, command):
    config = write_settings(tmp_path, dashboard={"users": [{"name": "a", "hash_env": "NO_HASH"}]})
    done = command("dashboard", "--config", config)
    assert done.returncode == 2
    assert "NO_HASH is not set" in done.stderr


def test_people_sign_in_look_and_sign_out(open_tab, guarded):
    tab = open_tab(guarded)
    page = tab.page
    page.goto(guarded.url + "/insights?standing=active")
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill("not her password")
    page.get_by_role("button", name="Sign in").click()
    assert "no such user" in page.get_by_role("alert").inner_text()
    tab.shoot("sign-in")
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill(VIEWER)
    page.keyboard.press("Enter")
    page.wait_for_url("**/insights?standing=active")
    page.wait_for_selector("main table")
    assert "vera (viewer, tenant default)" in page.locator("header").inner_text()
    [cookie] = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    with httpx.Client(cookies={cookie["name"]: cookie["value"]}) as thief:
        assert thief.get(guarded.url + "/").status_code == 303, "a stolen copy still lets in"


def test_strangers_see_nothing(guarded, ids):
    with httpx.Client(base_url=guarded.url) as stranger:
        for path in ("/", "/insights", f"/insights/{ids['rule']}", "/evidence/0", "/trust.json"):
            answer = stranger.get(path)
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in?next=%2F")
        for path in ("/_nicegui_ws/socket.io/?EIO=4&transport=polling", "/_nicegui/x/static/a.js"):
            assert stranger.get(path).status_code == 401, path
        stranger.headers["origin"] = guarded.url
        assert (
            stranger.post(f"/insights/{ids['rule']}/erase", data={"reason": "x"}).status_code == 401
        )
        stranger.cookies.set("crossmodel", "forged.token.here")
        assert stranger.get("/").status_code == 303


@pytest.mark.parametrize(
    "wanted", ["//evil.example/", "https://evil.example/", "/\\evil.example", "\r\nx: y", ""]
)
def test_signing_in_leads_nowhere_else(guarded, wanted):
    with httpx.Client(base_url=guarded.url, headers={"origin": guarded.url}) as client:
        answer = client.post("/sign-in", data={"name": "ada", "password": ADMIN, "next": wanted})
        assert answer.headers["location"] == "/"


def test_a_viewer_changes_nothing_whatever_is_posted(viewer, ids):
    for what in ("quarantine", "release", "erase"):
        answer = viewer.post(f"/insights/{ids['rule']}/{what}", data={"reason": "because"})
        assert answer.status_code == 403, what
        assert "viewers change nothing" in answer.text
    page = viewer.get(f"/insights/{ids['rule']}").text
    assert "You are a viewer" in page
    assert "erase-reason" not in page


def test_an_admin_needs_a_reason_and_an_insight(admin, ids):
    answer = admin.post(f"/insights/{ids['rule']}/quarantine", data={"reason": "  "})
    assert answer.status_code == 422
    assert "A reason is needed" in answer.text
    assert admin.post("/insights/ins_none/erase", data={"reason": "x"}).status_code == 404
    assert (
        admin.post(f"/insights/{ids['rule']}/erase", data={"reason": "x" * 2001}).status_code == 422
    )


def test_tenants_do_not_see_each_other(guarded, viewer, ids):
    assert viewer.get(f"/insights/{ids['others']}").status_code == 404
    assert "turbines" not in viewer.get("/insights?q=turbines").text.replace(
        "q=turbines", ""
    ).replace("“turbines”", "").replace('value=\\"turbines', "")
    with signed_in(guarded, "otto", ADMIN) as otto:
        assert "turbines" in otto.get(f"/insights/{ids['others']}").text
        assert otto.get(f"/insights/{ids['rule']}").status_code == 404
        assert otto.get(f"/provenance?id={ids['helped']}").status_code == 404
        assert otto.get(f"/selection/{ids['chosen']}").status_code == 404
        assert otto.get("/evidence/0").status_code == 404
        assert otto.post(f"/insights/{ids['rule']}/erase", data={"reason": "x"}).status_code == 404
        budgets = otto.get("/budgets").text
        assert "tenant other" in budgets
        assert "everyone" not in budgets
    assert "everyone" in viewer.get("/budgets").text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example:8082"}, 421),
        ({"host": "localhost.evil.example"}, 421),
        ({"host": "[::1"}, 421),
    ],
)
def test_other_host_names_are_refused(viewer, headers, status):
    assert viewer.get("/", headers=headers).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_forms_of_other_sites_are_refused(admin, ids, headers):
    answer = admin.post(
        f"/insights/{ids['rule']}/quarantine", data={"reason": "x"}, headers=headers
    )
    assert answer.status_code == 403
    assert "refused" in answer.text


def test_what_would_fill_the_memory_is_refused_unread(guarded):
    with httpx.Client(base_url=guarded.url, headers={"origin": guarded.url}) as stranger:
        endless = (b"name=" + b"x" * 65536 for _ in range(100))
        assert stranger.post("/sign-in", content=endless).status_code == 411
        assert stranger.post("/sign-in", content=b"x" * (1024 * 1024 + 1)).status_code == 413
        for length in ("-1", "1e3", "9" * 40):
            headers = {"content-length": length}
            try:
                answer = stranger.post("/sign-in", content=b"", headers=headers)
            except httpx.HTTPError:  # the server hung up: that is as good
                continue
            assert answer.status_code in {400, 411, 413}


def test_a_form_without_an_origin_is_refused(admin, ids):
    del admin.headers["origin"]
    assert admin.post(f"/insights/{ids['rule']}/release").status_code == 403


@pytest.mark.parametrize(
    ("cookie", "origin"), [(False, True), (True, False), (True, "https://evil.example")]
)
def test_websockets_need_a_session_and_our_origin(guarded, viewer, cookie, origin):
    url = guarded.url.replace("http", "ws") + "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    headers = {"cookie": f"crossmodel={viewer.cookies['crossmodel']}"} if cookie else {}
    said = {True: guarded.url, False: None}.get(origin, origin)

    async def knock(origin, headers):
        async with connect(url, origin=origin, additional_headers=headers) as socket:
            return await socket.recv()

    with pytest.raises(InvalidStatus, match="403"):
        in_a_loop(knock(said, headers))
    whole = {"cookie": f"crossmodel={viewer.cookies['crossmodel']}"}
    assert json.loads(in_a_loop(knock(guarded.url, whole))[1:])["sid"]


def test_every_answer_is_hardened(guarded, viewer):
    for answer in (viewer.get("/"), httpx.get(guarded.url + "/sign-in"), viewer.get("/trust.json")):
        assert answer.status_code == 200
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


def test_what_proxies_are_said_to_add_does_not_get_into_pages(viewer):
    page = viewer.get("/", headers={"x-forwarded-prefix": "/evil", "x-forwarded-host": "evil"}).text
    assert "/evil" not in page


def test_guessing_is_slowed_down_and_names_are_not_told(filled, tmp_path):
    users = [{"name": "ada", "hash_env": "ADA_HASH", "role": "admin"}]
    config = write_settings(filled[0], tmp_path, dashboard={"users": users})
    with DashboardProcess(config, ADA_HASH=hash_password(ADMIN)) as guarded:
        _guess(guarded)
    log = guarded.log.read_text()
    assert "could not sign in" in log
    assert ADMIN not in log
    assert "Traceback" not in log


def _guess(guarded):
    with httpx.Client(base_url=guarded.url, headers={"origin": guarded.url}) as client:
        for _ in range(20):
            answer = client.post("/sign-in", data={"name": "nobody", "password": "guess"})
            if answer.status_code == 429:
                break
            assert answer.status_code == 403
            assert "no such user with that password" in answer.text
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 300
        assert re.search(r"Try again in \d+ seconds", answer.text)
        late = client.post("/sign-in", data={"name": "ada", "password": ADMIN})
        assert late.status_code == 429, "an address that guesses must not be let in by luck"
