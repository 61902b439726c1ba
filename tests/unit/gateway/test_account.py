"""What requests are charged with: scripted addresses, a real core, no sockets."""

import itertools
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import a_key, bench, chat, completion, event, settings_in

from crossmodel.gateway.bounds import bound

EVENTS = b"text/event-stream"
KEY, CLEAR = a_key("k", daily_budget=1.0)
DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with bench(settings_in(tmp_path_factory.mktemp("account"))) as (made, run):
        yield made, run


@pytest.fixture
def on(running):
    """A bench with one key of 1 USD, which has spent nothing; and its event loop."""
    made, run = running

    def work(test, **more):
        async def inside():
            made.set_up(keys=[KEY], **more)
            made.state.admission.budgets._accounts.clear()
            made.state.admission.replace_all([KEY])
            test(made)

        run(inside())

    return work


def only(made):
    """The one call that is under way."""
    (call,) = made.calls()
    return call


def charged(made):
    """What the request was charged with: the record and the budget agree."""
    (served,) = made.served
    committed = made.state.admission.budgets.committed("daily_budget", key="k")
    assert committed == pytest.approx(served.cost_usd)
    assert not made.state.active
    return served.cost_usd


def test_what_the_provider_counts_is_charged(on):
    def test(made):
        _, client = made.ask(chat(), key=CLEAR)
        only(made).answer(completion(usage=(100, 10)))
        assert client.end == "whole"
        assert charged(made) == pytest.approx(100 * 1e-6 + 10 * 2e-6)
        assert float(client.header("x-crossmodel-cost").split(";")[0]) == pytest.approx(0.00012)

    on(test)


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": None}, {"total_tokens": 5}, {"prompt_tokens": 10**400},
              {"prompt_tokens": 1e300}, {"prompt_tokens": [1]}, {"completion_tokens": "many"}],
)  # fmt: skip
def test_what_nobody_counts_is_estimated(on, usage):
    def test(made):
        _, client = made.ask(chat(), key=CLEAR)
        only(made).answer(completion("word " * 400, usage))
        assert client.end == "whole"
        assert 400 * 2e-6 < charged(made) < 2000 * 2e-6

    on(test)


def test_an_estimate_is_never_more_than_the_answer_can_cost(on):
    def test(made):
        made.ask(chat(max_tokens=1), key=CLEAR)
        only(made).answer(completion("four words and more"))
        most = bound(made.served[0].model, len(made.served[0].request), 1).most_usd
        assert 0 < charged(made) <= most

    on(test)


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_a_stream_that_states_nothing_is_charged_by_its_events(on, piece):
    def test(made):
        _, client = made.ask(chat(stream=True), key=CLEAR)
        call = only(made)
        call.head(kind=EVENTS)
        sent = b"".join(event("w") for _ in range(200)) + event(reason="stop") + DONE
        for at in range(0, len(sent), piece):
            call.data(sent[at : at + piece])
        call.finish()
        assert client.body == sent
        assert charged(made) == pytest.approx(202 * 2e-6, rel=0.2)

    on(test)


def test_a_stream_longer_than_what_is_kept_is_charged_to_its_end(on):
    def test(made):
        made.ask(chat(stream=True, max_tokens=8000), key=CLEAR)
        call = only(made)
        call.head(kind=EVENTS)
        each = event("w" * 2000)
        for _ in range(4000):
            call.data(each)
        call.data(event(reason="stop") + DONE)
        call.finish()
        assert charged(made) == pytest.approx(4000 * 2e-6, rel=0.05)

    on(test)


def test_a_stream_that_states_its_usage_is_charged_by_that(on):
    def test(made):
        made.ask(chat(stream=True), key=CLEAR)
        call = only(made)
        call.head(kind=EVENTS)
        call.data(event("w") + event(reason="stop", usage=(100, 10)) + DONE)
        call.finish()
        assert charged(made) == pytest.approx(0.00012)

    on(test)


