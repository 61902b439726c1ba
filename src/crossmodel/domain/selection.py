"""What a task asks for, and what was chosen for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol, cast

from crossmodel.domain import checks
from crossmodel.domain.models import Feature, ModelCapability, coerce_capability
from crossmodel.domain.period import TimePeriod, utc_now
from crossmodel.errors import InvalidInputError


@dataclass(slots=True)
class TaskRequirement:
    """What a task needs of a model. Checked when a model is selected, not when it is made.

    Attributes:
        required_capabilities: what the model must be able to do; members or their names.
        complexity: 0..1.
        quality_threshold: least overall quality, 0..1.
        cost_constraint: most USD per token, more than 0; infinity for no limit.
        latency_constraint: most milliseconds, more than 0; infinity for no limit.
    """

    required_capabilities: Sequence[str]
    complexity: float = 0.5
    quality_threshold: float = 0.0
    cost_constraint: float = math.inf
    latency_constraint: float = math.inf

    def __post_init__(self) -> None:
        wanted: Any = self.required_capabilities
        if isinstance(wanted, str):
            wanted = [wanted]
        if isinstance(wanted, list | tuple | set | frozenset):
            # one of each, in the order given: a name twice must not weigh twice
            self.required_capabilities = list(dict.fromkeys(coerce_capability(c) for c in wanted))

    def snapshot(self) -> TaskRequirement:
        """A copy of it as it is; its owner may go on to change it."""
        copy = object.__new__(TaskRequirement)
        copy.required_capabilities = list(self.required_capabilities)
        copy.complexity = self.complexity
        copy.quality_threshold = self.quality_threshold
        copy.cost_constraint = self.cost_constraint
        copy.latency_constraint = self.latency_constraint
        return copy

    @property
    def capabilities(self) -> list[ModelCapability]:
        """The required capabilities of a requirement that has been checked."""
        return cast("list[ModelCapability]", self.required_capabilities)


PREFERENCES: Final = ("cheap", "best")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The request that a model is selected for, as far as selection looks at it.

    Attributes:
        prompt: what a learned router reads; it is not kept.
        input_tokens: how many tokens the model will read, at most.
        output_tokens: how many it may write.
        features: what it must be able to do besides text.
        conversation_id: whose turn this is; a conversation stays with its model.
        in_tool_loop: whether the model waits for the result of a tool that it called.
        prefer: what decides among the models that may answer: ``cheap`` or ``best``; the
            configured strategy if empty.
        allowed: the models that may answer at all; every one if ``None``.

    Raises:
        InvalidInputError: naming the field that is wrong.
    """

    prompt: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    features: frozenset[str] = frozenset()
    conversation_id: str | None = None
    in_tool_loop: bool = False
    prefer: str = ""
    allowed: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.prefer:
            checks.one_of("prefer", self.prefer, PREFERENCES)
        if self.allowed is not None and not isinstance(self.allowed, frozenset):
            raise InvalidInputError("allowed must be a frozenset of ids")
        if not isinstance(self.prompt, str):
            raise InvalidInputError(f"prompt must be a string, not {type(self.prompt).__name__}")
        checks.at_least("input_tokens", self.input_tokens, 0)
        checks.at_least("output_tokens", self.output_tokens, 0)
        wanted = [self.features] if isinstance(self.features, str) else self.features
        object.__setattr__(self, "features", frozenset(Feature.parse(each) for each in wanted))

    def without_prompt(self) -> RequestContext:
        """What may be kept of it."""
        return replace(self, prompt="") if self.prompt else self


NO_CONTEXT = RequestContext()
"""A request of which nothing is known."""


@dataclass(frozen=True, slots=True)
class ScoreTerms:
    """The terms of one model's suitability score, each 0..1, before their weights."""

    capability: float
    quality: float
    cost: float
    latency: float
    complexity: float
    total: float


@dataclass(frozen=True, slots=True)
class LearnedTerms:
    """What a learned router expects of one model.

    Attributes:
        expected_quality: 0..1.
        prior: what it would be without knowing the prompt, 0..1.
        uncertainty: standard error of the expected quality.
        expected_cost_usd: of one answer.
        evidence: answers to prompts like this one that it rests on.
        worth: expected quality minus its price times expected cost: what is compared.
    """

    expected_quality: float
    prior: float
    uncertainty: float
    expected_cost_usd: float
    evidence: float
    worth: float


