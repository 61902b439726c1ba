"""Configuration of the stages: the reference's names and defaults, checked when made.

Each class refuses values out of range with an ``InvalidInputError`` that names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from crossmodel.domain import checks
from crossmodel.domain.models import ModelCapability
from crossmodel.domain.period import utc_now
from crossmodel.errors import InvalidInputError

DEFAULT_QUALITY_THRESHOLDS: Mapping[str, float] = {
    "reasoning": 0.7,
    "creativity": 0.6,
    "analysis": 0.8,
    "coding": 0.7,
    "math": 0.8,
    "language": 0.6,
}
"""The reference's bare defaults. They are shown, not enforced: see ``enforced_thresholds``."""

BUDGETS = ("daily_budget", "monthly_budget")
STRATEGIES = ("weighted", "learned")
SIGNATURE_ALGORITHMS = ("RSA-2048", "Ed25519")


def _check_thresholds(name: str, thresholds: Mapping[str, float]) -> None:
    for capability, threshold in thresholds.items():
        checks.known_key(name, capability, ModelCapability)
        checks.unit_interval(f"{name}.{capability}", threshold)


def _check_budgets(name: str, budgets: Mapping[str, float]) -> None:
    for budget, usd in budgets.items():
        checks.known_key(name, budget, BUDGETS)
        checks.not_negative(f"{name}.{budget}", usd)


@dataclass(slots=True)
class SelectionWeights:
    """Weight of each term of the suitability score; finite and not negative."""

    capability_weight: float = 0.4
    quality_weight: float = 0.3
    cost_weight: float = 0.2
    latency_weight: float = 0.1
    complexity_weight: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            checks.not_negative(name, getattr(self, name))


@dataclass(slots=True)
class CostOptimizationConfig:
    """Budgets in USD: ``budget_constraints`` knows ``daily_budget`` and ``monthly_budget``.

    ``tenant_budgets`` and ``key_budgets`` hold the same two for single tenants and client keys, by
    name; ``"*"`` stands for each of those that are not named. ``cost_alert_threshold`` is the share
    of a budget, 0..1, at which the alert is raised.
    """

    enable_cost_optimization: bool = True
    cost_weight_factor: float = 1.0
    budget_constraints: dict[str, float] = field(default_factory=dict)
    cost_alert_threshold: float = 0.9
    tenant_budgets: dict[str, dict[str, float]] = field(default_factory=dict)
    key_budgets: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.not_negative("cost_weight_factor", self.cost_weight_factor)
        checks.unit_interval("cost_alert_threshold", self.cost_alert_threshold)
        _check_budgets("budget_constraints", self.budget_constraints)
        for field_name in ("tenant_budgets", "key_budgets"):
            for owner, budgets in getattr(self, field_name).items():
                _check_budgets(f"{field_name}.{owner}", budgets)


@dataclass(slots=True)
class DialConfig:
    """What a learned choice is to do; at most one of the three, best quality if none.

    Attributes:
        least_quality_share: at least this share, 0..1, of the best single model's quality.
        most_usd_per_1000: at most this many USD per 1,000 requests.
        cost_quality_tradeoff: 0 for the best quality, 1 for the least cost.
    """

    least_quality_share: float | None = None
    most_usd_per_1000: float | None = None
    cost_quality_tradeoff: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in self.__slots__ if getattr(self, name) is not None]
        if len(given) > 1:
            raise InvalidInputError(f"give one of {' and '.join(given)}, not both")
        if self.most_usd_per_1000 is not None:
            checks.not_negative("most_usd_per_1000", self.most_usd_per_1000)
        elif given:
            checks.unit_interval(given[0], getattr(self, given[0]))

    def __str__(self) -> str:
        if self.least_quality_share is not None:
            return f"at least {self.least_quality_share:.0%} of the best model's quality"
        if self.most_usd_per_1000 is not None:
            return f"at most ${self.most_usd_per_1000:g} per 1,000 requests"
        if self.cost_quality_tradeoff is not None:
            return f"cost_quality_tradeoff {self.cost_quality_tradeoff:g}"
        return "the best quality"


@dataclass(slots=True)
class ExplorationConfig:
    """How a learned choice tries models that it knows too little of.

    Attributes:
        rate: share of choices, 0..1, that are drawn by Thompson sampling.
        most_cost_share: exploring may cost at most this share, 0..1, of what all choices are
            expected to cost, on top.
    """

    rate: float = 0.0
    most_cost_share: float = 0.05

    def __post_init__(self) -> None:
        checks.unit_interval("rate", self.rate)
        checks.unit_interval("most_cost_share", self.most_cost_share)


