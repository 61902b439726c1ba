"""What a task asks for, and what was chosen for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from crossmodel.domain.models import ModelCapability, coerce_capability
from crossmodel.domain.period import TimePeriod, utc_now


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

    @property
    def capabilities(self) -> list[ModelCapability]:
        """The required capabilities of a requirement that has been checked."""
        return cast("list[ModelCapability]", self.required_capabilities)


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
class SelectionExplanation:
    """Why a model was chosen: every score, every rejection."""

    model_id: str
    weights: Mapping[str, float]
    scores: Mapping[str, ScoreTerms]
    rejected: Mapping[str, str]

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
        }


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
    explanation: SelectionExplanation | None = field(default=None, repr=False, compare=False)

    def explain(self) -> SelectionExplanation:
        """Every term of every score, and every rejected model with its reason."""
        if self.explanation is not None:
            return self.explanation
        return SelectionExplanation(self.model_id, {}, {}, {})


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
        source: who says so: ``"engine"`` or ``"feedback"``.
    """

    request_id: str
    model_id: str
    success: bool
    score: float | None = None
    latency_ms: float | None = None
    cost_usd: float | None = None
    recorded_at: datetime = field(default_factory=utc_now)
    source: str = "engine"


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
