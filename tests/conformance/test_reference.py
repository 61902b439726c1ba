"""The reference's errors and its troubleshooting advice, through public names only."""

import hashlib
import json
import time

import pytest

import crossmodel
from crossmodel import (
    ExtractionPattern,
    Insight,
    InsightExtractor,
    InsightExtractorConfig,
    InsightTransfer,
    InvalidExtractionPatternError,
    InvalidTaskRequirementError,
    ModelCapability,
    ModelCapabilityProfile,
    ModelNotFoundError,
    ModelRegistrationError,
    ModelSelector,
    ModelSelectorConfig,
    NoAvailableModelsError,
    TaskRequirement,
    TransferResult,
)

ANSWER = (
    "Use a set here because membership tests on a list are linear. "
    "Therefore the whole loop becomes O(n) instead of O(n^2)."
)


def profile(model_id="gpt", **changes):
    fields = {
        "capabilities": {ModelCapability.REASONING: 0.9, ModelCapability.CODING: 0.8},
        "cost_per_token": 0.00003,
        "latency_ms": 800,
        "quality_score": 0.85,
        "availability": 0.99,
    }
    return ModelCapabilityProfile(model_id=model_id, **(fields | changes))


@pytest.fixture
def selector():
    made = ModelSelector()
    made.register_model(profile())
    return made


class TestErrors:
    def test_registration(self, selector):
        with pytest.raises(ModelRegistrationError):
            selector.register_model(profile(model_id=""))

    def test_requirement(self, selector):
        with pytest.raises(InvalidTaskRequirementError):
            selector.select_optimal_model(TaskRequirement(required_capabilities=[]))

    def test_no_models(self, selector):
        with pytest.raises(NoAvailableModelsError):
            selector.select_optimal_model(TaskRequirement([ModelCapability.MATH]))

    def test_unknown_model(self, selector):
        with pytest.raises(ModelNotFoundError):
            selector.get_model_performance("nobody")
        with pytest.raises(ModelNotFoundError):
            selector.update_model_capabilities("nobody", {ModelCapability.MATH: 0.5})

    def test_pattern(self):
        with pytest.raises(InvalidExtractionPatternError):
            InsightExtractor().register_extraction_pattern("bad", object())

    @pytest.mark.parametrize(("text", "model"), [("", "m"), ("text", "")])
    def test_empty_output_or_source_is_a_value_error(self, text, model):
        with pytest.raises(ValueError, match=r"required|empty|must") as caught:
            InsightExtractor().extract_insights(text, model, {})
        assert isinstance(caught.value, crossmodel.CrossModelError)


class TestSelectionTroubleshooting:
    def test_relaxing_a_requirement_step_by_step_ends_in_a_selection(self, selector):
        task = TaskRequirement(
            [ModelCapability.REASONING], quality_threshold=0.95, cost_constraint=0.00001
        )
        for _ in range(10):
            try:
                selection = selector.select_optimal_model(task)
                break
            except NoAvailableModelsError as error:
                assert error.reasons.keys() == {"gpt"}
                task.quality_threshold *= 0.9
                task.cost_constraint *= 1.5
                assert selector.get_available_models() == ["gpt"]
        assert selection.model_id == "gpt"

    def test_a_leaner_configuration(self):
        config = ModelSelectorConfig(
            enable_performance_tracking=True,
            max_alternatives=2,
            minimum_availability_threshold=0.9,
        )
        made = ModelSelector(config)
        for number in range(5):
            made.register_model(profile(f"m{number}"))
        made.register_model(profile("flaky", availability=0.85))
        selection = made.select_optimal_model(TaskRequirement([ModelCapability.CODING]))
        assert len(selection.alternative_models) == 2
        assert "flaky" not in made.get_available_models()

    def test_a_caching_subclass_works_as_shown(self):
        class OptimizedModelSelector(ModelSelector):
            def __init__(self, config):
                super().__init__(config)
                self.selection_cache = {}
                self.cache_ttl = 300
                self.misses = 0

            def select_optimal_model(self, task_requirement):
                key = self._generate_cache_key(task_requirement)
                if key in self.selection_cache:
                    selection, stored_at = self.selection_cache[key]
                    if time.time() - stored_at < self.cache_ttl:
                        return selection
                self.misses += 1
                selection = super().select_optimal_model(task_requirement)
                self.selection_cache[key] = (selection, time.time())
                return selection

            def _generate_cache_key(self, task):
                fields = {
                    "complexity": round(task.complexity, 2),
                    "capabilities": sorted(task.required_capabilities),
                    "quality_threshold": round(task.quality_threshold, 2),
                    "cost_constraint": round(task.cost_constraint, 4),
                }
                return hashlib.md5(json.dumps(fields, sort_keys=True).encode()).hexdigest()

        made = OptimizedModelSelector(ModelSelectorConfig())
        made.register_model(profile())
        task = TaskRequirement([ModelCapability.REASONING, ModelCapability.CODING])
        assert made.select_optimal_model(task) is made.select_optimal_model(task)
        assert made.misses == 1


