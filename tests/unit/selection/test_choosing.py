"""What stands around the choice: cache, learning from outcomes, conversations, exploration."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.config import ConversationConfig, ExplorationConfig, ModelSelectorConfig
from crossmodel.domain.models import ModelCapability, ModelCapabilityProfile, ModelSpec
from crossmodel.domain.selection import Outcome, RequestContext, TaskRequirement
from crossmodel.selection import ModelSelector
from crossmodel.selection.cache import MOST_KEPT, SelectionCache
from crossmodel.selection.conversation import ConversationMemory, routing_text
from crossmodel.selection.exploration import Explorer

CODING = TaskRequirement([ModelCapability.CODING])
MATH = TaskRequirement([ModelCapability.MATH])


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def profile(model_id, quality=0.5, **changes):
    scores = dict.fromkeys((ModelCapability.CODING, ModelCapability.MATH), 0.5)
    fields = {"cost_per_token": 1e-5, "latency_ms": 100.0, "quality_score": quality}
    return ModelCapabilityProfile(model_id, scores, **(fields | changes))


def selector(*profiles, **config):
    made = ModelSelector(ModelSelectorConfig(**config))
    for each in profiles:
        made.register_model(each)
    return made


# --- the cache -----------------------------------------------------------------------------------


def test_within_its_time_an_equal_requirement_gets_the_same_selection():
    made = selector(profile("a"), cache_ttl_seconds=60)
    first = made.select_optimal_model(CODING)
    assert made.select_optimal_model(TaskRequirement(["Coding"])) is first
    assert len(made.selection_history) == 1
    assert selector(profile("a")).select_optimal_model(CODING) is not first


@pytest.mark.parametrize(
    "other",
    [
        TaskRequirement(["coding"], latency_constraint=500),
        TaskRequirement(["coding"], cost_constraint=0.001),
        TaskRequirement(["coding"], complexity=0.501),
        TaskRequirement(["coding"], quality_threshold=0.001),
        TaskRequirement(["coding", "math"]),
    ],
)
def test_every_field_that_changes_the_result_is_in_the_key(other):
    made = selector(profile("a"), cache_ttl_seconds=60)
    assert made.select_optimal_model(other) is not made.select_optimal_model(CODING)


def test_weights_and_contexts_are_in_the_key():
    made = selector(profile("a"), cache_ttl_seconds=60)
    first = made.select_optimal_model(CODING)
    assert made.select_optimal_model(CODING, RequestContext(input_tokens=5)) is not first
    made.config.weights.cost_weight = 0.9
    assert made.select_optimal_model(CODING) is not first


def test_the_cache_forgets_in_time_and_is_bounded():
    clock = Clock()
    cache = SelectionCache(10, clock=clock)
    chosen = selector(profile("a")).select_optimal_model(CODING)
    cache.put("k", chosen)
    clock.now = 9.9
    assert cache.get("k") is chosen
    clock.now = 10.0
    assert cache.get("k") is None
    for number in range(MOST_KEPT + 10):
        cache.put(number, chosen)
    assert len(cache) == MOST_KEPT
    assert cache.get(0) is None
    assert cache.get(MOST_KEPT + 9) is chosen


# --- learning from outcomes ----------------------------------------------------------------------


def answered(made, name, score, request):
    chosen = made.select_optimal_model(CODING)
    made.expect_feedback(request, chosen)
    made.record_outcome(Outcome(request, name, success=True, score=score, source="feedback"))


def test_scores_move_towards_what_was_observed_and_only_those_that_were_required():
    made = selector(profile("a"), learning_prior=10)
    for number in range(10):
        answered(made, "a", 1.0, f"r{number}")
    learned = made.model_profiles["a"]
    assert learned.quality_score == pytest.approx(0.75)  # (10 × 0.5 + 10 × 1) / 20
    assert learned.capabilities == {"coding": pytest.approx(0.75), "math": 0.5}


def test_bad_answers_make_the_selector_change_its_mind():
    made = selector(profile("a", 0.6), profile("b", 0.55), learning_prior=10)
    assert made.select_optimal_model(CODING).model_id == "a"
    for number in range(5):
        answered(made, "a", 0.0, f"r{number}")
    assert made.select_optimal_model(CODING).model_id == "b"


@given(
    st.lists(st.floats(0, 1), max_size=8).flatmap(
        lambda s: st.tuples(st.just(s), st.permutations(s))
    )
)
def test_the_order_of_outcomes_makes_no_difference(orders):
    ends = []
    for scores in orders:
        made = selector(profile("a"))
        for number, score in enumerate(scores):
            answered(made, "a", score, f"r{number}")
        ends.append(made.model_profiles["a"].quality_score)
    assert ends[0] == pytest.approx(ends[1])
    assert 0 <= ends[0] <= 1


def test_what_somebody_sets_counts_as_registered():
    made = selector(profile("a"), learning_prior=10)
    answered(made, "a", 1.0, "r1")
    made.update_model_capabilities("a", {"coding": 0.2})
    made.model_profiles["a"].quality_score = 0.3
    answered(made, "a", 1.0, "r2")
    assert made.model_profiles["a"].capabilities["coding"] == pytest.approx((2 + 1) / 11)
    assert made.model_profiles["a"].quality_score == pytest.approx((3 + 1) / 11)


def test_without_learning_nothing_moves():
    made = selector(profile("a"), learning_prior=float("inf"))
    answered(made, "a", 1.0, "r")
    assert made.model_profiles["a"].quality_score == 0.5


def test_a_model_put_into_the_registry_by_hand_is_selected_and_learns():
    made = selector()
    made.model_profiles["a"] = profile("a")
    answered(made, "a", 1.0, "r")
    assert made.model_profiles["a"].quality_score > 0.5
    assert made.get_model_performance("a").total_selections == 1


def test_expected_feedback_is_bounded():
    made = selector(profile("a"))
    chosen = made.select_optimal_model(CODING)
    for number in range(10_100):
        made.expect_feedback(f"r{number}", chosen)
    assert len(made._expected) == 10_000
    assert "r0" not in made._expected


# --- conversations -------------------------------------------------------------------------------


def test_short_follow_ups_are_read_with_what_came_before():
    long = "Write a parser for arithmetic expressions with variables, and explain its grammar."
    assert routing_text([long, "commit it"]) == f"{long} commit it"
    assert routing_text(["hello", long * 2]) == long * 2
    assert routing_text([]) == ""
    assert routing_text(["a" * 500, "b" * 500, "ok"]) == "b" * 500 + " ok"


def conversation(made, clock, quality_of_b, *, task=CODING, **context):
    made.model_profiles["b"].quality_score = quality_of_b
    chosen = made.select_optimal_model(task, RequestContext(conversation_id="c", **context))
    return chosen.model_id, chosen.explain().reason


@pytest.fixture
def talking():
    made = selector(
        profile("a", 0.6),
        profile("b", 0.1),
        conversation=ConversationConfig(margin=0.05, idle_seconds=300),
    )
    clock = Clock()
    made.conversations = ConversationMemory(made.config.conversation, clock=clock)
    assert conversation(made, clock, 0.1) == ("a", None)
    return made, clock


def test_a_conversation_stays_for_a_small_gain_and_leaves_for_a_large_one(talking):
    made, clock = talking
    model, reason = conversation(made, clock, 0.7)  # 0.3 × 0.1 = 0.03 more
    assert model == "a"
    assert "leaving gains 0.030, not more than 0.05" in reason
    assert made.select_optimal_model(CODING).model_id == "b"  # outside of the conversation
    assert conversation(made, clock, 0.9) == ("b", None)
    assert conversation(made, clock, 0.5)[0] == "b"  # and it stays there


def test_a_tool_loop_locks_whatever_is_gained(talking):
    made, clock = talking
    model, reason = conversation(made, clock, 1.0, in_tool_loop=True)
    assert (model, reason) == ("a", "locked: the model waits for the result of its tool")
    clock.now = 10_000.0
    assert conversation(made, clock, 1.0, in_tool_loop=True)[0] == "a"


def test_a_pause_or_another_task_frees_it(talking):
    made, clock = talking
    clock.now = 300.1
    assert conversation(made, clock, 0.7) == ("b", None)
    assert conversation(made, clock, 0.5, task=MATH) == ("a", None)


def test_a_model_that_can_no_longer_be_chosen_is_left(talking):
    made, clock = talking
    made.model_profiles["a"].availability = 0.0
    assert conversation(made, clock, 0.1, in_tool_loop=True) == ("b", None)
    del made.model_profiles["a"]
    assert conversation(made, clock, 0.1) == ("b", None)


def test_conversations_are_bounded():
    memory = ConversationMemory(ConversationConfig(max_conversations=2))
    for name in "abc":
        memory.remember(name, "m", ())
    assert len(memory) == 2
    none = ConversationMemory(ConversationConfig(max_conversations=0))
    none.remember("a", "m", ())
    assert len(none) == 0


# --- exploration ---------------------------------------------------------------------------------


@given(
    st.integers(1, 6).flatmap(
        lambda n: st.tuples(*[st.lists(st.floats(0, 1), min_size=n, max_size=n)] * 3)
    ),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 2**32),
)
def test_exploring_never_costs_more_than_its_share(figures, rate, share, seed):
    worth, uncertainty, cost = map(np.array, figures)
    explorer = Explorer(ExplorationConfig(rate=rate, most_cost_share=share), seed=seed)
    for _ in range(20):
        draw = explorer.draw(worth, uncertainty, cost)
        assert 0 < draw.propensity <= 1
        assert draw.explored == (draw.position != worth.argmax())
        assert explorer.extra_usd <= share * explorer.expected_usd + 1e-9


def test_propensities_are_how_often_each_is_drawn():
    worth, uncertainty, cost = np.array([0.5, 0.5, 0.3]), np.full(3, 0.2), np.ones(3)
    explorer = Explorer(ExplorationConfig(rate=1.0, most_cost_share=1.0), seed=1)
    draws = [explorer.draw(worth, uncertainty, cost) for _ in range(4000)]
    for position in range(3):
        of = [draw for draw in draws if draw.position == position]
        # inverse propensity: each position's weights sum to the number of draws
        assert sum(1 / draw.propensity for draw in of) == pytest.approx(4000, rel=0.15)


def test_what_is_certain_or_unaffordable_is_never_drawn():
    explorer = Explorer(ExplorationConfig(rate=1.0, most_cost_share=0.0), seed=0)
    dear = [
        explorer.draw(np.array([0.5, 0.4]), np.ones(2), np.array([1.0, 2.0])) for _ in range(50)
    ]
    assert {draw.position for draw in dear} == {0}
    explorer = Explorer(ExplorationConfig(rate=1.0, most_cost_share=1.0), seed=0)
    sure = [explorer.draw(np.array([0.5, 0.4]), np.zeros(2), np.ones(2)) for _ in range(50)]
    assert {(draw.position, draw.propensity) for draw in sure} == {(0, 1.0)}


def test_selections_that_explore_say_so_with_their_propensity():
    made = selector(
        profile("a", 0.52),
        profile("b", 0.5),
        strategy="learned",
        exploration=ExplorationConfig(rate=1.0, most_cost_share=1.0),
    )
    chosen = [made.select_optimal_model(CODING) for _ in range(100)]
    explored = [each for each in chosen if each.selection_metadata["explored"]]
    assert 0 < len(explored) < 100
    assert explored[0].explain().reason == "drawn to learn more of it"
    assert all(0 < each.selection_metadata["propensity"] <= 1 for each in chosen)


def test_a_conversation_that_stays_does_not_explore():
    made = selector(
        profile("a", 0.52),
        profile("b", 0.5),
        strategy="learned",
        exploration=ExplorationConfig(rate=1.0, most_cost_share=1.0),
    )
    context = RequestContext(conversation_id="c")
    first, *later = [made.select_optimal_model(CODING, context) for _ in range(50)]
    assert 0 < first.selection_metadata["propensity"] < 1
    assert {each.model_id for each in later} == {first.model_id}
    assert not any("propensity" in each.selection_metadata for each in later)


# --- rows of the model table ---------------------------------------------------------------------


def test_a_row_says_what_its_model_can_do_and_names_its_prices():
    spec = ModelSpec("m", "p", modalities=("image",), tools=False, input_price=1.0)
    assert spec.profile().features == {"vision", "json_schema", "streaming"}
    assert spec.profile().context_window == 8192
    versions = {
        ModelSpec("m", "p", input_price=i, output_price=o).price_version
        for i, o in itertools.product((0.1, 0.2), repeat=2)
    }
    assert len(versions) == 4