@dataclass(slots=True)
class ConversationConfig:
    """When a conversation stays with its model.

    Attributes:
        margin: gain in the compared score below which it stays.
        cached_share: share of a prompt's cost, 0..1, that the provider's prompt cache saves.
        idle_seconds: after this pause its cache is taken to be gone, and it is chosen for anew.
        max_conversations: how many are remembered; the longest unused are forgotten.
    """

    margin: float = 0.05
    cached_share: float = 0.5
    idle_seconds: float = 300.0
    max_conversations: int = 10_000

    def __post_init__(self) -> None:
        checks.not_negative("margin", self.margin)
        checks.unit_interval("cached_share", self.cached_share)
        checks.limit("idle_seconds", self.idle_seconds)
        checks.at_least("max_conversations", self.max_conversations, 0)


@dataclass(slots=True)
class ModelSelectorConfig:
    """Configuration of selection.

    ``minimum_availability_threshold`` is 0..1. Histories keep ``performance_history_size`` entries
    (per model, and for the list of selections). Within ``cache_ttl_seconds`` an equal requirement
    gets the same selection again, unless anything that it depends on has changed; 0 for never.

    ``strategy`` is ``weighted``, the reference's score, or ``learned``: then ``router`` is the file
    that ``crossmodel train-router`` wrote, and ``dial`` what to ask of it.
    ``learning_prior`` is how many scored outcomes the registered quality and capabilities of a
    model are worth when outcomes move them; infinity keeps them as registered.
    """

    weights: SelectionWeights = field(default_factory=SelectionWeights)
    default_quality_thresholds: dict[str, float] = field(
        default_factory=lambda: dict(DEFAULT_QUALITY_THRESHOLDS)
    )
    quality_thresholds: dict[str, float] = field(default_factory=dict)
    model_specific_thresholds: dict[str, dict[str, float]] = field(default_factory=dict)
    cost_optimization: CostOptimizationConfig = field(default_factory=CostOptimizationConfig)
    minimum_availability_threshold: float = 0.8
    max_alternatives: int = 3
    enable_performance_tracking: bool = True
    performance_history_size: int = 1000
    version: str = "1.0.0"
    created_at: datetime = field(default_factory=utc_now, compare=False)
    cache_ttl_seconds: float = 0.0
    strategy: str = "weighted"
    router: str = ""
    dial: DialConfig = field(default_factory=DialConfig)
    exploration: ExplorationConfig = field(default_factory=ExplorationConfig)
    conversation: ConversationConfig = field(default_factory=ConversationConfig)
    learning_prior: float = 50.0

    def __post_init__(self) -> None:
        _check_thresholds("default_quality_thresholds", self.default_quality_thresholds)
        _check_thresholds("quality_thresholds", self.quality_thresholds)
        for model_id, thresholds in self.model_specific_thresholds.items():
            _check_thresholds(f"model_specific_thresholds.{model_id}", thresholds)
        checks.unit_interval("minimum_availability_threshold", self.minimum_availability_threshold)
        checks.at_least("max_alternatives", self.max_alternatives, 0)
        checks.at_least("performance_history_size", self.performance_history_size, 1)
        checks.not_negative("cache_ttl_seconds", self.cache_ttl_seconds)
        checks.one_of("strategy", self.strategy, STRATEGIES)
        checks.limit("learning_prior", self.learning_prior)

    def enforced_thresholds(self) -> dict[str, float]:
        """The thresholds per capability that somebody wrote.

        The bare defaults are left out, so that a selector without configuration chooses as the
        reference does.
        """
        written = {
            capability: threshold
            for capability, threshold in self.default_quality_thresholds.items()
            if DEFAULT_QUALITY_THRESHOLDS.get(capability) != threshold
        }
        return written | self.quality_thresholds


@dataclass(slots=True)
class ConfidenceConfig:
    """Insights below ``minimum_confidence_threshold`` (0..1) are not returned.

    With ``enable_confidence_calibration`` scores are calibrated as soon as there are labels to do
    so by: given to ``ConfidenceCalculator.calibrate``, or in the JSON file ``calibration_file``,
    which ``crossmodel eval extraction --calibration-out`` writes.
    """

    minimum_confidence_threshold: float = 0.0
    enable_confidence_calibration: bool = False
    calibration_file: str = ""

    def __post_init__(self) -> None:
        checks.unit_interval("minimum_confidence_threshold", self.minimum_confidence_threshold)


