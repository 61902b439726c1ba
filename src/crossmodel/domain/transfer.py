"""What came of handing insights to a model."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from crossmodel.domain import checks
from crossmodel.domain.insight import Insight


def utf8_bytes(text: str) -> int:
    """A bound on tokens that never undercounts for byte-level BPE.

    There every token stands for a byte or more of the text (Radford et al., Language Models are
    Unsupervised Multitask Learners, 2019, 2.2), and special tokens for the many bytes of their
    names. Some tokenizers bring the text into NFC first, which can make it up to three times as
    long: the longer of the two spellings counts.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return size
    composed = unicodedata.normalize("NFC", text)
    return max(size, len(composed.encode("utf-8", "surrogatepass")))


class Arm(StrEnum):
    """What a request of a running experiment gets.

    ``insights`` those that fit; ``holdout`` nothing, though some fit; ``padding`` irrelevant text
    of the same length, which tells the insights' effect from that of a longer prompt. ``gated``
    is no arm of the experiment: nothing was eligible.
    """

    INSIGHTS = "insights"
    HOLDOUT = "holdout"
    PADDING = "padding"
    GATED = "gated"


@dataclass(frozen=True, slots=True)
class TransferTarget:
    """A model that insights are handed to.

    Attributes:
        model_id: the model.
        token_budget: most tokens that the insights may take.
        protocol: name of the protocol to use always; empty to have one chosen.
        follows_system_prompt: whether it heeds a system turn; if not, insights go before
            the question.
        count_tokens: the model's own count, or a bound that never undercounts.
        prefers: the protocol to begin with; empty for the configured default.
    """

    model_id: str
    token_budget: int = 1024
    protocol: str = ""
    follows_system_prompt: bool = True
    count_tokens: Callable[[str], int] = utf8_bytes
    prefers: str = ""

    def __post_init__(self) -> None:
        checks.text("model_id", self.model_id)
        checks.at_least("token_budget", self.token_budget, 0)


@dataclass(frozen=True, slots=True)
class RejectedInsight:
    """An insight that was not handed over, and why."""

    insight: Insight
    reason: str


@dataclass(slots=True)
class TransferResult:
    """What was handed over.

    Attributes:
        success: whether anything was handed over, at the quality asked for.
        transferred_insights: the insights whose content stands in ``context``.
        transfer_quality_score: 0..1.
        rejected: the others, each with its reason.
        context: the text for the target model; empty when nothing is handed over.
        tokens: how many of the target's tokens ``context`` has, at most.
        latency_ms: time that preparing it took, in milliseconds.
        error: what went wrong, when ``success`` is false.
        protocol: the form in which the context is written.
        arm: one of :class:`Arm`.
        withheld: the insights that would have been handed over, in an arm that withholds them.
        task_type: what effects are kept apart by, beside the target.
        propensity: the probability that the request had of falling into its arm, 0..1.
        relevance: how well the best of the insights fits the question, 0..1.
    """

    success: bool
    transferred_insights: list[Insight] = field(default_factory=list)
    transfer_quality_score: float = 0.0
    rejected: list[RejectedInsight] = field(default_factory=list)
    context: str = ""
    tokens: int = 0
    latency_ms: float = 0.0
    error: str | None = None
    source_model: str = ""
    target_model: str = ""
    protocol: str = ""
    arm: str = Arm.INSIGHTS
    withheld: list[Insight] = field(default_factory=list)
    task_type: str = ""
    propensity: float = 1.0
    relevance: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; insights by id."""
        return {
            "success": self.success,
            "transferred_insights": [insight.id for insight in self.transferred_insights],
            "transfer_quality_score": self.transfer_quality_score,
            "rejected": [{"id": r.insight.id, "reason": r.reason} for r in self.rejected],
            "context": self.context,
            "tokens": self.tokens,
            "latency_ms": self.latency_ms,
            "error": self.error,
            "source_model": self.source_model,
            "target_model": self.target_model,
            "protocol": self.protocol,
            "arm": str(self.arm),
            "withheld": [insight.id for insight in self.withheld],
            "task_type": self.task_type,
            "propensity": self.propensity,
            "relevance": self.relevance,
        }
