"""ModelSelector: the best model for a task, under hard limits and preferences."""

from __future__ import annotations

import functools
import hashlib
import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import astuple
from typing import Any, Final

import numpy as np

from crossmodel.domain import checks
from crossmodel.domain.config import ModelSelectorConfig
from crossmodel.domain.models import ModelCapability, ModelCapabilityProfile
from crossmodel.domain.period import TimePeriod
from crossmodel.domain.selection import (
    NO_CONTEXT,
    ModelPerformanceReport,
    ModelSelection,
    Outcome,
    RequestContext,
    TaskRequirement,
)
from crossmodel.domain.watched import WatchedDict
from crossmodel.errors import ModelNotFoundError, NoAvailableModelsError
from crossmodel.selection.cache import SelectionCache
from crossmodel.selection.conversation import ConversationMemory
from crossmodel.selection.cost import CostOptimizer
from crossmodel.selection.decision import Decision
from crossmodel.selection.exploration import Explorer
from crossmodel.selection.learned.policy import LearnedPolicy, LearnedScore
from crossmodel.selection.learned.router import LearnedRouter
from crossmodel.selection.learned.topics import Shares
from crossmodel.selection.learning import ScoreLearner
from crossmodel.selection.performance import PerformanceTracker
from crossmodel.selection.scoring import Suitability, best_rows, suitability
from crossmodel.selection.table import Floats, ProfileTable
from crossmodel.selection.validation import capability_scores, check_profile, check_requirement

MOST_EXPECTED: Final = 10_000
"""Requests whose feedback is waited for."""