def test_a_cut_answer_costs_what_came_of_it(on):
    def test(made):
        _, client = made.ask(chat(stream=True), key=CLEAR)
        call = only(made)
        call.head(kind=EVENTS)
        for _ in range(100):
            call.data(event("w"))
        call.fail()
        assert client.end == "cut"
        assert not made.served[0].is_whole
        assert charged(made) == pytest.approx(100 * 2e-6, rel=0.2)

    on(test)


def test_who_leaves_before_the_first_byte_pays_for_what_may_have_been_made(on):
    def test(made):
        exchange, _ = made.ask(chat(max_tokens=50), key=CLEAR)
        call = only(made)
        exchange.client_gone()
        assert call.is_cancelled
        assert made.served[0].status == 499
        assert 0 < charged(made) <= bound(made.served[0].model, 100, 50).most_usd

    on(test)


def test_an_answer_that_takes_too_long_is_charged(on):
    def test(made):
        exchange, client = made.ask(chat(), key=CLEAR)
        only(made)
        exchange.expire()
        assert client.status == 504
        assert charged(made) > 0

    on(test)


def test_who_was_asked_besides_and_lost_is_charged_too(on):
    def test(made):
        exchange, client = made.ask(chat(max_tokens=5), key=CLEAR)
        first = only(made)
        exchange._ask_another()
        second = next(call for call in made.calls() if call is not first)
        second.answer(completion(usage=(100, 10)))
        assert first.is_cancelled
        assert client.end == "whole"
        assert charged(made) > 0.00012

    on(test, hedge_after_seconds=100)


def test_nobody_is_asked_besides_where_the_budget_is_for_one(on):
    def test(made):
        asked = chat("dear", max_tokens=5)
        most = bound(made.cm.engine.models["dear"], len(json.dumps(asked)), 5)
        spent = 1.0 - 1.5 * most.most_usd
        made.state.admission.budgets.restore("daily_budget", spent, key="k")
        exchange, _ = made.ask(asked, key=CLEAR)
        exchange._ask_another()
        only(made).answer(completion(usage=(10, 5)))
        committed = made.state.admission.budgets.committed("daily_budget", key="k")
        assert spent < committed <= 1.0

    on(test, hedge_after_seconds=100)


def test_a_dearer_model_that_stands_in_is_charged_by_its_own_price(on):
    def test(made):
        _, client = made.ask(chat(), key=CLEAR)
        only(made).answer(b"{}", status=500)
        (call,) = made.calls("dear")
        call.answer(completion(usage=(100, 10)))
        assert client.header("x-crossmodel-failover") == "cheap"
        assert charged(made) == pytest.approx(100 * 10e-6 + 10 * 50e-6)

    on(test, names=("a",))


def test_a_failure_costs_nothing(on):
    def test(made):
        _, client = made.ask(chat(), key=CLEAR)
        only(made).answer(completion(usage=(5, 5)), status=400)
        assert client.status == 400
        assert charged(made) == 0

    on(test)


def test_counting_tokens_is_free(on):
    def test(made):
        _, client = made.ask(
            chat("claude", max_tokens=5), path=b"/v1/messages/count_tokens", key=CLEAR
        )
        only(made).answer(b'{"input_tokens": 500, "usage": {"input_tokens": 500}}')
        assert client.status == 200
        assert charged(made) == 0

    on(test)


def test_a_price_that_changes_meanwhile_is_not_charged(on):
    """What was set aside was by the price that it had."""

    def test(made):
        made.ask(chat(), key=CLEAR)
        call = only(made)
        change_price(made, "cheap", 1000.0)
        call.answer(completion(usage=(100, 10)))
        assert charged(made) == pytest.approx(0.00012)

    def change_price(made, name, price):
        from crossmodel.gateway.control.ports import ModelChange
        from crossmodel.gateway.operations import LiveOperations

        class Parts:
            cm, state, switchboard = made.cm, made.state, None

        live = LiveOperations(Parts, None, source=None, on_drain=lambda: None)
        live.change_model(name, ModelChange(input_price=price, output_price=price))

    on(test)


