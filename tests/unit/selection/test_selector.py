"""Selection as the reference defines it, and what design.md adds to it."""

import math

import pytest

from crossmodel.domain.config import CostOptimizationConfig, ModelSelectorConfig, SelectionWeights
from crossmodel.domain.models import ModelCapability, ModelCapabilityProfile
from crossmodel.domain.period import TimePeriod, utc_now
from crossmodel.domain.selection import Outcome, TaskRequirement
from crossmodel.errors import (
    InvalidInputError,
    InvalidTaskRequirementError,
    ModelNotFoundError,
    ModelRegistrationError,
    NoAvailableModelsError,
)
from crossmodel.selection import ModelSelector


def profile(model_id="m", **changes):
    fields = {
        "capabilities": {ModelCapability.CODING: 0.8, ModelCapability.MATH: 0.6},
        "cost_per_token": 0.00001,
        "latency_ms": 500.0,
        "quality_score": 0.7,
        "availability": 0.99,
    }
    return ModelCapabilityProfile(model_id=model_id, **(fields | changes))


def selector(*profiles, **config):
    made = ModelSelector(ModelSelectorConfig(**config))
    for each in profiles:
        made.register_model(each)
    return made


CODING = TaskRequirement([ModelCapability.CODING])


def test_score_is_the_references_weighted_sum():
    task = TaskRequirement(
        [ModelCapability.CODING, ModelCapability.MATH],
        complexity=0.9,
        cost_constraint=0.00004,
        latency_constraint=2000,
    )
    weights = SelectionWeights(0.4, 0.3, 0.2, 0.1, 0.5)
    chosen = selector(profile(), weights=weights).select_optimal_model(task)
    capability, cost, latency, complexity = 0.7, 1 - 1 / 4, 1 - 1 / 4, 1 - 0.2
    expected = 0.4 * capability + 0.3 * 0.7 + 0.2 * cost + 0.1 * latency + 0.5 * complexity
    assert chosen.suitability_score == pytest.approx(expected)
    terms = chosen.explain().scores["m"]
    assert (terms.capability, terms.quality) == (pytest.approx(capability), 0.7)
    assert (terms.cost, terms.latency) == (pytest.approx(cost), pytest.approx(latency))


def test_infinite_constraints_make_cost_and_latency_terms_one():
    terms = selector(profile()).select_optimal_model(CODING).explain().scores["m"]
    assert (terms.cost, terms.latency) == (1.0, 1.0)


def test_selection_carries_what_the_reference_names():
    chosen = selector(profile("a"), profile("b", quality_score=0.6)).select_optimal_model(CODING)
    assert chosen.model_id == "a"
    assert chosen.alternative_models == ["b"]
    assert chosen.selection_metadata == {
        "total_models_evaluated": 2,
        "selection_algorithm": "weighted_scoring",
        "config_version": "1.0.0",
    }
    assert chosen.selection_timestamp.tzinfo is not None
    assert chosen.selection_latency_ms > 0


def test_equal_scores_go_to_the_cheaper_then_the_faster_then_the_first_id():
    same = selector(
        profile("d", latency_ms=400), profile("c"), profile("b"), profile("a", cost_per_token=0.1)
    )
    chosen = same.select_optimal_model(CODING)
    assert [chosen.model_id, *chosen.alternative_models] == ["d", "b", "c", "a"]


def test_alternatives_are_limited():
    many = selector(*(profile(f"m{i}") for i in range(9)), max_alternatives=2)
    assert len(many.select_optimal_model(CODING).alternative_models) == 2
    none = selector(profile("a"), profile("b"), max_alternatives=0)
    assert none.select_optimal_model(CODING).alternative_models == []