class ModelSelector:
    """Chooses among registered models; thread-safe.

    Without configuration it scores and filters as the reference's formulas do; thresholds per
    capability apply as soon as somebody writes them down. ``router`` is for
    ``strategy="learned"``.
    """

    def __init__(
        self, config: ModelSelectorConfig | None = None, *, router: LearnedRouter | None = None
    ) -> None:
        self.config = config or ModelSelectorConfig()
        self._revisions = itertools.count(1)
        self._revision = 0
        self._table: ProfileTable | None = None
        self.model_profiles: dict[str, ModelCapabilityProfile] = WatchedDict({}, self._changed)
        self.selection_history: list[ModelSelection] = []
        self.performance_tracker = PerformanceTracker(self.config.performance_history_size)
        self.cost_optimizer = CostOptimizer(self.config.cost_optimization)
        self.quality_thresholds: dict[str, float | dict[str, float]] = {
            **self.config.default_quality_thresholds,
            **self.config.quality_thresholds,
        }
        self.policy = LearnedPolicy(self.config.dial, router)
        self.explorer = Explorer(self.config.exploration)
        self.conversations = ConversationMemory(self.config.conversation)
        self._enforced = self.config.enforced_thresholds()
        self._expected: OrderedDict[str, tuple[TaskRequirement, Shares | None]] = OrderedDict()
        self._learner = ScoreLearner(self.config.learning_prior)
        self._cache = SelectionCache(self.config.cache_ttl_seconds)
        self._lock = threading.RLock()

    def register_model(self, profile: ModelCapabilityProfile) -> None:
        """Make a model available; one of the same id is replaced.

        Raises:
            ModelRegistrationError: naming the field that is wrong; nothing is registered.
        """
        profile.capabilities = check_profile(profile)
        with self._lock:
            profile.watch(self._changed)
            self.model_profiles[profile.model_id] = profile
            self._learner.forget(profile.model_id)
            self.performance_tracker.initialize_tracking(profile.model_id)
            specific = self.config.model_specific_thresholds.get(profile.model_id)
            if specific is not None:
                self.quality_thresholds[profile.model_id] = dict(specific)

    def select_optimal_model(
        self, task_requirement: TaskRequirement, context: RequestContext = NO_CONTEXT
    ) -> ModelSelection:
        """Choose the best model among those that pass every filter.

        Best is the highest suitability score; with the learned strategy, the greatest expected
        quality minus the price of its expected cost. Equal scores go to the cheaper model, then
        the faster, then the first by id. A conversation stays with its model unless leaving pays.

        Raises:
            InvalidTaskRequirementError: naming the field that is wrong.
            NoAvailableModelsError: with a reason per model, and the smallest relaxation.
        """
        started = time.perf_counter()
        check_requirement(task_requirement)
        table = self.table
        key = self._cache_key(table, task_requirement, context)
        if key is not None and (kept := self._cache.get(key)) is not None:
            return kept
        requirement = task_requirement.snapshot()  # the caller may change theirs later
        scored = suitability(
            table,
            requirement,
            context,
            self.config.weights,
            minimum_availability=self.config.minimum_availability_threshold,
            cost_weight_factor=self.cost_optimizer.weight_factor,
        )
        learned = self.policy.score(scored, context) if self.learns else None
        score, algorithm = self._score(scored, learned, context.prefer)
        # what is kept with the selection holds no prompt
        decision = Decision(
            requirement, context.without_prompt(), self.config, scored, learned, score
        )
        rows = best_rows(score, scored.admitted, 1 + self.config.max_alternatives)
        if not rows:
            raise self._nothing_available(decision)
        metadata: dict[str, Any] = {
            "total_models_evaluated": int(np.count_nonzero(scored.admitted)),
            "selection_algorithm": algorithm,
            "config_version": self.config.version,
        }
        rows = self._converse(decision, rows, metadata)
        ids = [table.ids[row] for row in rows]
        selection = ModelSelection(
            model_id=ids[0],
            task_requirement=requirement,
            suitability_score=float(score[rows[0]]),
            alternative_models=ids[1:],
            selection_metadata=metadata,
            basis=decision,
        )
        selection.selection_latency_ms = (time.perf_counter() - started) * 1000
        self.note(selection)
        if key is not None:
            self._cache.put(key, selection)
        return selection

    def get_available_models(self) -> list[str]:
        """Ids of the registered models that are available often enough, in order."""
        table = self.table
        enough = table.availability >= self.config.minimum_availability_threshold
        return sorted(table.ids[row] for row in enough.nonzero()[0])

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

    def expect_feedback(
        self, request_id: str, selection: ModelSelection, context: RequestContext = NO_CONTEXT
    ) -> None:
        """Remember what a request was about, so that a score for its answer can be learned from.

        Of the prompt only the shares of its topics are kept, of the latest 10,000 requests.
        """
        shares = self._shares_of(selection, context) if self.learns else None
        expected = self._expected
        with self._lock:
            expected[request_id] = selection.task_requirement, shares
            if len(expected) > MOST_EXPECTED:
                expected.popitem(last=False)

    def record_outcome(self, outcome: Outcome) -> None:
        """Remember how an answer turned out; where somebody scored it, the model's scores learn.

        With the learned strategy the router learns too, of requests that ``expect_feedback`` was
        told of.

        Raises:
            ModelNotFoundError: if its model is not registered.
            InvalidInputError: if its score lies outside of 0..1.
        """
        profile = self._require(outcome.model_id)
        if outcome.score is not None:
            checks.unit_interval("score", outcome.score)
            self._learn(profile, outcome.request_id, outcome.score)
        if self.config.enable_performance_tracking:
            self.performance_tracker.record_outcome(outcome)

    def _learn(self, profile: ModelCapabilityProfile, request_id: str, score: float) -> None:
        with self._lock:
            task, shares = self._expected.pop(request_id, (None, None))
            self._learner.learn(profile, () if task is None else task.capabilities, score)
            if shares is not None:
                self.policy.learn(profile, shares, score)

    def _shares_of(self, selection: ModelSelection, context: RequestContext) -> Shares | None:
        """The topics of a request: as selection read them, or read now where nothing was selected.

        Reading twice would double what a request pays for its embedding.
        """
        basis = selection.basis
        known = basis.learned if isinstance(basis, Decision) else None
        return known.shares if known else self.policy.shares(context)

    @property
    def learns(self) -> bool:
        """Whether what it chooses depends on prompts and on what it has learned."""
        return self.config.strategy == "learned"

    def _changed(self) -> None:
        """A profile or the registry changed: the arrays are built again when they are needed."""
        self._revision = next(self._revisions)

    @property
    def table(self) -> ProfileTable:
        """The registered models as they are now: the same object until one of them changes."""
        table = self._table
        if table is not None and table.revision == self._revision:
            return table
        with self._lock:
            revision = self._revision  # a change while building makes the result outdated at once
            table = self._table = ProfileTable.build(
                self.model_profiles,
                self._enforced,
                self.config.model_specific_thresholds,
                revision=revision,
            )
            return table

    @staticmethod
    def _score(
        scored: Suitability, learned: LearnedScore | None, prefer: str
    ) -> tuple[Floats, str]:
        """What is compared, and what that is called."""
        if not prefer:
            if learned is None:
                return scored.total, "weighted_scoring"
            return learned.worth, "learned"
        if learned is None:
            quality, cost = (scored.capability + scored.table.quality) / 2, scored.table.cost
        else:
            quality, cost = learned.quality, learned.cost_usd
        return (-cost, "cheapest") if prefer == "cheap" else (quality, "best")

    def _cache_key(
        self, table: ProfileTable, requirement: TaskRequirement, context: RequestContext
    ) -> Hashable | None:
        """Everything that the choice depends on; ``None`` where it may differ from call to call."""
        config = self.config
        if config.cache_ttl_seconds <= 0 or context.conversation_id is not None:
            return None
        if self.learns and config.exploration.rate > 0:
            return None
        return (
            table.revision,
            (*requirement.capabilities,),
            requirement.complexity,
            requirement.quality_threshold,
            requirement.cost_constraint,
            requirement.latency_constraint,
            context.without_prompt(),
            self._learned_key(context.prompt),
            astuple(config.weights),
            self.cost_optimizer.weight_factor,
            config.minimum_availability_threshold,
            config.max_alternatives,
            config.strategy,
            config.version,
        )

    def _learned_key(self, prompt: str) -> Hashable:
        """What a learned choice depends on: a digest of the prompt, and what the router knows."""
        router = self.policy.router if self.learns else None
        if router is None:
            return None
        return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest(), router.cells

    def _explore(self, decision: Decision, rows: list[int], metadata: dict[str, Any]) -> list[int]:
        """Draw the model to use, where exploring is allowed; its propensity is noted."""
        learned = decision.learned
        if learned is None or decision.context.prefer or self.config.exploration.rate <= 0:
            return rows
        candidates = decision.scored.admitted.nonzero()[0]
        draw = self.explorer.draw(
            learned.worth[candidates],
            learned.uncertainty[candidates],
            learned.cost_usd[candidates],
        )
        metadata["propensity"], metadata["explored"] = draw.propensity, draw.explored
        return _with_first(int(candidates[draw.position]), rows)

    def _converse(self, decision: Decision, rows: list[int], metadata: dict[str, Any]) -> list[int]:
        """Keep the model of the conversation unless leaving it pays; only who is free explores."""
        conversation_id = decision.context.conversation_id
        if conversation_id is None:
            return self._explore(decision, rows, metadata)
        ids, task = decision.table.ids, tuple(decision.requirement.capabilities)
        stay = self.conversations.stay(
            conversation_id,
            task=task,
            in_tool_loop=decision.context.in_tool_loop,
            gain_over=functools.partial(
                decision.gain_over, rows[0], self.config.conversation.cached_share
            ),
        )
        if stay is None:
            rows = self._explore(decision, rows, metadata)
        elif stay.model_id != ids[rows[0]]:
            metadata["conversation"] = stay.reason
            rows = _with_first(ids.index(stay.model_id), rows)
        self.conversations.remember(conversation_id, ids[rows[0]], task)
        return rows

    def _nothing_available(self, decision: Decision) -> NoAvailableModelsError:
        return NoAvailableModelsError(
            "no model is available for this task"
            if len(decision.table)
            else "no model is registered: call register_model first",
            reasons=decision.rejected(),
            relaxation=decision.relaxation(),
        )

    @property
    def revision(self) -> int:
        """Changes with every change of a profile or of the registry."""
        return self._revision

    @property
    def basis(self) -> Hashable:
        """What choices depend on besides the request: while it is the same, so are they.

        Not with a learned strategy, nor for conversations: see :attr:`learns`.
        """
        config, weights = self.config, self.config.weights
        return (
            self._revision,
            weights.capability_weight,
            weights.quality_weight,
            weights.cost_weight,
            weights.latency_weight,
            weights.complexity_weight,
            self.cost_optimizer.weight_factor,
            config.minimum_availability_threshold,
            config.max_alternatives,
        )

    def note(self, selection: ModelSelection) -> None:
        """Count a choice that was made before and holds for another request as well."""
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


def _with_first(first: int, rows: list[int]) -> list[int]:
    """As many rows as there were, with ``first`` in front."""
    return [first, *(row for row in rows if row != first)][: len(rows)]
