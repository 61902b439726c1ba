"""Three gateways on one store, real processes: one budget, one rate, the same keys."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from gateway_process import CHAT, GatewayProcess, chat, wait_for
from upstreams import Upstream
from upstreams.clients import request

sys.path.insert(0, str(Path(__file__).parents[1]))

from crossmodel.domain.period import utc_now
from crossmodel.store import open_store
from postgres_server import PostgresServer

pytestmark = pytest.mark.slow

BUDGET = 0.0005  # USD
MOST_TOKENS = 50
CLEAR = "the-clients-own-key-42"
KEYS = f"""
[[keys]]
name = "ci"
key_env = "CLIENT_KEY"
daily_budget = {BUDGET}
[[keys]]
name = "paced"
key_env = "OTHER_KEY"
requests_per_minute = 120
burst = 20
"""
CLIENTS = 3  # of each gateway


@pytest.fixture(scope="module")
def postgres_server():
    """A real server."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request, tmp_path):
    """Where the gateways' state is."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_server").store()
    return f"sqlite:///{tmp_path}/state.db"


@contextlib.contextmanager
def three(folder, store_url):
    """Three gateways, and a provider."""
    environment = {
        "CLIENT_KEY": CLEAR,
        "OTHER_KEY": f"another-{CLEAR}",
        "CROSSMODEL_STORE__URL": store_url,
        "CROSSMODEL_GATEWAY__SHARING__ENABLED": "true",
        "CROSSMODEL_GATEWAY__SHARING__SECONDS": "0.3",
    }
    with Upstream() as upstream, contextlib.ExitStack() as started:
        made = []
        for number in range(3):
            own = folder / str(number)
            own.mkdir()
            gateway = GatewayProcess(
                own, {"mock": upstream.v1}, {"text": "mock"}, more=KEYS,
                gateway={"insights": False, "learn": False}, environment=environment,
            )  # fmt: skip
            text = gateway.config.read_text()  # all sign with the same keys
            gateway.config.write_text(text.replace(f"{own}/keys", f"{folder}/keys"))
            made.append(started.enter_context(gateway))
        yield made


@pytest.fixture
def gateways(store_url, tmp_path):
    """Three on each database in turn."""
    with three(tmp_path, store_url) as made:
        yield made


@pytest.fixture(scope="module")
def those(tmp_path_factory):
    """Three that several tests ask."""
    folder = tmp_path_factory.mktemp("three")
    with three(folder, f"sqlite:///{folder}/state.db") as made:
        yield made


def question(clear=CLEAR):
    body = chat("text", max_tokens=MOST_TOKENS)
    return request("POST", CHAT, body, [("Authorization", f"Bearer {clear}")])


def dearest():
    """What one question may cost at most, in USD: its bytes as tokens, and all it allows."""
    size = len(question().partition(b"\r\n\r\n")[2])
    return (size * 0.1 + MOST_TOKENS * 0.2) / 1e6


class Client:
    """Asks one gateway until it has been refused some times on end."""

    def __init__(self, gateway, refusals):
        self.statuses = []
        self._gateway, self._refusals = gateway, refusals
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        with contextlib.suppress(OSError), self._gateway.connect() as client:
            while self.statuses[-self._refusals :] != [429] * self._refusals:
                client.send(question())
                status = client.read_response().status
                if not status:
                    return  # the gateway was killed
                self.statuses.append(status)
                if status == 503:  # the store was too slow, on a machine with much to do
                    time.sleep(0.1)

    def join(self):
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.statuses


def hammer(gateways, *, refusals=10, meanwhile=lambda: None):
    """All clients at once; how many answers there were."""
    clients = [Client(gateway, refusals) for gateway in gateways for _ in range(CLIENTS)]
    meanwhile()
    statuses = [status for client in clients for status in client.join()]
    assert set(statuses) <= {200, 429, 503}
    return statuses.count(200)


def budget_of(gateway):
    with urllib.request.urlopen(f"{gateway.control_url}/admin/v1/budgets") as answer:
        rows = json.load(answer)["items"]
    return next(row for row in rows if row["owner"] == "ci")


def come_back(gateways):
    """Wait until nothing is leased that is not committed; what is committed then, in USD."""
    before, now = -1.0, budget_of(gateways[0])["committed_usd"]
    while now != before:
        time.sleep(1.5)
        before, now = now, budget_of(gateways[0])["committed_usd"]
    return now


async def _recorded(url):
    store = await open_store(url)
    try:
        spent = await store.read(lambda tx: tx.spent_usd(utc_now().date()))
    finally:
        await store.close()
    return sum(usd for (_, key), usd in spent.items() if key == "ci")


def test_a_budget_is_never_overspent_and_hardly_underspent(gateways, store_url):
    answered = hammer(gateways)
    at_once = BUDGET - come_back(gateways)
    answered += Client(gateways[2], 1).join().count(200)  # what was leased has come back
    left = BUDGET - come_back(gateways)
    for gateway in gateways:
        gateway.stop()
    spent = asyncio.run(_recorded(store_url))
    print(f"{store_url[:8]}: {answered} answers, {spent:.3e} of {BUDGET} USD; unspent at once "
          f"{at_once:.2e}, after a rest {left:.2e}; one call is {dearest():.2e}")  # fmt: skip
    assert spent == pytest.approx(BUDGET - left, abs=1e-8)
    assert -1e-12 <= left <= dearest()
    assert at_once <= 3 * CLIENTS * dearest() + BUDGET / 8


def test_one_that_is_killed_costs_no_more_than_its_lease(gateways, store_url):
    def kill():
        wait_for(lambda: budget_of(gateways[1])["committed_usd"] > BUDGET / 5, 30)
        os.kill(gateways[0].process.pid, signal.SIGKILL)

    hammer(gateways, meanwhile=kill)
    come_back(gateways[1:])
    Client(gateways[2], 1).join()
    committed = come_back(gateways[1:])
    for gateway in gateways:
        gateway.stop()
    spent = asyncio.run(_recorded(store_url))
    print(f"{store_url[:8]}: {spent:.3e} spent, {committed - spent:.2e} lost with its lease")
    assert spent - 1e-12 <= committed <= BUDGET + 1e-12
    assert BUDGET - committed <= dearest()
    assert committed - spent <= BUDGET / 8 + (CLIENTS + 1) * dearest()


def test_a_rate_holds_for_all_together(those):
    began, allowed = time.monotonic(), 0
    asked = question(f"another-{CLEAR}")
    while time.monotonic() - began < 3.0:
        for gateway in those:
            sent = time.monotonic()
            allowed += gateway.exchange(asked).status == 200
    assert allowed <= 20 + 2.0 * (time.monotonic() - began)
    assert allowed >= 20 + 2.0 * (sent - began) * 0.5


def test_a_key_that_is_revoked_at_one_is_refused_by_all_within_a_second(those):
    def admin(method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(
            f"{those[0].control_url}/admin/v1/{path}", data, method=method,
            headers={"content-type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(asked) as answer:
            return json.load(answer)

    clear = admin("POST", "keys", {"name": "guest"})["clear"]
    wait_for(lambda: all(g.exchange(question(clear)).status == 200 for g in those), 1.5)
    admin("DELETE", "keys/guest")
    revoked = time.monotonic()
    wait_for(lambda: all(g.exchange(question(clear)).status == 401 for g in those), 1.5)
    assert time.monotonic() - revoked < 1.0