@pytest.mark.parametrize(
    ("changes", "task", "reason", "relaxation"),
    [
        (
            {"availability": 0.5},
            CODING,
            "availability 0.5 is below minimum_availability_threshold 0.8",
            "minimum_availability_threshold 0.8 → 0.5 (admits m)",
        ),
        (
            {},
            TaskRequirement(["language"]),
            "lacks capability language",
            "drop language from required_capabilities (admits m)",
        ),
        (
            {},
            TaskRequirement(["coding"], quality_threshold=0.9),
            "quality_score 0.7 is below quality_threshold 0.9",
            "quality_threshold 0.9 → 0.7 (admits m)",
        ),
        (
            {},
            TaskRequirement(["coding"], cost_constraint=0.000001),
            "cost_per_token 1e-05 is above cost_constraint 1e-06",
            "cost_constraint 1e-06 → 1e-05 (admits m)",
        ),
        (
            {},
            TaskRequirement(["coding"], latency_constraint=100),
            "latency_ms 500 is above latency_constraint 100",
            "latency_constraint 100 → 500 (admits m)",
        ),
    ],
)
def test_each_filter_gives_its_reason_and_what_would_relax_it(changes, task, reason, relaxation):
    with pytest.raises(NoAvailableModelsError) as caught:
        selector(profile(**changes)).select_optimal_model(task)
    assert caught.value.reasons == {"m": reason}
    assert caught.value.relaxation == relaxation
    assert reason in str(caught.value)


def test_the_smallest_relaxation_is_the_one_named():
    task = TaskRequirement(["coding"], quality_threshold=0.8, cost_constraint=0.000005)
    with pytest.raises(NoAvailableModelsError) as caught:
        selector(
            profile("both"),
            profile("dear", quality_score=0.9),
            profile("near", quality_score=0.79, cost_per_token=0.000001),
        ).select_optimal_model(task)
    assert caught.value.relaxation == "quality_threshold 0.8 → 0.79 (admits near)"


def test_an_empty_selector_says_so():
    with pytest.raises(NoAvailableModelsError, match="register_model"):
        ModelSelector().select_optimal_model(CODING)


def test_bare_default_thresholds_are_not_enforced():
    weak = profile(capabilities={"analysis": 0.1})
    assert selector(weak).select_optimal_model(TaskRequirement(["analysis"])).model_id == "m"


@pytest.mark.parametrize(
    "config",
    [
        {"quality_thresholds": {"coding": 0.9}},
        {"default_quality_thresholds": {"coding": 0.9}},
        {"model_specific_thresholds": {"m": {"coding": 0.9}}},
    ],
)
def test_written_thresholds_are_enforced(config):
    with pytest.raises(NoAvailableModelsError, match=r"coding 0\.8 is below"):
        selector(profile(), **config).select_optimal_model(CODING)


def test_a_models_own_threshold_replaces_the_general_one():
    chosen = selector(
        profile(),
        quality_thresholds={"coding": 0.9},
        model_specific_thresholds={"m": {"coding": 0.7}},
    )
    assert chosen.select_optimal_model(CODING).model_id == "m"
    assert chosen.quality_thresholds["m"] == {"coding": 0.7}


@pytest.mark.parametrize(
    "changes",
    [
        {"model_id": ""},
        {"model_id": "  "},
        {"capabilities": {}},
        {"capabilities": {"flying": 0.5}},
        {"capabilities": {"coding": 1.1}},
        {"capabilities": {"coding": math.nan}},
        {"capabilities": {"coding": True}},
        {"capabilities": {"coding": "high"}},
        {"cost_per_token": -0.1},
        {"cost_per_token": 1.1},
        {"cost_per_token": math.inf},
        {"quality_score": math.nan},
        {"quality_score": 2},
        {"availability": -1},
        {"latency_ms": -1},
        {"latency_ms": math.inf},
        {"latency_ms": math.nan},
        {"latency_ms": None},
    ],
)
def test_invalid_profiles_are_refused_and_nothing_is_registered(changes):
    made = ModelSelector()
    with pytest.raises(ModelRegistrationError):
        made.register_model(profile(**changes))
    assert made.model_profiles == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"required_capabilities": []},
        {"required_capabilities": None},
        {"required_capabilities": ["flying"]},
        {"complexity": -0.1},
        {"complexity": math.nan},
        {"quality_threshold": 1.1},
        {"quality_threshold": "0.5"},
        {"cost_constraint": 0},
        {"cost_constraint": -1},
        {"cost_constraint": math.nan},
        {"latency_constraint": 0},
        {"latency_constraint": math.nan},
        {"latency_constraint": -math.inf},
    ],
)
def test_invalid_requirements_are_refused_and_leave_no_trace(changes):
    made = selector(profile())
    task = TaskRequirement(**({"required_capabilities": ["coding"]} | changes))
    with pytest.raises(InvalidTaskRequirementError):
        made.select_optimal_model(task)
    assert made.selection_history == []