@dataclass(slots=True)
class ValidationConfig:
    """How strict validation is; strict refuses what lenient only remarks on.

    Insights with personal data (addresses, telephone and account numbers) are refused unless
    ``allow_personal_data``; secrets are refused always.
    """

    enable_validation: bool = True
    strict_validation: bool = False
    allow_personal_data: bool = False


@dataclass(slots=True)
class ModelAssistedConfig:
    """Which of the configured models is asked, beside the patterns, what an answer says.

    None is by default. One that is asked makes every extraction as slow as it answers, and costs
    what it costs.
    """

    model: str = ""


@dataclass(slots=True)
class InsightExtractorConfig:
    """Configuration of extraction.

    ``similarity_threshold`` (0..1) is how alike two insights of the same numbers, negations and
    identifiers must be to count as one. ``require_grounding`` drops what its source does not say.

    A pattern that somebody else wrote is cut off after ``pattern_timeout_seconds``. With
    ``parallel_extraction`` such patterns run in a process of their own, where they can be killed
    whichever thread calls, and a large output is read by up to ``max_workers`` processes.
    """

    confidence_config: ConfidenceConfig = field(default_factory=ConfidenceConfig)
    validation_config: ValidationConfig = field(default_factory=ValidationConfig)
    max_insights_per_extraction: int = 100
    remove_duplicates: bool = True
    sort_by_confidence: bool = True
    similarity_threshold: float = 0.9
    require_grounding: bool = True
    parallel_extraction: bool = False
    max_workers: int = 4
    pattern_timeout_seconds: float = 30.0
    include_invalid_insights: bool = False
    include_validation_errors: bool = False
    max_history_size: int = 1000
    model_assisted: ModelAssistedConfig = field(default_factory=ModelAssistedConfig)

    def __post_init__(self) -> None:
        checks.at_least("max_insights_per_extraction", self.max_insights_per_extraction, 0)
        checks.unit_interval("similarity_threshold", self.similarity_threshold)
        checks.at_least("max_history_size", self.max_history_size, 1)
        checks.at_least("max_workers", self.max_workers, 1)
        checks.limit("pattern_timeout_seconds", self.pattern_timeout_seconds)


@dataclass(slots=True)
class ProvenanceTrackingConfig:
    """Whether chains may be looked up, and how long payloads behind the proofs are kept, in days.

    Without ``enable_provenance_tracking`` nobody is told who said what to whom: ``trace`` and its
    exports refuse. Statements are made, kept and proved all the same: that is
    ``enable_witness_generation``'s business.
    """

    enable_provenance_tracking: bool = True
    retention_period_days: int = 365

    def __post_init__(self) -> None:
        checks.at_least("retention_period_days", self.retention_period_days, 1)


@dataclass(slots=True)
class WitnessGenerationConfig:
    """What signs the checkpoints, and how often.

    ``RSA-2048`` signs with RSA-PSS and, on a second line that existing tools read, Ed25519;
    ``Ed25519`` signs with that alone. A checkpoint is due after ``checkpoint_leaves`` records or
    ``checkpoint_interval_ms`` milliseconds, whichever is first. With ``sign_each`` every record is
    signed too, as a DSSE envelope, which costs far more than all else about a record.
    """

    enable_witness_generation: bool = True
    cryptographic_algorithm: str = "RSA-2048"
    sign_each: bool = False
    checkpoint_leaves: int = 64
    checkpoint_interval_ms: int = 1000

    def __post_init__(self) -> None:
        checks.one_of("cryptographic_algorithm", self.cryptographic_algorithm, SIGNATURE_ALGORITHMS)
        checks.at_least("checkpoint_leaves", self.checkpoint_leaves, 1)
        checks.at_least("checkpoint_interval_ms", self.checkpoint_interval_ms, 0)


@dataclass(slots=True)
class CrossModelVIFConfig:
    """Configuration of the witness."""

    provenance_tracking: ProvenanceTrackingConfig = field(default_factory=ProvenanceTrackingConfig)
    witness_generation: WitnessGenerationConfig = field(default_factory=WitnessGenerationConfig)
