"""Models with several addresses: who is asked, what is tried again, and when circuits open."""

import time

import openai
import pytest
from upstreams import Upstream

from gateway.asking import ASKED, body_of, settled
from gateway.process import Gateway
from gateway.setting import OPENAI_KEY

COOLDOWN = 0.5
HEDGE_AFTER = 1.0
HOLD = 2.0
NAMES = ["spread", "limited", "broken", "begun", "slow", "both", "flaky"]
FAULTS = ["garbage", "refuse-1", "badjson", "short", "drop-0", "status-503"]
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def pair():
    """Two upstreams that serve the same models."""
    with Upstream() as first, Upstream() as second:
        yield first, second


@pytest.fixture(scope="module")
def balanced_process(pair, tmp_path_factory):
    first, second = pair
    shared = {"kind": "openai", "api_key_env": "TEST_OPENAI_KEY"}
    names = [*NAMES, *FAULTS, *(f"stream-{fault}" for fault in FAULTS)]
    rows = [{"id": f"text@{name}", "provider": "pair"} for name in names]
    rows += [
        {"id": "text@replaced", "provider": "first", "fallbacks": ["claude", "text@spread"]},
        {"id": "claude", "name": "text", "provider": "claude", "output_price": 9.0},
        {"id": "text@last", "provider": "first", "fallbacks": ["text@gone"]},
        {"id": "text@gone", "provider": "nowhere"},
    ]
    settings = {
        "providers": [
            {"id": "pair", "base_urls": [first.v1, second.v1], **shared},
            {"id": "first", "base_url": first.v1, **shared},
            {"id": "claude", "kind": "anthropic", "base_url": second.url,
             "api_key_env": "TEST_OPENAI_KEY"},
            {"id": "nowhere", "base_url": "http://127.0.0.1:1/v1", **shared},
        ],
        "models": rows,
        "load_balancer": {
            "failover_threshold": 2,
            "cooldown_seconds": COOLDOWN,
            "max_hold_seconds": HOLD,
            "hedge_after_seconds": HEDGE_AFTER,
            "retry_wait_seconds": 0.01,
            "min_retries_per_second": 100,
        },
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("balanced")
    with Gateway(folder, settings, {"TEST_OPENAI_KEY": OPENAI_KEY}, "nobody-is-asked") as gateway:
        yield gateway


@pytest.fixture
def balanced(balanced_process, pair):
    """A gateway over two upstreams that have seen nothing yet."""
    for upstream in pair:
        upstream.reset()
    return balanced_process


@pytest.fixture(params=["sync", "async"])
async def any_client(balanced, request):
    if request.param == "sync":
        with balanced.openai() as client:
            yield client
    else:
        async with balanced.async_openai() as client:
            yield client


def asked(pair):
    """How often each was asked."""
    return [upstream.seen()["total"] for upstream in pair]


def ask(gateway, model, **more):
    return gateway.ask(CHAT, body_of(CHAT, model, **more))


def circuit(gateway, model, upstream):
    """The state of the circuit of one model at one address."""
    while True:  # it may change between two looks
        states = [
            state
            for state in ("closed", "open", "half_open")
            if gateway.metric(
                "crossmodel_endpoint_circuit",
                gen_ai_request_model=model,
                endpoint=upstream.v1,
                state=state,
            )
        ]
        if len(states) == 1:
            return states[0]


def test_requests_are_spread(balanced, pair):
    for _ in range(10):
        assert ask(balanced, "text@spread").status == 200
    assert asked(pair) == [5, 5]


async def test_who_asks_to_wait_is_left_alone_and_the_other_asked(any_client, pair):
    pair[0].behave("retry-after-60")
    for _ in range(4):
        raw = await settled(
            any_client.chat.completions.with_raw_response.create(
                model="text@limited", messages=ASKED
            )
        )
        assert raw.status_code == 200
    first, second = asked(pair)
    assert first <= 1
    assert second == 4


def test_when_all_ask_to_wait_clients_are_told_how_long(balanced, pair):
    for upstream in pair:
        upstream.behave("retry-after-7")
    first = ask(balanced, "text@both")
    assert (first.status, first.header("retry-after")) == (429, "7")
    assert asked(pair) == [1, 1]
    again = ask(balanced, "text@both")  # held for no longer than the settings believe
    assert (again.status, again.header("retry-after")) == (429, str(int(HOLD)))
    assert asked(pair) == [1, 1]


def test_a_circuit_opens_and_closes_again(balanced, pair):
    first, second = pair
    first.behave("status-500")
    for _ in range(8):
        assert ask(balanced, "text@broken").status == 200
    assert first.seen()["total"] == 2  # as many as the threshold
    assert circuit(balanced, "text@broken", first) == "open"
    assert circuit(balanced, "text@broken", second) == "closed"
    first.reset()
    give_up = time.monotonic() + 10
    while circuit(balanced, "text@broken", first) != "closed":
        assert time.monotonic() < give_up
        assert ask(balanced, "text@broken").status == 200
        time.sleep(0.05)
    assert first.seen()["total"] >= 1


@pytest.mark.parametrize(
    ("fault", "stream"),
    [
        *((fault, False) for fault in FAULTS),
        *((fault, True) for fault in FAULTS if fault not in {"badjson", "short"}),
    ],
)
def test_what_fails_before_the_first_byte_is_tried_elsewhere(balanced, pair, fault, stream):
    """Of a stream the others break only later."""
    pair[0].behave(fault)
    for _ in range(2):  # so that the one that fails is asked first at least once
        answer = ask(balanced, f"text@{'stream-' if stream else ''}{fault}", stream=stream)
        assert answer.status == 200
        assert answer.complete
    first, second = asked(pair)
    assert first in {1, 2}
    assert second == 2


@pytest.mark.parametrize("fault", ["drop-2", "cut-2", "error-event"])
def test_nothing_is_tried_again_after_the_first_byte(balanced, pair, fault):
    for upstream in pair:
        upstream.behave(fault)
    answer = ask(balanced, "text@begun", stream=True)
    assert answer.status == 200
    assert not answer.complete
    if fault != "cut-2":  # within an event nothing can be said: the connection tells
        assert '"error"' in answer.events()[-1][1]
    assert sum(asked(pair)) == 1


def test_errors_that_are_the_clients_are_not_tried_again(balanced, pair):
    for upstream in pair:
        upstream.behave("status-400")
    assert ask(balanced, "text@spread").status == 400
    assert sum(asked(pair)) == 1


def test_what_is_flaky_is_made_good(balanced, pair):
    for upstream in pair:
        upstream.behave("flaky-1")
    answer = ask(balanced, "text@flaky")
    assert answer.status == 200
    assert answer.header("x-crossmodel-attempts") == "3"


def test_who_says_nothing_for_long_is_overtaken(balanced, pair):
    first, second = pair
    first.behave("first-20000")
    started = time.monotonic()
    answers = [ask(balanced, "text@slow") for _ in range(2)]
    assert time.monotonic() - started < 10
    assert {answer.status for answer in answers} == {200}
    assert {answer.header("x-crossmodel-attempts") for answer in answers} <= {None, "2"}
    records = first.idle()["requests"]
    assert {record["outcome"] for record in records} == {"left"}
    assert second.seen()["total"] == 2


@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
def test_another_model_stands_in(balanced, pair, path):
    pair[0].behave("status-500")
    answer = balanced.ask(path, body_of(path, "text@replaced"))
    assert answer.status == 200
    assert answer.header("x-crossmodel-model") == "claude"
    assert answer.header("x-crossmodel-selection") == "named"
    assert answer.header("x-crossmodel-failover") == "text@replaced"
    assert answer.header("x-crossmodel-price").startswith("input=0; output=9;")
    if path == CHAT:
        assert answer.json()["choices"][0]["message"]["content"].startswith("You said")
    else:
        assert answer.json()["content"][0]["text"].startswith("You said")


def test_what_a_provider_said_is_told_rather_than_that_another_said_nothing(balanced, pair):
    pair[0].behave("status-500")
    answer = ask(balanced, "text@last")
    assert answer.status == 500
    assert answer.json()["error"]["message"] == "told to answer 500"


def test_a_provider_that_is_not_there_is_a_bad_gateway(balanced):
    with balanced.openai() as client, pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="text@gone", messages=ASKED)
    assert caught.value.status_code in {502, 503}


def test_nothing_is_left_in_flight(balanced):
    balanced.wait_until_idle()
    assert balanced.metric("crossmodel_records_lost_total") == 0