@dataclass(frozen=True, slots=True)
class LearnedExplanation:
    """What a learned choice rests on.

    Attributes:
        familiarity: 0..1: how far the estimate may move away from the prior. Near 0 the prompt is
            out of distribution and the static prior decides.
        topics: the likeliest topics and their shares.
        price: quality that one USD must buy to be spent; infinite where only the cost decides.
        dial: what was asked for, in words.
        models: the terms of every model that passed the filters.
        calibration: what the dial's price does on the part of the traffic that it was not chosen
            on, whether that is what was asked, and the best single model there; ``None`` without a
            dial or a router.
    """

    familiarity: float
    topics: Mapping[str, float]
    price: float
    dial: str
    models: Mapping[str, LearnedTerms]
    calibration: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SelectionExplanation:
    """Why a model was chosen: every score, every rejection.

    Attributes:
        model_id: what was chosen.
        weights: of the terms in the total.
        scores: the terms of every model that passed the filters, best first.
        rejected: the reason of every model that did not.
        relaxation: the smallest change of what was asked that would admit one of those.
        learned: what a learned choice rests on.
        reason: why this model, where it was not the greatest score.
    """

    model_id: str
    weights: Mapping[str, float]
    scores: Mapping[str, ScoreTerms]
    rejected: Mapping[str, str]
    relaxation: str | None = None
    learned: LearnedExplanation | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "model_id": self.model_id,
            "weights": dict(self.weights),
            "scores": {
                model: {name: getattr(terms, name) for name in ScoreTerms.__slots__}
                for model, terms in self.scores.items()
            },
            "rejected": dict(self.rejected),
            "relaxation": self.relaxation,
            "learned": asdict(self.learned) if self.learned else None,
            "reason": self.reason,
        }


class Basis(Protocol):
    """What a selection was made from; whoever selects brings it."""

    def explain(self, selection: ModelSelection) -> SelectionExplanation:
        """Every term of every score, and every rejected model with its reason."""
        ...

    def rejected(self) -> Mapping[str, str]:
        """The reason of every model that did not pass the filters."""
        ...


@dataclass(slots=True)
class ModelSelection:
    """One choice, with what it was made of.

    ``selection_latency_ms`` is the time that choosing took, in milliseconds.
    """

    model_id: str
    task_requirement: TaskRequirement
    suitability_score: float
    alternative_models: list[str] = field(default_factory=list)
    selection_timestamp: datetime = field(default_factory=utc_now)
    selection_metadata: dict[str, Any] = field(default_factory=dict)
    selection_latency_ms: float = 0.0
    basis: Basis | None = field(default=None, repr=False, compare=False)

    def explain(self) -> SelectionExplanation:
        """Every term of every score, and every rejected model with its reason.

        It is worked out when asked for, from the profiles as they were.
        """
        if self.basis is not None:
            return self.basis.explain(self)
        return SelectionExplanation(self.model_id, {}, {}, {})

    @property
    def rejected(self) -> Mapping[str, str]:
        """The reason of every model that did not pass the filters."""
        return self.basis.rejected() if self.basis is not None else {}


CACHE: Final = "cache"
"""The source of an outcome that no model was asked for."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one answer turned out.

    Attributes:
        request_id: the answer's id.
        model_id: who answered.
        success: whether there was an answer.
        score: how good it was, 0..1, where anybody said so.
        latency_ms: how long it took, in milliseconds.
        cost_usd: what it cost.
        recorded_at: when this was recorded.
        source: who says so: ``"engine"``, ``"cache"`` of an answer that no model was asked for,
            ``"feedback"`` or ``"grader"``.
        served_model: who answered, as the provider says.
        price_version: the prices that the cost was reckoned with; see ``ModelSpec``.
        key: name of the client key that the cost is charged to.
    """

    request_id: str
    model_id: str
    success: bool
    score: float | None = None
    latency_ms: float | None = None
    cost_usd: float | None = None
    recorded_at: datetime = field(default_factory=utc_now)
    source: str = "engine"
    served_model: str | None = None
    price_version: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ModelPerformanceReport:
    """What a model did within a period.

    Latencies are in milliseconds; figures that nothing was measured for are ``None``. ``trend``
    is the mean score of the later half minus that of the earlier half of the period.
    """

    model_id: str
    time_period: TimePeriod
    total_selections: int = 0
    total_outcomes: int = 0
    success_rate: float | None = None
    average_score: float | None = None
    average_suitability: float | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    latency_p99_ms: float | None = None
    total_cost_usd: float = 0.0
    trend: float | None = None
    capabilities: Mapping[str, float] = field(default_factory=dict)