def test_capabilities_may_be_named_in_any_case_and_twice():
    task = TaskRequirement(["CODING", ModelCapability.CODING, "Math"])
    assert task.required_capabilities == [ModelCapability.CODING, ModelCapability.MATH]
    assert selector(profile(capabilities={"Coding": 1, "MATH": 1})).select_optimal_model(task)


def test_history_is_bounded_and_keeps_the_requirement_as_it_was():
    made = selector(profile(), performance_history_size=3)
    task = TaskRequirement(["coding"])
    for step in range(5):
        task.complexity = step / 10
        made.select_optimal_model(task)
    assert [s.task_requirement.complexity for s in made.selection_history] == [0.2, 0.3, 0.4]


def test_a_changed_profile_counts_at_once():
    made = selector(profile("a"), profile("b", quality_score=0.6))
    made.update_model_capabilities("b", {"coding": 1.0})
    made.model_profiles["a"].availability = 0.0
    assert made.select_optimal_model(CODING).model_id == "b"
    assert made.get_available_models() == ["b"]
    assert made.get_model_performance("b").capabilities == {"coding": 1.0}


def test_updating_capabilities_is_all_or_nothing():
    made = selector(profile())
    with pytest.raises(InvalidInputError):
        made.update_model_capabilities("m", {"coding": 0.1, "math": math.nan})
    assert made.model_profiles["m"].capabilities[ModelCapability.CODING] == 0.8
    with pytest.raises(ModelNotFoundError, match="known: m"):
        made.update_model_capabilities("x", {"coding": 0.1})


def test_performance_report_over_a_period():
    made = selector(profile())
    period_start = utc_now()
    for latency in range(1, 101):
        made.record_outcome(
            Outcome("r", "m", success=latency > 10, latency_ms=float(latency), cost_usd=0.01)
        )
    made.record_outcome(Outcome("r", "m", success=True, score=0.5, source="feedback"))
    made.select_optimal_model(CODING)
    report = made.get_model_performance("m", TimePeriod(period_start, utc_now()))
    assert (report.total_selections, report.total_outcomes) == (1, 101)
    assert report.success_rate == pytest.approx(0.9)
    assert (report.latency_p50_ms, report.latency_p95_ms, report.latency_p99_ms) == (50, 95, 99)
    assert report.total_cost_usd == pytest.approx(1.0)
    assert report.average_score == 0.5
    past = TimePeriod(period_start.replace(year=2000), period_start.replace(year=2001))
    assert made.get_model_performance("m", past).success_rate is None
    with pytest.raises(ModelNotFoundError):
        made.get_model_performance("x")


def test_tracking_can_be_switched_off():
    made = selector(profile(), enable_performance_tracking=False)
    made.select_optimal_model(CODING)
    made.record_outcome(Outcome("r", "m", success=True))
    report = made.get_model_performance("m")
    assert (report.total_selections, report.total_outcomes) == (0, 0)


def test_cost_weight_factor_applies_only_while_cost_optimization_is_on():
    task = TaskRequirement(["coding"], cost_constraint=0.00002)
    plain = selector(profile()).select_optimal_model(task).suitability_score
    doubled = CostOptimizationConfig(cost_weight_factor=2.0)
    off = CostOptimizationConfig(enable_cost_optimization=False, cost_weight_factor=2.0)
    assert selector(profile(), cost_optimization=doubled).select_optimal_model(
        task
    ).suitability_score == pytest.approx(plain + 0.2 * 0.5)
    assert selector(profile(), cost_optimization=off).select_optimal_model(
        task
    ).suitability_score == pytest.approx(plain)
