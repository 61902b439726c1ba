"""Profiles as arrays: equal to the formula one by one, and never out of date."""

import copy
import math
import pickle
import random
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.config import ModelSelectorConfig, SelectionWeights
from crossmodel.domain.models import Feature, ModelCapability, ModelCapabilityProfile
from crossmodel.domain.selection import RequestContext, TaskRequirement
from crossmodel.errors import InvalidInputError, ModelRegistrationError, NoAvailableModelsError
from crossmodel.selection import ModelSelector, filters

UNIT = st.floats(0, 1, allow_nan=False)
SCORES = st.dictionaries(st.sampled_from(ModelCapability), UNIT, min_size=1)
PROFILES = st.lists(
    st.builds(
        ModelCapabilityProfile,
        model_id=st.text(min_size=1, max_size=8).filter(str.strip),
        capabilities=SCORES,
        cost_per_token=UNIT,
        latency_ms=st.floats(0, 1e6),
        quality_score=UNIT,
        availability=UNIT,
        context_window=st.none() | st.integers(1, 10_000),
        features=st.frozensets(st.sampled_from(Feature)),
    ),
    max_size=12,
    unique_by=lambda profile: profile.model_id,
)
LIMIT = st.just(math.inf) | st.floats(1e-9, 1e6)
REQUIREMENTS = st.builds(
    TaskRequirement,
    required_capabilities=st.lists(st.sampled_from(ModelCapability), min_size=1, max_size=3),
    complexity=UNIT,
    quality_threshold=UNIT,
    cost_constraint=LIMIT,
    latency_constraint=LIMIT,
)
CONTEXTS = st.builds(
    RequestContext,
    input_tokens=st.integers(0, 12_000),
    features=st.frozensets(st.sampled_from(Feature), max_size=1),
)
WEIGHTS = st.builds(SelectionWeights, *[st.floats(0, 2) for _ in range(5)])


def one_by_one(profile, requirement, weights):
    """The reference's formula for one model, in its own order of additions."""
    wanted = requirement.required_capabilities
    score = 0.0
    for name in wanted:
        score += profile.capabilities[name]
    return (
        weights.capability_weight * (score / len(wanted))
        + weights.quality_weight * profile.quality_score
        + weights.cost_weight * max(0.0, 1.0 - profile.cost_per_token / requirement.cost_constraint)
        + weights.latency_weight
        * max(0.0, 1.0 - profile.latency_ms / requirement.latency_constraint)
        + weights.complexity_weight * (1.0 - abs(profile.quality_score - requirement.complexity))
    )


@given(PROFILES, REQUIREMENTS, CONTEXTS, WEIGHTS, st.frozensets(st.integers(0, 12)))
def test_arrays_choose_what_the_formula_chooses_one_by_one(profiles, task, context, weights, some):
    allowed = {each.model_id for position, each in enumerate(profiles) if position in some}
    context = replace(context, allowed=frozenset(allowed) or None)
    selector = ModelSelector(ModelSelectorConfig(weights=weights, max_alternatives=20))
    for profile in profiles:
        selector.register_model(profile)
    admitted = [
        profile
        for profile in profiles
        if not filters.obstacles(profile, task, context, minimum_availability=0.8, thresholds={})
    ]
    order = sorted(
        admitted,
        key=lambda p: (-one_by_one(p, task, weights), p.cost_per_token, p.latency_ms, p.model_id),
    )
    if not order:
        with pytest.raises(NoAvailableModelsError) as caught:
            selector.select_optimal_model(task, context)
        assert set(caught.value.reasons) == {profile.model_id for profile in profiles}
        return
    chosen = selector.select_optimal_model(task, context)
    assert [chosen.model_id, *chosen.alternative_models] == [p.model_id for p in order]
    assert chosen.suitability_score == one_by_one(order[0], task, weights)
    explained = chosen.explain()
    assert list(explained.scores) == [p.model_id for p in order]
    assert {*explained.scores, *explained.rejected} == {p.model_id for p in profiles}
    assert (explained.relaxation is None) == (not explained.rejected)


def profile(model_id, **changes):
    fields = {"quality_score": 0.5, "latency_ms": 100.0, "cost_per_token": 1e-5}
    return ModelCapabilityProfile(model_id, {ModelCapability.CODING: 0.5}, **(fields | changes))


CODING = TaskRequirement([ModelCapability.CODING])


def change_field(selector):
    selector.model_profiles["b"].quality_score = 0.9


def change_score(selector):
    selector.model_profiles["b"].capabilities[ModelCapability.CODING] = 1.0


def update_scores(selector):
    selector.update_model_capabilities("b", {"coding": 1.0})


def replace_model(selector):
    selector.register_model(profile("b", quality_score=0.9))


def drop_model(selector):
    del selector.model_profiles["a"]


def assign_model(selector):
    selector.model_profiles["b"] = profile("b", quality_score=0.9)


def retire(selector):
    selector.model_profiles["a"].availability = 0.1


@pytest.mark.parametrize("ttl", [0.0, 3600.0])
@pytest.mark.parametrize(
    "change",
    [
        change_field, change_score, update_scores, replace_model, drop_model, assign_model, retire,
    ],
)  # fmt: skip
def test_a_changed_profile_can_never_serve_a_stale_choice(change, ttl):
    selector = ModelSelector(ModelSelectorConfig(cache_ttl_seconds=ttl))
    selector.register_model(profile("a"))
    selector.register_model(profile("b"))
    assert selector.select_optimal_model(CODING).model_id == "a"
    change(selector)
    assert selector.select_optimal_model(CODING).model_id == "b"


