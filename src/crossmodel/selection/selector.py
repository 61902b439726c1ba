"""ModelSelector: the best model for a task, under hard limits and weighted preferences."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, replace

from crossmodel.domain import checks
from crossmodel.domain.config import ModelSelectorConfig
from crossmodel.domain.models import ModelCapability, ModelCapabilityProfile
from crossmodel.domain.period import TimePeriod
from crossmodel.domain.selection import (
    ModelPerformanceReport,
    ModelSelection,
    Outcome,
    ScoreTerms,
    SelectionExplanation,
    TaskRequirement,
)
from crossmodel.errors import ModelNotFoundError, NoAvailableModelsError
from crossmodel.selection import filters, scoring
from crossmodel.selection.cost import CostOptimizer
from crossmodel.selection.performance import PerformanceTracker
from crossmodel.selection.validation import capability_scores, check_profile, check_requirement


class ModelSelector:
    """Chooses among registered models; thread-safe.

    Without configuration it scores and filters as the reference's formulas do; thresholds per
    capability apply as soon as somebody writes them down.
    """

    def __init__(self, config: ModelSelectorConfig | None = None) -> None:
        self.config = config or ModelSelectorConfig()
        self.model_profiles: dict[str, ModelCapabilityProfile] = {}
        self.selection_history: list[ModelSelection] = []
        self.performance_tracker = PerformanceTracker(self.config.performance_history_size)
        self.cost_optimizer = CostOptimizer(self.config.cost_optimization)
        self.quality_thresholds: dict[str, float | dict[str, float]] = {
            **self.config.default_quality_thresholds,
            **self.config.quality_thresholds,
        }
        self._enforced = self.config.enforced_thresholds()
        self._lock = threading.RLock()

    def register_model(self, profile: ModelCapabilityProfile) -> None:
        """Make a model available; one of the same id is replaced.

        Raises:
            ModelRegistrationError: naming the field that is wrong; nothing is registered.
        """
        check_profile(profile)
        with self._lock:
            self.model_profiles[profile.model_id] = profile
            self.performance_tracker.initialize_tracking(profile.model_id)
            specific = self.config.model_specific_thresholds.get(profile.model_id)
            if specific is not None:
                self.quality_thresholds[profile.model_id] = dict(specific)

    def select_optimal_model(self, task_requirement: TaskRequirement) -> ModelSelection:
        """Choose the model of the highest suitability score among those that pass every filter.

        Equal scores go to the cheaper model, then the faster, then the first by id.

        Raises:
            InvalidTaskRequirementError: naming the field that is wrong.
            NoAvailableModelsError: with a reason per model, and the smallest relaxation.
        """
        started = time.perf_counter()
        check_requirement(task_requirement)
        with self._lock:
            profiles = dict(self.model_profiles)
        available, rejected = self._partition(profiles, task_requirement)
        if not available:
            raise NoAvailableModelsError(
                "no model is available for this task"
                if profiles
                else "no model is registered: call register_model first",
                reasons={model: _reason(found) for model, found in rejected.items()},
                relaxation=filters.smallest_relaxation(rejected),
            )
        terms = {
            model_id: self._score(profile, task_requirement)
            for model_id, profile in available.items()
        }
        order = self._preference_order(terms, available)
        best = order[0]
        selection = ModelSelection(
            model_id=best,
            task_requirement=replace(task_requirement),  # the caller may change theirs later
            suitability_score=terms[best].total,
            alternative_models=order[1 : 1 + self.config.max_alternatives],
            selection_metadata={
                "total_models_evaluated": len(available),
                "selection_algorithm": "weighted_scoring",
                "config_version": self.config.version,
            },
            explanation=SelectionExplanation(
                model_id=best,
                weights=asdict(self.config.weights),
                scores={model_id: terms[model_id] for model_id in order},
                rejected={model: _reason(found) for model, found in rejected.items()},
            ),
        )
        selection.selection_latency_ms = (time.perf_counter() - started) * 1000
        self._remember(selection)
        return selection

    def get_available_models(self) -> list[str]:
        """Ids of the registered models that are available often enough, in order."""
        with self._lock:
            return sorted(
                model_id
                for model_id, profile in self.model_profiles.items()
                if profile.availability >= self.config.minimum_availability_threshold
            )

    def get_model_performance(
        self, model_id: str, time_period: TimePeriod | None = None
    ) -> ModelPerformanceReport:
        """What a model did within a period, the last 30 days by default.

        Raises:
            ModelNotFoundError: if no such model is registered.
        """
        self._require(model_id)
        return self.performance_tracker.generate_performance_report(
            model_id, time_period or TimePeriod.last_30_days()
        )

    def update_model_capabilities(
        self, model_id: str, updated_capabilities: Mapping[ModelCapability, float]
    ) -> None:
        """Change some of a model's scores.

        Raises:
            ModelNotFoundError: if no such model is registered.
            InvalidInputError: for an unknown capability or a score outside of 0..1; then no score
                is changed.
        """
        with self._lock:
            profile = self._require(model_id)
            scores = capability_scores(updated_capabilities)
            profile.capabilities.update(scores)
            self.performance_tracker.update_capabilities(model_id, scores)

    def record_outcome(self, outcome: Outcome) -> None:
        """Remember how an answer turned out, for the performance reports.

        Raises:
            ModelNotFoundError: if its model is not registered.
            InvalidInputError: if its score lies outside of 0..1.
        """
        self._require(outcome.model_id)
        if outcome.score is not None:
            checks.unit_interval("score", outcome.score)
        if self.config.enable_performance_tracking:
            self.performance_tracker.record_outcome(outcome)

    def _partition(
        self, profiles: Mapping[str, ModelCapabilityProfile], requirement: TaskRequirement
    ) -> tuple[dict[str, ModelCapabilityProfile], dict[str, list[filters.Obstacle]]]:
        available = {}
        rejected = {}
        for model_id, profile in profiles.items():
            specific = self.config.model_specific_thresholds.get(model_id, {})
            found = filters.obstacles(
                profile,
                requirement,
                minimum_availability=self.config.minimum_availability_threshold,
                thresholds=self._enforced | specific,
            )
            if found:
                rejected[model_id] = found
            else:
                available[model_id] = profile
        return available, rejected

    def _score(self, profile: ModelCapabilityProfile, requirement: TaskRequirement) -> ScoreTerms:
        return scoring.suitability(
            profile,
            requirement,
            self.config.weights,
            cost_weight_factor=self.cost_optimizer.weight_factor,
        )

    @staticmethod
    def _preference_order(
        terms: Mapping[str, ScoreTerms], profiles: Mapping[str, ModelCapabilityProfile]
    ) -> list[str]:
        return sorted(
            terms,
            key=lambda model_id: (
                -terms[model_id].total,
                profiles[model_id].cost_per_token,
                profiles[model_id].latency_ms,
                model_id,
            ),
        )

    def _remember(self, selection: ModelSelection) -> None:
        with self._lock:
            self.selection_history.append(selection)
            surplus = len(self.selection_history) - self.config.performance_history_size
            if surplus > 0:
                del self.selection_history[:surplus]
            if self.config.enable_performance_tracking:
                self.performance_tracker.record_selection(selection)

    def _require(self, model_id: str) -> ModelCapabilityProfile:
        with self._lock:
            profile = self.model_profiles.get(model_id)
        if profile is None:
            known = ", ".join(sorted(self.model_profiles)) or "none is registered"
            raise ModelNotFoundError(f"model not found: {model_id!r} (known: {known})")
        return profile


def _reason(found: list[filters.Obstacle]) -> str:
    return "; ".join(obstacle.reason for obstacle in found)
