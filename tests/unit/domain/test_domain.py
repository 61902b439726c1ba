"""Domain types refuse what makes no sense, and say which field."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodel.domain.answer import Ask
from crossmodel.domain.completion import CompletionRequest, Message
from crossmodel.domain.config import InsightExtractorConfig, ModelSelectorConfig, SelectionWeights
from crossmodel.domain.insight import Evidence, ExtractionResult, Insight, Span, text_sha256
from crossmodel.domain.models import ModelCapability, ModelSpec
from crossmodel.domain.operations import HealthCheckResult, HealthStatus
from crossmodel.domain.period import TimePeriod, utc_now
from crossmodel.domain.selection import TaskRequirement
from crossmodel.errors import InvalidInputError


@given(st.integers(), st.integers())
def test_a_span_holds_something_and_lies_in_range(start, end):
    if 0 <= start < end:
        assert Span(start, end).of("x" * min(end, 10**4)) is not None
    else:
        with pytest.raises(InvalidInputError):
            Span(start, end)
        with pytest.raises(InvalidInputError):
            Evidence(start, end, "0" * 64)


@given(st.text())
def test_any_text_has_a_hash_even_with_lone_surrogates(text):
    assert len(text_sha256(text + "\ud800")) == 64


@given(st.text(min_size=1), st.text(min_size=1))
def test_the_same_find_has_the_same_id_and_another_find_another(content, other):
    evidence = (Evidence(0, 1, "0" * 64),)
    first = Insight(content, evidence=evidence)
    assert first.id == Insight(content, evidence=evidence).id
    assert first.id != Insight(content, evidence=(Evidence(0, 2, "0" * 64),)).id
    if content != other:
        assert first.id != Insight(other, evidence=evidence).id


def test_metadata_is_never_shared():
    first, second = Insight("a"), Insight("b")
    first.metadata["x"] = 1
    assert second.metadata == {}


def test_average_confidence_of_nothing_is_zero():
    assert ExtractionResult([], "m").average_confidence == 0.0
    insights = [Insight("a", confidence_score=0.2), Insight("b", confidence_score=0.6)]
    assert ExtractionResult(insights, "m").average_confidence == pytest.approx(0.4)


def test_periods_are_utc_whatever_they_are_given():
    naive = datetime(2026, 1, 1, 12)  # noqa: DTZ001 - what datetime.utcnow() gives
    elsewhere = datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    period = TimePeriod(naive, naive + timedelta(hours=1))
    assert period.contains(elsewhere)
    assert period.start == elsewhere.astimezone(UTC)
    assert TimePeriod.last_7_days().duration == timedelta(days=7)
    assert TimePeriod.last_30_days().contains(utc_now() - timedelta(days=29))
    with pytest.raises(InvalidInputError):
        TimePeriod(naive, naive - timedelta(seconds=1))


@pytest.mark.parametrize(
    "changes",
    [
        {"id": " "}, {"provider": ""}, {"quality": math.nan}, {"quality": 1.1},
        {"input_price": -1}, {"output_price": math.inf}, {"latency_ms": 0},
        {"context_window": 0}, {"max_output_tokens": 0}, {"availability": 2},
        {"capabilities": {"coding": 2}}, {"capabilities": {"flying": 1}},
    ],
)  # fmt: skip
def test_a_model_row_out_of_range_is_refused(changes):
    with pytest.raises(InvalidInputError):
        ModelSpec(**({"id": "m", "provider": "p"} | changes))


def test_a_model_row_becomes_a_profile():
    spec = ModelSpec(
        "m", "p", quality=0.7, capabilities={"Coding": 0.9}, input_price=1, output_price=3
    )
    profile = spec.profile()
    assert spec.name == "m"
    assert profile.capabilities == {ModelCapability.CODING: 0.9}
    assert profile.cost_per_token == pytest.approx(1.5e-6)
    assert spec.cost_usd(1_000_000, 500_000) == pytest.approx(2.5)
    everything = ModelSpec("m", "p", quality=0.7, modalities=("image",))
    assert set(everything.profile().capabilities.values()) == {0.7}
    assert everything.modalities == ("text", "image")


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_weights_are_finite_and_not_negative(weight):
    if math.isfinite(weight) and weight >= 0:
        assert SelectionWeights(cost_weight=weight).cost_weight == weight
    else:
        with pytest.raises(InvalidInputError, match="cost_weight"):
            SelectionWeights(cost_weight=weight)


def test_configuration_out_of_range_is_refused():
    for bad in (
        {"max_alternatives": -1},
        {"performance_history_size": 0},
        {"minimum_availability_threshold": 2},
        {"quality_thresholds": {"coding": 2}},
        {"model_specific_thresholds": {"m": {"flying": 1}}},
    ):
        with pytest.raises(InvalidInputError):
            ModelSelectorConfig(**bad)
    with pytest.raises(InvalidInputError):
        InsightExtractorConfig(similarity_threshold=1.5)


def test_conversations_are_checked():
    with pytest.raises(InvalidInputError, match="role"):
        Message("robot", "hi")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="content"):
        Message("user", None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="messages"):
        CompletionRequest("m", ())
    with pytest.raises(InvalidInputError, match="temperature"):
        CompletionRequest("m", (Message("user", "hi"),), temperature=math.nan)
    with pytest.raises(InvalidInputError, match="say something"):
        Ask((Message("user", " "),))
    turns = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    assert Ask(turns).question == "c"


@given(st.text())
def test_a_capability_is_known_or_refused_by_name(name):
    try:
        assert ModelCapability.parse(name) in ModelCapability
    except InvalidInputError as error:
        assert "reasoning" in str(error)


def test_a_requirement_takes_names_and_keeps_unknown_ones_for_the_selector_to_refuse():
    assert TaskRequirement("coding").required_capabilities == [ModelCapability.CODING]  # type: ignore[arg-type]
    assert TaskRequirement(["x"]).required_capabilities == ["x"]  # type: ignore[list-item]


def test_health_needs_at_least_one_good_check_and_no_bad_one():
    status = HealthStatus()
    assert not status.is_healthy
    status.add_check_result(HealthCheckResult("a", is_healthy=True))
    assert status.is_healthy
    status.add_check_result(HealthCheckResult("b", is_healthy=False, error="down"))
    assert not status.is_healthy
