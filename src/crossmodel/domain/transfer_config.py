"""Configuration of transfer: the reference's names and defaults, checked when made.

Each class refuses values out of range with an ``InvalidInputError`` that names the field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from crossmodel.domain import checks
from crossmodel.domain.insight import UNKNOWN_TRUST
from crossmodel.errors import InvalidInputError


@dataclass(slots=True)
class QualityValidationConfig:
    """Transfers whose quality is below ``minimum_quality_threshold`` (0..1) are refused."""

    enable_quality_validation: bool = True
    minimum_quality_threshold: float = 0.7

    def __post_init__(self) -> None:
        checks.unit_interval("minimum_quality_threshold", self.minimum_quality_threshold)


@dataclass(slots=True)
class TransferProtocolsConfig:
    """Which protocol writes the context.

    ``custom_protocols`` maps a name to a protocol object, or to its ``module:attribute`` path. With
    ``choose_per_target`` each model gets the one whose answers are scored best, once there are
    scores; models that copy better than they follow begin with ``exemplar``, the others with the
    ``default_protocol``.
    """

    default_protocol: str = "standard"
    custom_protocols: dict[str, Any] = field(default_factory=dict)
    choose_per_target: bool = True

    def __post_init__(self) -> None:
        checks.text("default_protocol", self.default_protocol)


@dataclass(slots=True)
class PlaybookConfig:
    """``max_items`` is how many items of one topic are in use; the least useful are retired."""

    max_items: int = 12

    def __post_init__(self) -> None:
        checks.at_least("max_items", self.max_items, 0)


@dataclass(slots=True)
class ExportConfig:
    """What may leave as training data.

    ``licences`` maps a source model to the licence that its answers are under; ``"*"`` stands for
    each that is not named. What has none is left out unless ``allow_unlicensed``.
    """

    licences: dict[str, str] = field(default_factory=dict)
    allow_unlicensed: bool = False

    def __post_init__(self) -> None:
        for model, licence in self.licences.items():
            checks.text(f"licences.{model}", licence)

    def licence_of(self, source_model: str) -> str | None:
        """The licence of a model's answers; ``None`` if nobody has said."""
        return self.licences.get(source_model) or self.licences.get("*")


@dataclass(slots=True)
class RetryConfig:
    """How often, and after which waits, what failed in passing is tried again.

    Attributes:
        attempts: tries in all, the first included.
        wait_initial_seconds: before the second try; each further wait is twice the last, with
            up to as much again by chance, so that many callers do not come back at once.
        wait_max_seconds: the longest wait.
        timeout_seconds: no further try is begun after this time; infinity for no limit.
    """

    attempts: int = 3
    wait_initial_seconds: float = 0.1
    wait_max_seconds: float = 2.0
    timeout_seconds: float = 10.0

    def __post_init__(self) -> None:
        checks.at_least("attempts", self.attempts, 1)
        checks.not_negative("wait_initial_seconds", self.wait_initial_seconds)
        checks.not_negative("wait_max_seconds", self.wait_max_seconds)
        checks.limit("timeout_seconds", self.timeout_seconds)


@dataclass(slots=True)
class TrustConfig:
    """How far insights are trusted, by the model that said them: 0 not at all, 1 fully.

    ``source_trust`` names models; a configured model that it does not name is trusted by its
    ``quality``, any other source by ``default_trust``. What is trusted less than ``minimum_trust``
    is never handed over.
    """

    source_trust: dict[str, float] = field(default_factory=dict)
    default_trust: float = UNKNOWN_TRUST
    minimum_trust: float = 0.2

    def __post_init__(self) -> None:
        for source, trust in self.source_trust.items():
            checks.text("source_trust: a model's name", source)
            checks.unit_interval(f"source_trust.{source}", trust)
        checks.unit_interval("default_trust", self.default_trust)
        checks.unit_interval("minimum_trust", self.minimum_trust)


@dataclass(slots=True)
class UpliftConfig:
    """Whether insights help is measured, and what follows from it.

    Attributes:
        enable: whether a share of the requests goes without, so that the others can be compared.
        holdout_rate: share, 0..1, of eligible requests from which insights are withheld.
        padding_rate: share, 0..1, that gets irrelevant text of the same length instead.
        retry_rate: share, 0..1, that gets insights where they are not expected to help; with 0
            what was once given up is given up for ever.
        prior_effect: effect on the score, -1..1, expected where nothing was measured.
        prior_weight: how many pairs of scores, one with insights and one without, this is worth;
            more than 0.
        borrowed_share: what a score of another kind of task is worth, 0..1.
        most_borrowed: the most that those are worth together, in scores.
    """

    enable: bool = True
    holdout_rate: float = 0.1
    padding_rate: float = 0.0
    retry_rate: float = 0.05
    prior_effect: float = 0.05
    prior_weight: float = 20.0
    borrowed_share: float = 0.1
    most_borrowed: float = 20.0

    def __post_init__(self) -> None:
        for name in ("holdout_rate", "padding_rate", "retry_rate", "borrowed_share"):
            checks.unit_interval(name, getattr(self, name))
        if self.holdout_rate + self.padding_rate >= 1.0:
            raise InvalidInputError(
                "holdout_rate and padding_rate must add up to less than 1, not "
                f"{self.holdout_rate + self.padding_rate:g}: nothing is left for the insights"
            )
        if not -1.0 <= checks.number("prior_effect", self.prior_effect) <= 1.0:
            raise InvalidInputError(f"prior_effect must lie within -1..1, not {self.prior_effect}")
        if checks.not_negative("prior_weight", self.prior_weight) == 0:
            raise InvalidInputError("prior_weight must be more than 0")
        checks.not_negative("most_borrowed", self.most_borrowed)


@dataclass(slots=True)
class InsightTransferConfig:
    """Configuration of transfer.

    ``token_budget`` is the most tokens that insights may take in one prompt;
    ``max_insights`` is how many are considered for it.
    """

    quality_validation: QualityValidationConfig = field(default_factory=QualityValidationConfig)
    transfer_protocols: TransferProtocolsConfig = field(default_factory=TransferProtocolsConfig)
    trust: TrustConfig = field(default_factory=TrustConfig)
    token_budget: int = 1024
    max_insights: int = 12
    playbook: PlaybookConfig = field(default_factory=PlaybookConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    retries: RetryConfig = field(default_factory=RetryConfig)
    uplift: UpliftConfig = field(default_factory=UpliftConfig)

    def __post_init__(self) -> None:
        checks.at_least("token_budget", self.token_budget, 0)
        checks.at_least("max_insights", self.max_insights, 0)