class ShoutingPattern(ExtractionPattern):
    """Finds words in capitals."""

    def extract(self, text, context):
        return [Insight(content=w, insight_type="shout") for w in text.split() if w.isupper()]


class TestExtractionTroubleshooting:
    def test_a_custom_pattern(self):
        extractor = InsightExtractor()
        extractor.register_extraction_pattern("custom_pattern", ShoutingPattern())
        text = "please DO this and do THAT"
        found = [
            i for i in extractor.extract_insights(text, "big", {}) if i.insight_type == "shout"
        ]
        assert sorted(text[i.evidence[0].start : i.evidence[0].end] for i in found) == [
            "DO",
            "THAT",
        ]
        assert {i.source_model for i in found} == {"big"}
        assert found[0].metadata is not found[1].metadata
        assert extractor.get_extraction_statistics().patterns_used == 7

    def test_deduplication_can_be_configured(self):
        text = "\n\n".join([ANSWER] * 5)
        config = InsightExtractorConfig(
            remove_duplicates=True, max_insights_per_extraction=20, similarity_threshold=0.8
        )
        found = InsightExtractor(config).extract_insights(text, "big", {})
        assert 0 < len(found) <= 20
        assert len({i.content for i in found}) == len(found)


class TestTransferTroubleshooting:
    @pytest.fixture
    def insights(self):
        found = InsightExtractor().extract_insights(ANSWER, "big", {})
        return InsightExtractor().validate_insights(found)

    def test_a_retrying_subclass_works_as_shown(self, insights):
        class RobustInsightTransfer(InsightTransfer):
            failures = 2

            def transfer_insights(self, source_model, target_model, insights):
                max_retries = 3
                for attempt in range(max_retries):
                    try:
                        if self.failures:
                            self.failures -= 1
                            raise ConnectionError("flaky")
                        result = super().transfer_insights(source_model, target_model, insights)
                        if result.success:
                            return result
                    except Exception as error:  # noqa: BLE001 - as the reference shows it
                        if attempt < max_retries - 1:
                            time.sleep(0.001 * 2**attempt)
                            continue
                        return TransferResult(
                            success=False,
                            transferred_insights=[],
                            transfer_quality_score=0.0,
                            error=f"Transfer failed after {max_retries} attempts: {error}",
                        )
                return None

        result = RobustInsightTransfer().transfer_insights("big", "small", insights)
        assert result.success
        assert result.transferred_insights
        assert result.transferred_insights[0].content in result.context

        hopeless = RobustInsightTransfer()
        hopeless.failures = 9
        result = hopeless.transfer_insights("big", "small", insights)
        assert (result.success, result.error) == (False, "Transfer failed after 3 attempts: flaky")


def test_all_public_names_are_there_and_sorted():
    assert crossmodel.__all__ == sorted(crossmodel.__all__)
    for name in crossmodel.__all__:
        assert getattr(crossmodel, name) is not None
    with pytest.raises(AttributeError):
        crossmodel.nonsense  # noqa: B018 - the access is what is tested