counts = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.sampled_from([10**400, -(10**400), 2**63, 2**64, "7", "1e9", "x", True, [], {}]),
)


@settings(max_examples=300)
@given(
    usage=st.one_of(counts, st.dictionaries(
        st.sampled_from(["prompt_tokens", "completion_tokens", "input_tokens", "output_tokens",
                         "prompt_tokens_details", "cache_read_input_tokens"]), counts)),
    model=st.sampled_from(["cheap", "claude"]),
    stream=st.booleans(),
)  # fmt: skip
def test_whatever_is_counted_the_charge_is_a_price(running, usage, model, stream):
    made, run = running

    async def work():
        made.set_up(max_attempts=1)
        _, client = made.ask(chat(model, stream=stream))
        said = json.dumps({"model": "m", "usage": usage, "choices": [{"index": 0, "delta": {}}]})
        call = only(made)
        if stream:
            call.head(kind=EVENTS)
            call.data(b"data: " + said.encode() + b"\n\n")
            if call.is_open:
                call.finish()
        else:
            call.answer(said.encode())
        assert client.end
        assert not made.state.active
        (served,) = made.served
        assert math.isfinite(served.cost_usd)
        assert served.cost_usd >= 0
        assert made.state.recorder.lost == 0

    run(work())


NUMBERS = itertools.count()
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["ask", "hedge", "head", "data", "answer", "fail", "500", "gone", "expire", "end"]
        ),
        st.integers(0, 7),
        st.integers(0, 40),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(steps=STEPS, budget=st.floats(0.0, 0.004))
def test_a_budget_is_never_overspent_whatever_comes_when(running, steps, budget):
    """A provider that keeps to ``max_tokens`` cannot make a key spend more than it may."""
    made, run = running
    key, clear = a_key(f"n{next(NUMBERS)}", daily_budget=budget)

    def committed():
        return made.state.admission.budgets.committed("daily_budget", key=key.name)

    async def work():
        made.set_up(
            keys=[key], hedge_after_seconds=100, min_retries_per_second=1000,
            retry_wait_seconds=0.000_001, circuit_breaker_enabled=False,
        )  # fmt: skip
        exchanges = []
        for what, which, amount in steps:
            if what == "ask":
                model = ("cheap", "dear", "auto")[which % 3]
                body = chat(model, stream=which % 2 == 0, max_tokens=amount + 1)
                exchanges.append(made.ask(body, key=clear)[0])
            elif what in BY_CLIENTS:
                if exchanges:
                    BY_CLIENTS[what](exchanges[which % len(exchanges)], made)
            elif calls := made.calls():
                answer_a_bit(calls[which % len(calls)], what, amount)
            assert committed() <= budget * (1 + 1e-9)
        for exchange in exchanges:
            exchange.client_gone()
        assert not made.state.active
        spent = sum(served.cost_usd for served in made.served)
        assert committed() == pytest.approx(spent, abs=1e-12)
        assert committed() <= budget * (1 + 1e-9)

    run(work())


def hedge(exchange, _made):
    if exchange._attempts and exchange._begun is None:
        exchange._ask_another()


def expire(exchange, made):
    if exchange in made.state.active:
        exchange.expire()


BY_CLIENTS = {"hedge": hedge, "expire": expire, "gone": lambda each, _made: each.client_gone()}


def answer_a_bit(call, what, amount):
    """What a provider does next; it never counts more than it was allowed."""
    asked = json.loads(call.request)
    stream = asked["stream"]
    if what == "fail":
        call.fail()
    elif call.receiver.head is not None:
        if what == "data":
            call.data(event("w") * (amount + 1))
        elif what == "end":
            call.finish()
    elif what == "500":
        call.answer(b"{}", status=500)
    elif what == "head":
        call.head(kind=EVENTS if stream else b"application/json", length=amount * 100)
    elif what == "answer":
        usage = (len(call.request), min(amount, asked["max_tokens"]))
        body = event(reason="stop", usage=usage) + DONE if stream else completion(usage=usage)
        call.answer(body, kind=EVENTS if stream else b"application/json")
