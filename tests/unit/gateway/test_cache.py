"""Answers that are given again: what counts as the same request, and what is kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import a_key, bench, chat, completion, event, settings_in

from crossmodel.domain.models import ModelSpec
from crossmodel.domain.selection import ModelSelection, TaskRequirement
from crossmodel.gateway.cache import OVERHEAD, AnswerCache, CachedAnswer
from crossmodel.gateway.control.ports import ModelChange
from crossmodel.gateway.operations import LiveOperations

EVENTS = b"text/event-stream"
DONE = b"data: [DONE]\n\n"
SURE = {"temperature": 0}
SELECTION = ModelSelection("m", TaskRequirement(["coding"]), 1.0)


def answer(size):
    return CachedAnswer(b"x" * size, b"a/b", False, SELECTION, ModelSpec("m", "p"), "")


class Time:
    now = 100.0

    def __call__(self):
        return self.now


def test_what_was_used_the_longest_ago_makes_room():
    cache = AnswerCache(3 * (OVERHEAD + 10), 60)
    for key in (b"a", b"b", b"c"):
        cache.put(key, answer(10))
    assert cache.get(b"a") is not None
    cache.put(b"d", answer(10))
    assert [cache.get(key) is not None for key in (b"a", b"b", b"c", b"d")] == [
        True, False, True, True,
    ]  # fmt: skip
    cache.put(b"e", answer(10 + OVERHEAD))
    assert len(cache) == 2
    assert cache.get(b"e") is not None


def test_an_answer_grows_old():
    clock = Time()
    cache = AnswerCache(10**6, 60, clock=clock)
    cache.put(b"a", answer(10))
    clock.now += 59
    assert cache.get(b"a") is not None  # which makes it no younger
    clock.now += 2
    assert cache.get(b"a") is None
    assert len(cache) == 0


def test_what_is_larger_than_all_of_it_is_not_kept_and_drives_nothing_out():
    cache = AnswerCache(10_000, 60)
    cache.put(b"a", answer(10))
    cache.put(b"huge", answer(10_000))
    assert cache.get(b"huge") is None
    assert cache.get(b"a") is not None


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("pgt"), st.integers(0, 5), st.integers(0, 9000)), max_size=60
    ),
    most=st.integers(0, 30_000),
)
def test_it_never_holds_more_than_it_may_and_gives_what_was_put(steps, most):
    clock = Time()
    cache = AnswerCache(most, 5.0, clock=clock)
    put = {}
    for what, which, size in steps:
        key = b"%d" % which
        if what == "t":
            clock.now += size / 2000
        elif what == "p":
            put[key] = clock.now, answer(size)
            cache.put(key, put[key][1])
        elif (found := cache.get(key)) is not None:
            at, last = put[key]
            assert found is last or len(last.body) + OVERHEAD > most
            assert clock.now - at <= 5.0 or found is not last
        held = sum(len(kept.body) + OVERHEAD for _, kept in cache._entries.values())
        assert held == cache._bytes <= most
    cache.clear()
    assert (len(cache), cache._bytes) == (0, 0)


# --- what the same request is


KEYS = [a_key("one"), a_key("two"), a_key("other", tenant="other"), a_key("few", models=("cheap",))]
CLEAR = {key.name: clear for key, clear in KEYS}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    gateway = {"insights": False, "learn": False, "cache": {"enabled": True, "megabytes": 1}}
    with bench(settings_in(folder, gateway=gateway)) as (made, run):
        yield made, run


@pytest.fixture
def on(running):
    made, run = running

    def work(test):
        async def inside():
            made.set_up(keys=[key for key, _ in KEYS])
            test(made)

        run(inside())

    return work


def answered(made, body, said="So.", *, key="one", **more):
    """Ask; if a model is asked it says ``said``. Whether it was, and who listened."""
    _, client = made.ask(body, key=CLEAR[key], **more)
    calls = made.calls()
    for call in calls:
        call.answer(completion(said, usage=(100, 10)))
    return bool(calls), client


def test_a_hit_costs_nothing_says_so_and_is_on_record(on):
    def test(made):
        _, first = answered(made, chat(**SURE))
        was_asked, again = answered(made, chat(**SURE))
        assert not was_asked
        assert again.body == first.body
        assert again.header("x-crossmodel-cache") == "hit"
        assert again.header("content-type") == "application/json"
        assert first.header("x-crossmodel-cache") is None
        one, two = made.served
        assert (one.is_cached, two.is_cached) == (False, True)
        assert (one.cost_usd > 0, two.cost_usd) == (True, 0.0)
        assert one.id != two.id == again.header("x-crossmodel-request-id")
        assert (two.status, two.is_whole, two.model, two.served_model) == (
            200, True, one.model, "served",
        )  # fmt: skip
        assert not made.state.active

    on(test)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"key": "two"}),
        ({}, {"headers": [(b"user-agent", b"another"), (b"traceparent", b"00-1-2-03")]}),
        ({"body": {"crossmodel": {"timeout": 5}}}, {"body": {"crossmodel": {"timeout": 6}}}),
        ({"body": {"temperature": 0}}, {"body": {"temperature": 0}}),
    ],
)
def test_the_same_is_answered_by_the_same(on, first, second):
    def test(made):
        for case, expected in ((first, True), (second, False)):
            more = dict(case)
            body = chat(**(SURE | more.pop("body", {})))
            assert answered(made, body, **more)[0] is expected

    on(test)


@pytest.mark.parametrize(
    "more",
    [
        {"key": "other"},
        {"key": "few"},
        {"headers": [(b"x-crossmodel-cache", b"off")]},
        {"headers": [(b"x-crossmodel-insights", b"off")]},
        {"headers": [(b"x-crossmodel-task", b"coding")]},
        {"headers": [(b"x-crossmodel-quality-threshold", b"0.1")]},
        {"headers": [(b"anthropic-beta", b"other-2026-01-01")]},
        {"body": {"crossmodel": {"cache": False}}},
        {"body": {"crossmodel": {"needs": ["tools"]}}},
        {"body": {"crossmodel": {"conversation": "c"}}},
        {"body": {"temperature": 0.0}},
        {"body": {"seed": 1}},
        {"body": {"messages": [{"role": "user", "content": "How? "}]}},
        {"body": {"model": "dear"}},
        {"body": {"model": "auto"}},
        {"body": {"stream": True}},
        {"path": b"/v1/messages", "body": {"max_tokens": 9}},
        {"path": b"/v1/completions"},
    ],
)
def test_what_is_not_the_same_is_asked(on, more):
    def test(made):
        assert answered(made, chat(**SURE))[0]
        case = dict(more)
        body = chat(**(SURE | case.pop("body", {})))
        _, client = made.ask(body, key=CLEAR[case.pop("key", "one")], **case)
        assert len(made.calls()) == 1
        assert client.header("x-crossmodel-cache") is None

    on(test)


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (b"/v1/chat/completions", {}),
        (b"/v1/chat/completions", {"temperature": 0.01}),
        (b"/v1/chat/completions", {"temperature": None}),
        (b"/v1/chat/completions", {"temperature": 0, "n": 2}),
        (b"/v1/responses", {"temperature": 0, "conversation": "c"}),
        (b"/v1/responses", {"temperature": 0, "background": True}),
    ],
)
def test_what_may_be_answered_otherwise_is_asked_each_time(on, path, more):
    def test(made):
        for _ in range(2):
            assert answered(made, chat(**more), path=path)[0]
        assert len(made.state.cache) == 0

    on(test)


def test_embeddings_are_the_same_each_time(on):
    def test(made):
        body = {"model": "cheap", "input": "a"}
        assert answered(made, body, path=b"/v1/embeddings")[0]
        assert not answered(made, body, path=b"/v1/embeddings")[0]

    on(test)


def streamed(made, *pieces, end=None):
    _, client = made.ask(chat(stream=True, **SURE), key=CLEAR["one"])
    calls = made.calls()
    for call in calls:
        call.head(kind=EVENTS)
        for piece in pieces:
            call.data(piece)
        if call.is_open:
            (end or type(call).finish)(call)
    return bool(calls), client


def test_a_whole_stream_is_given_again(on):
    def test(made):
        pieces = [event("a"), event("b"), event(reason="stop"), DONE]
        assert streamed(made, *pieces)[0]
        was_asked, client = streamed(made)
        assert not was_asked
        assert client.body == b"".join(pieces)
        assert client.header("content-type") == "text/event-stream"
        assert made.served[-1].is_stream

    on(test)


@pytest.mark.parametrize(
    "pieces",
    [
        [event("a")],
        [event("a"), b'data: {"error": {"message": "overloaded"}}\n\n', DONE],
        [event("w" * 100_000)] * 50 + [DONE],
    ],
)
def test_streams_that_are_not_whole_good_and_small_are_not_kept(on, pieces):
    def test(made):
        assert streamed(made, *pieces)[0]
        assert len(made.state.cache) == 0

    on(test)


def test_who_leaves_in_the_middle_leaves_nothing(on):
    def test(made):
        exchange, _ = made.ask(chat(stream=True, **SURE), key=CLEAR["one"])
        (call,) = made.calls()
        call.head(kind=EVENTS)
        call.data(event("a"))
        exchange.client_gone()
        assert len(made.state.cache) == 0

    on(test)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, completion()),
        (429, completion()),
        (200, b'{"error": {"message": "overloaded"}}'),
        (200, b"not what it says"),
    ],
)
def test_errors_are_not_kept(on, status, body):
    def test(made):
        made.ask(chat("dear", **SURE), key=CLEAR["one"])
        (call,) = made.calls()
        call.answer(body, status=status)
        assert len(made.state.cache) == 0

    on(test)


def test_a_huge_answer_is_passed_on_and_not_kept(on):
    def test(made):
        answered(made, chat(**SURE), "small")
        before = len(made.state.cache)
        said = json.dumps({"model": "m", "choices": [], "x": "y" * 3_000_000}).encode()
        _, client = made.ask(chat("dear", **SURE), key=CLEAR["one"])
        (call,) = made.calls()
        call.head(length=len(said))
        for at in range(0, len(said), 100_000):
            call.data(said[at : at + 100_000])
        call.finish()
        assert client.body == said
        assert len(made.state.cache) == before

    on(test)


@pytest.mark.parametrize(
    "change", [ModelChange(is_enabled=False), ModelChange(quality=0.1), ModelChange(input_price=9)]
)
def test_what_a_model_said_before_it_changed_is_not_said_again(on, change):
    def test(made):
        answered(made, chat(**SURE))
        live = LiveOperations(made.opened, None, source=None, on_drain=lambda: None)
        live.change_model("cheap", change)
        was_asked, client = answered(made, chat(**SURE))
        assert was_asked is (change.is_enabled is None)
        assert client.header("x-crossmodel-cache") is None
        live.change_model("cheap", ModelChange(is_enabled=True, quality=0.4, input_price=1.0))

    on(test)


def test_a_key_that_may_ask_no_more_gets_nothing_from_the_cache_either(on):
    def test(made):
        slow, clear = a_key("slow", requests_per_minute=1, burst=1)
        made.state.keyring.replace_all([slow])
        assert made.ask(chat(**SURE), key=clear)[1].status == 0
        made.calls()[0].answer(completion())
        assert made.ask(chat(**SURE), key=clear)[1].status == 429
        assert made.ask(chat(**SURE), key=b"nobody")[1].status == 401

    on(test)
