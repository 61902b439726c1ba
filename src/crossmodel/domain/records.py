"""What the store keeps of each step, beside insights, outcomes and the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crossmodel.domain.insight import Insight, text_sha256
from crossmodel.domain.period import utc_now

DEFAULT_TENANT = "default"


@dataclass(frozen=True, slots=True)
class SourceText:
    """A text that insights were extracted from: their offsets point into exactly this."""

    text: str
    source_model: str
    tenant: str = DEFAULT_TENANT
    origin: str = ""
    created_at: datetime = field(default_factory=utc_now)

    @property
    def sha256(self) -> str:
        """SHA-256 of the text's UTF-8 bytes, in hex."""
        return text_sha256(self.text)


@dataclass(frozen=True, slots=True)
class SelectionRecord:
    """One selection as it was made.

    ``propensity`` is the probability that the model had of being chosen, 0..1: less than 1 where
    selection explores. ``None`` in records of before it was noted.
    """

    request_id: str
    tenant: str
    model_id: str
    suitability_score: float
    alternatives: tuple[str, ...]
    requirement: Mapping[str, Any]
    selected_at: datetime
    latency_ms: float
    propensity: float | None = None


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """One transfer as it was made; the context itself is known by its commitment's digest.

    ``insight_ids`` are those that were handed over or, in an arm that withholds them, would have
    been. ``arm`` is one of :class:`~crossmodel.domain.transfer.Arm`, ``propensity`` the probability
    that the request had of falling into it, 0..1; ``relevance`` is that of the best insight, 0..1.
    """

    request_id: str
    tenant: str
    target_model: str
    protocol: str
    success: bool
    insight_ids: tuple[str, ...]
    quality_score: float
    tokens: int
    context_digest: str
    transferred_at: datetime
    error: str | None = None
    arm: str = "insights"
    task_type: str = ""
    propensity: float = 1.0
    relevance: float | None = None


@dataclass(frozen=True, slots=True)
class RankedInsight:
    """An insight found by a search; a higher ``relevance`` is a better match, 0..1."""

    insight: Insight
    relevance: float
