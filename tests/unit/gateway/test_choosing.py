"""Which model answers: a real selector over configured models, no sockets."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import Listener, a_key, bench, chat, completion, settings_in

from crossmodel.errors import InvalidInputError, ModelNotFoundError, NoAvailableModelsError
from crossmodel.gateway.control.ports import ModelChange
from crossmodel.gateway.headers import RequestHead
from crossmodel.gateway.operations import LiveOperations
from crossmodel.gateway.peek import peek
from crossmodel.gateway.routes import CHAT, COUNT_TOKENS, EMBEDDINGS, MESSAGES, RESPONSES
from crossmodel.gateway.targets import serving
from crossmodel.gateway.wishes import NONE, wishes_of

MODELS = [
    {"id": "small", "provider": "p", "quality": 0.3, "input_price": 0.1, "output_price": 0.1,
     "context_window": 1000, "tools": False},
    {"id": "middle", "provider": "p", "quality": 0.6, "input_price": 1, "output_price": 1,
     "context_window": 10_000, "fallbacks": ["claude", "odd", "small"]},
    {"id": "best", "provider": "p", "quality": 0.9, "input_price": 10, "output_price": 10,
     "context_window": 100_000, "modalities": ["text", "image"]},
    {"id": "claude", "provider": "c", "quality": 0.7, "input_price": 5, "output_price": 5,
     "context_window": 10_000},
    {"id": "odd", "provider": "f", "quality": 0.2, "input_price": 2, "output_price": 2,
     "context_window": 10_000},
]  # fmt: skip
PROVIDERS = [
    {"id": "p", "kind": "openai", "base_url": "http://127.0.0.1:1/v1"},
    {"id": "c", "kind": "anthropic", "base_url": "http://127.0.0.1:2"},
    {"id": "f", "kind": "fake"},
]


@pytest.fixture
def running(tmp_path):
    """A bench, and what changes it while it runs."""
    given = settings_in(tmp_path, models=MODELS, providers=PROVIDERS)
    with bench(given) as (made, run):
        made.live = LiveOperations(made.opened, None, source=None, on_drain=lambda: None)
        made.run = run
        yield made


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """A bench that nobody changes."""
    given = settings_in(tmp_path_factory.mktemp("steady"), models=MODELS, providers=PROVIDERS)
    with bench(given) as (made, _):
        yield made


def choose(made, model="auto", *, route=CHAT, allowed=None, ours=None, **more):
    body = {"model": model, "messages": [{"role": "user", "content": "How?"}], **more}
    return made.state.chooser.choose(
        route,
        peek(json.dumps(body).encode(), route.limits),
        NONE if ours is None else wishes_of(ours, []),
        tenant="t",
        allowed=None if allowed is None else frozenset(allowed),
    )


def name(choice):
    return choice.selection.model_id


@pytest.mark.parametrize(
    ("asked", "chosen"), [("auto:cheap", "small"), ("auto:best", "best"), ("middle", "middle")]
)
def test_what_is_asked_for_is_chosen(steady, asked, chosen):
    choice = choose(steady, asked)
    assert name(choice) == chosen
    assert choice.targets[0].model.id == chosen
    assert choice.is_selected is asked.startswith("auto")


def test_auto_chooses_the_best_by_score_and_has_others_ready(steady):
    choice = choose(steady)
    assert name(choice) in {model["id"] for model in MODELS}
    assert [target.model.id for target in choice.targets] == [
        name(choice), *choice.selection.alternative_models[:2],
    ]  # fmt: skip
    assert choice.reason.startswith(b"auto; algorithm=weighted_scoring; score=0.")


@pytest.mark.parametrize("asked", ["auto:", "auto:dear", "auto:CHEAP", "auto:\n"])
def test_other_ways_to_choose_are_not_known(steady, asked):
    with pytest.raises(InvalidInputError, match="auto:cheap"):
        choose(steady, asked)


@pytest.mark.parametrize("asked", ["", "Auto", "midle", "best ", "ü" * 10_000, "\0"])
def test_who_is_not_there_is_not_found(steady, asked):
    with pytest.raises(ModelNotFoundError, match="known: best, claude") as caught:
        choose(steady, asked)
    assert len(str(caught.value)) < 400


def test_a_key_gets_only_its_models(steady):
    allowed = {"middle", "small", "gone"}
    assert name(choose(steady, "auto:best", allowed=allowed)) == "middle"
    choice = choose(steady, "middle", allowed=allowed)
    assert [target.model.id for target in choice.targets] == ["middle", "small"]
    with pytest.raises(ModelNotFoundError) as caught:
        choose(steady, "best", allowed=allowed)
    assert str(caught.value) == "model not found: 'best' (known: middle, small)"


@pytest.mark.parametrize(
    ("route", "model", "more"),
    [
        (CHAT, "best", {}),
        (CHAT, "nobody", {}),
        (CHAT, "auto", {"ours": {"quality_threshold": 0.99}}),
        (CHAT, "auto", {"ours": {"quality_threshold": 0.65}}),
        (CHAT, "auto", {"ours": {"needs": "vision"}}),
        (CHAT, "auto", {"max_tokens": 10**9}),
        (RESPONSES, "auto", {"allowed": {"claude"}}),
    ],
)
def test_errors_tell_of_no_model_that_the_key_may_not_use(steady, route, model, more):
    given = {"allowed": {"small", "middle"}} | more
    hidden = {each["id"] for each in MODELS} - given["allowed"] - {model}
    with pytest.raises((ModelNotFoundError, NoAvailableModelsError)) as caught:
        choose(steady, model, route=route, **given)
    assert not [each for each in hidden if each in str(caught.value)]


def test_a_model_that_a_key_may_not_use_is_not_told_of_on_the_list_either(running):
    key, clear = a_key("k", models=("small",))
    running.state.keyring.replace_all([key])
    client = Listener()
    head = RequestHead(b"GET", b"/v1/models/best", b"", [(b"x-api-key", clear)])
    running.core.begin(head, client)
    assert client.status == 404
    for hidden in ("claude", "middle", "odd"):
        assert hidden.encode() not in client.body


@pytest.mark.parametrize(
    ("more", "chosen"),
    [
        ({}, "small"),
        ({"tools": [{"type": "function"}]}, "middle"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "best"),
        ({"max_tokens": 5000}, "middle"),
        ({"max_tokens": 50_000}, "best"),
        ({"messages": [{"role": "user", "content": "x" * 6000}]}, "middle"),
        ({"ours": {"needs": "tools"}}, "middle"),
        ({"ours": {"quality_threshold": 0.8}}, "best"),
    ],
)
def test_the_cheapest_that_can_is_chosen(steady, more, chosen):
    for _ in range(2):  # remembered or not
        assert name(choose(steady, "auto:cheap", **more)) == chosen


@given(sizes=st.lists(st.integers(0, 120_000), min_size=1, max_size=8))
def test_what_is_remembered_fits_every_size(steady, sizes):
    windows = {model["id"]: model["context_window"] for model in MODELS}
    for size in sizes:
        try:
            chosen = name(choose(steady, "auto:cheap", max_tokens=size + 1))
        except NoAvailableModelsError:
            assert size + 20 > 99_000
        else:
            assert windows[chosen] >= size + 1


def test_paths_are_for_those_who_can_answer_on_them(steady):
    everyone = set(steady.state.targets)
    assert serving(steady.state.targets.values(), CHAT) == everyone
    assert serving(steady.state.targets.values(), MESSAGES) == everyone
    for route in (RESPONSES, EMBEDDINGS):
        for asked in ("auto", "auto:cheap", "auto:best"):
            assert name(choose(steady, asked, route=route)) in {"small", "middle", "best"}
        for model in ("claude", "odd"):
            with pytest.raises(InvalidInputError, match="cannot be asked"):
                choose(steady, model, route=route)
    choice = choose(steady, "middle", route=RESPONSES)
    assert [target.model.id for target in choice.targets] == ["middle", "small"]
    with pytest.raises(InvalidInputError):
        choose(steady, "odd", route=COUNT_TOKENS)


def test_who_stands_in_is_in_the_configured_order(steady):
    ids = [target.model.id for target in choose(steady, "middle").targets]
    assert ids == ["middle", "claude", "odd", "small"]


def test_the_same_request_shares_a_choice_and_counts_each(steady):
    first = choose(steady)
    before = len(steady.cm.engine.selector.selection_history)
    assert choose(steady) is first
    assert len(steady.cm.engine.selector.selection_history) == before + 1
    assert choose(steady, stream=True) is not first
    assert choose(steady, ours={"insights": False}) is not first


# --- what changes while it runs


def test_a_changed_price_counts_for_the_next_request(running):
    assert name(choose(running, "auto:cheap")) == "small"
    running.live.change_model("small", ModelChange(input_price=500.0, output_price=500.0))
    choice = choose(running, "auto:cheap")
    assert name(choice) == "middle"
    running.live.change_model("middle", ModelChange(quality=1.0))
    choice = choose(running, "auto:best")
    assert name(choice) == "middle"
    assert choice.models[0].quality == 1.0


def test_a_profile_that_is_changed_in_place_counts_for_the_next_request(running):
    assert name(choose(running, "auto:best")) == "best"
    profile = running.cm.engine.selector.model_profiles["best"]
    profile.quality_score = 0.0
    profile.capabilities = dict.fromkeys(profile.capabilities, 0.0)
    assert name(choose(running, "auto:best")) == "claude"
    del running.cm.engine.selector.model_profiles["claude"]
    assert name(choose(running, "auto:best")) == "middle"


def test_a_model_that_is_switched_off_is_asked_by_nobody(running):
    assert name(choose(running, "auto:best")) == "best"
    assert name(choose(running, "best")) == "best"
    running.live.change_model("best", ModelChange(is_enabled=False))
    assert name(choose(running, "auto:best")) == "claude"
    with pytest.raises(InvalidInputError):
        choose(running, "best")
    running.live.change_model("claude", ModelChange(is_enabled=False))
    assert [target.model.id for target in choose(running, "middle").targets] == [
        "middle", "odd", "small",
    ]  # fmt: skip
    running.live.change_model("best", ModelChange(is_enabled=True))
    assert name(choose(running, "auto:best")) == "best"


def test_a_changed_configuration_counts_once_it_is_looked_at(running):
    selector = running.cm.engine.selector
    weights = selector.config.weights
    before = choose(running)
    selector.config.weights = replace(weights, cost_weight=1.0, quality_weight=0.0,
                                      capability_weight=0.0, latency_weight=0.0)  # fmt: skip
    running.state.chooser.look()
    after = choose(running)
    assert after is not before
    assert name(after) == "small"


def test_all_models_switched_off_is_an_error_that_says_so(running):
    for model in MODELS:
        running.live.change_model(model["id"], ModelChange(is_enabled=False))
    with pytest.raises(NoAvailableModelsError):
        choose(running)


def test_the_choice_is_told_in_headers(running):
    async def work():
        running.set_up()
        _, client = running.ask(chat("auto:best"))
        running.calls("best")[0].answer(completion(usage=(5, 5)))
        assert client.header("x-crossmodel-model") == "best"
        assert client.header("x-crossmodel-selection").startswith("auto:best; algorithm=best")
        assert client.header("x-crossmodel-price").startswith("input=10; output=10")

    running.run(work())
