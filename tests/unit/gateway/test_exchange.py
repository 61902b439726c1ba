"""The way of one request, step by step: scripted addresses, a real core, no sockets."""

import asyncio
import json
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import bench, chat, completion, event, settings_in

from crossmodel.gateway.recording import STUCK_BYTES

EVENTS = b"text/event-stream"
DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with bench(settings_in(tmp_path_factory.mktemp("exchange"))) as (made, run):
        yield made, run


@pytest.fixture
def on(running):
    """Runs a test on the bench's event loop, with the balancing that is asked for."""
    made, run = running

    def work(test, **more):
        async def inside():
            made.set_up(**more)
            await test(made)
            assert not made.state.active
            assert all(not in_flight for in_flight in in_flights(made))

        run(inside())

    return work


def in_flights(made):
    return [
        endpoint.in_flight
        for target in made.state.targets.values()
        for endpoint in target.balancer.endpoints
    ]


def blames(made, model):
    return [e.breaker.failures for e in made.state.targets[model].balancer.endpoints]


def test_who_failed_is_not_asked_twice_while_others_can_be(on):
    async def test(made):
        _, client = made.ask(chat("dear"))
        made.calls("dear")[0].fail()
        (second,) = made.calls("dear")
        second.answer(completion())
        assert (client.status, client.header("x-crossmodel-attempts")) == (200, "2")
        asked = [len(each.calls) for each in made.addresses["dear"].values()]
        assert asked == [1, 1]

    on(test)


def test_a_request_blames_an_address_once_however_often_it_asks(on):
    async def test(made):
        _, client = made.ask(chat("dear"))
        for _ in range(3):
            while not made.calls("dear"):
                await asyncio.sleep(0)
            made.calls("dear")[0].answer(b"{}", status=500)
        assert client.status == 500
        assert blames(made, "dear") == [1]

    on(test, names=("a",), retry_wait_seconds=0.000_001)


def test_a_stand_in_is_asked_where_the_first_cannot_be_asked_so(on):
    """Messages has no ``logit_bias``: a stand-in that speaks chat may be asked."""

    async def test(made):
        plain = made.state.targets
        claude = plain["claude"]
        failing_over = replace(claude, model=replace(claude.model, fallbacks=("dear",)))
        made.state.replace_targets({**plain, "claude": failing_over})
        try:
            _, client = made.ask(chat("claude", logit_bias={"1": 5}))
            assert not made.calls("claude")
            made.calls("dear")[0].answer(completion())
        finally:
            made.state.replace_targets(plain)
        assert client.status == 200
        assert client.header("x-crossmodel-failover") == "claude"

    on(test)


def test_what_no_model_can_be_asked_is_the_clients_mistake(on):
    async def test(made):
        _, client = made.ask(chat("claude", logit_bias={"1": 5}))
        assert client.status == 400
        assert "logit_bias" in json.loads(client.body)["error"]["message"]

    on(test)


def test_a_wait_that_is_asked_for_holds_the_address_and_reaches_the_client(on):
    async def test(made):
        _, client = made.ask(chat("dear"))
        made.calls("dear")[0].answer(b"{}", status=429, headers=[(b"retry-after", b"30")])
        assert (client.status, client.header("retry-after")) == (429, "30")
        _, next_one = made.ask(chat("dear"))
        assert next_one.status == 429
        assert 25 <= int(next_one.header("retry-after")) <= 30
        assert blames(made, "dear") == [0]

    on(test, names=("a",))


def test_the_first_that_answers_is_heard_and_the_other_cancelled(on):
    async def test(made):
        _, client = made.ask(chat("dear", stream=True))
        while len(made.calls("dear")) < 2:
            await asyncio.sleep(0)
        first, second = made.calls("dear")
        second.head(kind=EVENTS)
        second.data(event("So."))
        assert first.is_cancelled
        second.data(event(reason="stop") + DONE)
        second.finish()
        assert client.end == "whole"

    on(test, hedge_after_seconds=0.000_001)


@pytest.mark.parametrize("begun", [False, True])
def test_time_that_is_up_ends_a_request(on, begun):
    async def test(made):
        exchange, client = made.ask(chat("dear", stream=True))
        (call,) = made.calls("dear")
        if begun:
            call.head(kind=EVENTS)
            call.data(event("So"))
        exchange.deadline = time.monotonic()
        exchange.expire()
        assert call.is_cancelled
        if begun:
            assert client.end == "cut"
            assert b'"error"' in client.body
        else:
            assert (client.status, client.end) == (504, "whole")

    on(test)


def test_a_client_that_reads_slowly_slows_the_provider(on):
    async def test(made):
        exchange, client = made.ask(chat("dear", stream=True))
        (call,) = made.calls("dear")
        exchange.pause()
        call.head(kind=EVENTS)
        call.data(event("So"))
        assert call.is_paused
        exchange.expire()  # whoever does not read is the connection's to end
        assert client.end is None
        exchange.resume()
        assert not call.is_paused
        call.data(event(reason="stop") + DONE)
        call.finish()
        assert client.end == "whole"

    on(test)


def test_requests_are_turned_away_while_nothing_can_be_recorded(on):
    async def test(made):
        recorder = made.opened.state.recorder
        recorder._waiting_bytes += STUCK_BYTES + 1
        try:
            _, client = made.ask(chat("dear"))
        finally:
            recorder._waiting_bytes -= STUCK_BYTES + 1
        assert (client.status, client.header("retry-after")) == (503, "5")
        assert not made.calls()

    on(test)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "head", "events", "data", "end", "fail", "leave", "late", "slow"]),
        st.integers(0, 5),
    ),
    max_size=25,
)


def take(step, which, made, asked):
    """One thing that happens: a client asks or leaves, an address answers a bit or breaks."""
    if step == "ask":
        models = ("cheap", "dear", "claude", "auto", "auto:cheap", "none")
        asked.append(made.ask(chat(models[which], stream=which % 2 == 0)))
    elif step in {"leave", "late", "slow"} and asked:
        exchange, client = asked[which % len(asked)]
        if step == "leave" and client.end is None:
            exchange.client_gone()
            client.end = "left"
        elif step == "late":
            exchange.expire()
        elif step == "slow":
            (exchange.pause if which % 2 else exchange.resume)()
    elif calls := made.calls():
        answer(calls[which % len(calls)], step, which)


def answer(call, step, which):
    has_head = getattr(call, "has_head", False)
    if step in {"head", "events"} and not has_head:
        call.has_head = True
        status = (200, 200, 500, 429, 400, 302)[which] if step == "head" else 200
        call.head(status, EVENTS if step == "events" else b"application/json")
    elif step == "data" and has_head:
        call.data((completion(), event("So"), DONE, event(reason="stop"), b"data: {", b"x")[which])
    elif step == "end" and has_head:
        call.finish(is_delimited=which > 0)
    elif step == "fail":
        call.fail()


@given(STEPS)
def test_whatever_comes_when_each_client_gets_one_end_and_nothing_stays_in_flight(running, steps):
    made, run = running

    async def work():
        made.set_up(
            retry_wait_seconds=0.000_001, min_retries_per_second=1000, hedge_after_seconds=0.000_001
        )
        asked = []
        for step, which in steps:
            take(step, which, made, asked)
            await asyncio.sleep(0)
        for exchange, client in asked:
            if client.end is None:
                exchange.client_gone()
        assert not made.state.active
        assert not made.calls()
        assert all(not in_flight for in_flight in in_flights(made))

    run(work())
