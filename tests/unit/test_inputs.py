"""Recorded inputs are read again as they were, or refused."""

import hashlib
import json
import math
from dataclasses import replace

import pytest

from crossmodel import (
    InsightExtractor,
    InsightExtractorConfig,
    InsightTransfer,
    InvalidInputError,
    ModelCapabilityProfile,
    ModelSelector,
    ModelSelectorConfig,
    ModelSpec,
    TaskRequirement,
    TransferTarget,
    VerificationError,
)
from crossmodel.domain.config import ConversationConfig, CostOptimizationConfig
from crossmodel.inputs import EPOCH, InputRecorder, read_inputs

CONFIG = ModelSelectorConfig(
    learning_prior=math.inf,
    conversation=ConversationConfig(idle_seconds=math.inf),
    quality_thresholds={"coding": 0.25},
    model_specific_thresholds={"b": {"math": 0.125}},
    cost_optimization=CostOptimizationConfig(
        cost_weight_factor=2.5, budget_constraints={"daily_budget": 5.0}
    ),
)


class Kept(dict):
    """The one method of a transaction that reading takes."""

    get_snapshot = dict.get


def recorder(config=CONFIG, extractor=None):
    selector = ModelSelector(config)
    selector.register_model(
        ModelCapabilityProfile("b", {"coding": 0.5, "math": 0.1}, features=frozenset({"tools"}))
    )
    selector.register_model(
        ModelCapabilityProfile("a", {"coding": 1 / 3}, 1e-7, 99.5, 0.7, 0.9, context_window=128)
    )
    transfer = InsightTransfer()
    transfer.register_target(TransferTarget("a", 77, "exemplar", follows_system_prompt=False))
    transfer.register_target(TransferTarget("b", count_tokens=len))
    models = {"a": ModelSpec("a", "p", name="A-large", quality=0.7)}
    extractor = extractor or InsightExtractor()
    return selector, InputRecorder(
        selector, lambda: extractor, lambda: transfer, models, teacher_quality=0.8
    )


def test_they_are_read_again_as_they_were():
    extractor = InsightExtractor(InsightExtractorConfig(pattern_timeout_seconds=math.inf))
    extractor.confidence_calculator.calibrate([(n / 40, n > 20) for n in range(41)])
    selector, made = recorder(extractor=extractor)
    inputs = made.of(selector.select_optimal_model(TaskRequirement(["coding"])))
    read = read_inputs(Kept(inputs.bodies), inputs.sha256)
    assert {each.model_id: each for each in read.profiles} == {
        name: replace(each, metadata={}) for name, each in selector.model_profiles.items()
    }
    without_budgets = CostOptimizationConfig(cost_weight_factor=2.5)
    assert read.settings.selector == replace(
        CONFIG, cost_optimization=without_budgets, created_at=EPOCH
    )
    assert read.settings.extractor == extractor.config
    assert read.settings.calibration == extractor.confidence_calculator.to_dict()
    assert list(read.settings.patterns) == sorted(extractor.extraction_patterns)
    target = read.settings.targets["a"]
    assert (target.token_budget, target.protocol, target.tokenizer) == (77, "exemplar", False)
    assert read.settings.targets["b"].tokenizer
    assert read.settings.models["a"].name == "A-large"
    assert read.router is None


def test_they_are_plain_json_without_what_json_does_not_know():
    selector, made = recorder()
    inputs = made.of(selector.select_optimal_model(TaskRequirement(["coding"])))

    def refuse(constant):
        raise AssertionError(constant)

    for sha256, body in inputs.bodies.items():
        json.loads(body, parse_constant=refuse)
        assert hashlib.sha256(body).hexdigest() == sha256
        assert b"daily_budget" not in body


def test_equal_states_are_one_whoever_records_them_and_each_change_is_another():
    task = TaskRequirement(["coding"])
    selector, made = recorder()
    _, other = recorder(replace(CONFIG, created_at=CONFIG.created_at.replace(year=2000)))
    first = made.of(selector.select_optimal_model(task))
    assert made.of(selector.select_optimal_model(task)).sha256 == first.sha256
    assert other.of(selector.select_optimal_model(task)).sha256 == first.sha256
    seen = {first.sha256}

    def changed():
        found = made.of(selector.select_optimal_model(task)).sha256
        is_new = found not in seen
        seen.add(found)
        return is_new

    selector.model_profiles["a"].latency_ms = 3.0
    assert changed()
    selector.model_profiles["a"].capabilities["coding"] = 0.4
    assert changed()
    selector.config.weights.cost_weight = 0.0
    assert changed()
    made._extractor().config.remove_duplicates = False
    assert changed()
    made._extractor().confidence_calculator.calibrate([(n / 40, n > 20) for n in range(41)])
    assert changed()
    made._transfer().register_target(TransferTarget("a", 78))
    assert changed()
    made._transfer().register_protocol("mine", lambda insights: str(len(insights)))
    assert changed()
    assert not changed()


def test_what_is_kept_already_is_not_carried_again():
    selector, made = recorder()
    selection = selector.select_optimal_model(TaskRequirement(["coding"]))
    first = made.of(selection)
    assert len(first.bodies) == 3
    assert made.of(selection).bodies == first.bodies  # nobody said yet that they are durable
    made.kept(first)
    assert made.of(selection).bodies == {}
    for n in range(3000):
        made.kept(type(first)(f"{n}"))
    assert made.of(selection).bodies == first.bodies  # forgotten, which costs a look-up


def test_an_earlier_choice_is_recorded_with_the_profiles_that_it_was_made_from():
    selector, made = recorder()
    selection = selector.select_optimal_model(TaskRequirement(["coding"]))
    before = made.of(selection).sha256
    selector.model_profiles["a"].quality_score = 0.01
    assert made.of(selection).sha256 == before


def test_what_was_edited_is_refused_and_what_is_missing_is_missing():
    selector, made = recorder()
    inputs = made.of(selector.select_optimal_model(TaskRequirement(["coding"])))
    for sha256, body in inputs.bodies.items():
        for edited in (body + b" ", b""):
            with pytest.raises(VerificationError, match="have been changed"):
                read_inputs(Kept({**inputs.bodies, sha256: edited}), inputs.sha256)
        left = {each: kept for each, kept in inputs.bodies.items() if each != sha256}
        assert read_inputs(Kept(left), inputs.sha256) is None


@pytest.mark.parametrize(
    "body",
    [
        b"{}", b"[1]", b"not json", b"\xff",
        b'{"format":"crossmodel-inputs/9","version":"9","profiles":"","settings":"","router":null}',
    ],
)  # fmt: skip
def test_another_versions_form_is_said_to_be_one(body):
    sha256 = hashlib.sha256(body).hexdigest()
    with pytest.raises(InvalidInputError):
        read_inputs(Kept({sha256: body}), sha256)