def test_an_explanation_speaks_of_the_profiles_as_they_were():
    selector = ModelSelector()
    selector.register_model(profile("a"))
    chosen = selector.select_optimal_model(CODING)
    selector.model_profiles["a"].quality_score = 0.1
    assert chosen.explain().scores["a"].quality == 0.5


def test_a_profile_that_was_changed_into_nonsense_is_named():
    selector = ModelSelector()
    selector.register_model(profile("a"))
    selector.model_profiles["a"].quality_score = math.nan
    with pytest.raises(ModelRegistrationError, match=r"'a'.*quality_score is NaN"):
        selector.select_optimal_model(CODING)
    assert selector.selection_history == []


def test_copies_of_a_registered_profile_are_free():
    selector = ModelSelector()
    kept = profile("a", features=frozenset({"tools"}))
    selector.register_model(kept)
    for copied in (copy.copy(kept), copy.deepcopy(kept), pickle.loads(pickle.dumps(kept))):
        assert copied == kept
        copied.quality_score = 0.0
        copied.capabilities["coding"] = 0.0
    assert selector.select_optimal_model(CODING).explain().scores["a"].quality == 0.5


@pytest.mark.parametrize("feature", Feature)
def test_features_are_hard_filters(feature):
    selector = ModelSelector()
    selector.register_model(profile("plain", features=frozenset(), quality_score=1.0))
    selector.register_model(profile("able"))
    context = RequestContext(features=[feature])
    chosen = selector.select_optimal_model(CODING, context)
    assert chosen.model_id == "able"
    assert chosen.explain().rejected == {"plain": f"cannot do {feature}"}


def test_only_models_that_may_be_chosen_are():
    selector = ModelSelector(ModelSelectorConfig(cache_ttl_seconds=60.0))
    for number, model_id in enumerate("abc"):
        selector.register_model(profile(model_id, quality_score=0.9 - number / 10))
    for models, chosen in ((None, "a"), ({"b", "c"}, "b"), ({"c", "gone"}, "c"), (None, "a")):
        context = RequestContext(allowed=models and frozenset(models))
        assert selector.select_optimal_model(CODING, context).model_id == chosen
    explained = selector.select_optimal_model(
        CODING, RequestContext(allowed=frozenset("b"))
    ).explain()
    assert explained.rejected == dict.fromkeys("ac", "is not among the models that may be chosen")
    with pytest.raises(NoAvailableModelsError, match=r"allow a \(admits a\)"):
        selector.select_optimal_model(CODING, RequestContext(allowed=frozenset({"gone"})))


def test_a_conversation_leaves_a_model_that_may_not_be_chosen_any_more():
    selector = ModelSelector()
    selector.register_model(profile("a", quality_score=0.9))
    selector.register_model(profile("b"))
    for model in "ab":
        context = RequestContext(conversation_id="c", allowed=frozenset(model), in_tool_loop=True)
        assert selector.select_optimal_model(CODING, context).model_id == model


def test_a_prompt_must_fit_the_context_window():
    selector = ModelSelector()
    selector.register_model(profile("short", context_window=1000))
    with pytest.raises(NoAvailableModelsError) as caught:
        selector.select_optimal_model(CODING, RequestContext(input_tokens=900, output_tokens=200))
    assert caught.value.reasons == {
        "short": "context_window 1000 is below the 1100 tokens of this request"
    }
    assert caught.value.relaxation == "tokens 1100 → 1000 (admits short)"
    assert selector.select_optimal_model(CODING, RequestContext(input_tokens=1000))


@pytest.mark.parametrize(
    "fields",
    [
        {"input_tokens": -1},
        {"output_tokens": math.inf},
        {"features": ["flying"]},
        {"prompt": None},
        {"allowed": "a"},
    ],
)
def test_a_context_out_of_range_is_refused(fields):
    with pytest.raises(InvalidInputError):
        RequestContext(**fields)


def test_a_hundred_thousand_models():
    rng = random.Random(0)
    selector = ModelSelector(ModelSelectorConfig(max_alternatives=5))
    for number in range(100_000):
        selector.register_model(
            profile(f"m{number}", quality_score=rng.random(), latency_ms=rng.random() * 1e4)
        )
    task = TaskRequirement(["coding"], latency_constraint=9e3)
    chosen = selector.select_optimal_model(task)
    scores = {
        p.model_id: one_by_one(p, task, selector.config.weights)
        for p in selector.model_profiles.values()
        if p.latency_ms <= 9e3
    }
    best = sorted(scores, key=lambda m: -scores[m])[:6]
    assert [chosen.model_id, *chosen.alternative_models] == best
    with pytest.raises(NoAvailableModelsError) as caught:
        selector.select_optimal_model(TaskRequirement(["math"]))
    assert len(caught.value.reasons) == 100_000
    assert len(str(caught.value)) < 2_000


def test_choices_while_profiles_change_are_always_of_one_state():
    """Qualities of both models are swapped again and again: the better one is 0.9 or nobody is."""
    selector = ModelSelector()
    for name in ("a", "b"):
        selector.register_model(profile(name))
    stop = threading.Event()
    errors = []

    def read():
        while not stop.is_set():
            explained = selector.select_optimal_model(CODING).explain()
            totals = [terms.total for terms in explained.scores.values()]
            if totals[0] != max(totals) or len(totals) != 2 or np.isnan(totals).any():
                errors.append(totals)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for turn in range(300):
        better, worse = ("a", "b") if turn % 2 else ("b", "a")
        selector.model_profiles[better].quality_score = 0.9
        selector.model_profiles[worse].quality_score = 0.1
        assert selector.select_optimal_model(CODING).model_id == better
    stop.set()
    for reader in readers:
        reader.join()
    assert errors == []
