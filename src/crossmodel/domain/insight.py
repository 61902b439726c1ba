"""An insight, the evidence that it stands on, and what extraction says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from crossmodel.domain.completion import Usage
from crossmodel.domain.period import TimePeriod, utc_now
from crossmodel.errors import InvalidInputError


def text_sha256(text: str) -> str:
    """SHA-256 of the UTF-8 bytes, in hex; lone surrogates are hashed too."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Span:
    """``text[start:end]``, in Python string offsets.

    Raises:
        InvalidInputError: if the offsets do not describe a span that holds something.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise InvalidInputError(f"not a span: {self.start}..{self.end}")

    def of(self, text: str) -> str:
        """The piece of ``text`` that it covers."""
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span of one exact source, which is known by the SHA-256 of its UTF-8 bytes."""

    start: int
    end: int
    source_sha256: str

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise InvalidInputError(f"not a span: {self.start}..{self.end}")

    @property
    def span(self) -> Span:
        """The offsets alone."""
        return Span(self.start, self.end)


class InsightType(StrEnum):
    """What an insight is about: one for each default pattern. Custom patterns may use others."""

    REASONING = "reasoning"
    CREATIVITY = "creativity"
    ANALYSIS = "analysis"
    CODING = "coding"
    MATH = "math"
    LANGUAGE = "language"


class InsightKind(StrEnum):
    """What an insight is: what transfer needs to know to put it to use."""

    CLAIM = "claim"
    RULE = "rule"
    EXAMPLE = "example"
    DEFINITION = "definition"
    CONCLUSION = "conclusion"
    STEP = "step"
    FINAL_ANSWER = "final_answer"
    CODE = "code"
    EQUATION = "equation"
    IDEA = "idea"
    COMPARISON = "comparison"
    RISK = "risk"
    RECOMMENDATION = "recommendation"
    FINDING = "finding"
    TRANSLATION = "translation"
    METHOD = "method"
    COMPOSITION = "composition"


class ValidationStatus(StrEnum):
    """Where an insight stands with the validator."""

    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"
    VALIDATION_ERROR = "validation_error"


class Standing(StrEnum):
    """Whether an insight may be handed over: what measuring and people have made of it."""

    ACTIVE = "active"
    DEMOTED = "demoted"
    QUARANTINED = "quarantined"


RELEASED = "released by a person"
"""Why an active insight is active that was set aside before."""

UNKNOWN_TRUST = 0.5
"""Trust in a source that nobody has said anything about, 0..1."""


@dataclass(slots=True)
class Insight:
    """Something that a model's answer says, and where it says it.

    Attributes:
        content: the insight in the words of its source.
        insight_type: one of :class:`InsightType`, or a custom pattern's own word.
        kind: one of :class:`InsightKind`, or a custom pattern's own word.
        evidence: the spans that it stands on.
        scope: what it applies to, as its source says it (a heading, a subject); may be empty.
        links: ids of insights that belong to it: a rule's worked examples, an example's rule.
        confidence_score: how likely it is to be right, 0..1.
        validation_status: one of :class:`ValidationStatus`.
        metadata: the insight's own copy, never shared with another.
        trust: how far its source is trusted, 0..1: that of the best of its sources.
        standing: one of :class:`Standing`; ``demoted`` comes last, ``quarantined`` never leaves.
        standing_reason: why it stands so; empty while it has always been active.
        id: derived from type, kind, content and evidence, so the same find has the same id.
    """

    content: str
    insight_type: str = InsightType.REASONING
    kind: str = InsightKind.CLAIM
    evidence: tuple[Evidence, ...] = ()
    scope: str = ""
    links: tuple[str, ...] = ()
    source_model: str = ""
    confidence_score: float = 0.0
    validation_status: str = ValidationStatus.PENDING
    extraction_timestamp: datetime = field(default_factory=utc_now)
    metadata: dict[str, Any] = field(default_factory=dict)
    trust: float = UNKNOWN_TRUST
    standing: str = Standing.ACTIVE
    standing_reason: str = ""
    id: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            self.id = self.content_id()

    def content_id(self) -> str:
        """The id that type, kind, content and evidence give: 120 bits of SHA-256, in hex."""
        parts = [str(self.insight_type), str(self.kind), self.content]
        parts += [f"{e.source_sha256}:{e.start}:{e.end}" for e in self.evidence]
        return "ins_" + text_sha256("\x1f".join(parts))[:30]


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What the validator found. ``reasons`` says what speaks against the insight."""

    status: str
    reasons: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether the insight may be used."""
        return self.status == ValidationStatus.VALID

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "status": str(self.status),
            "is_valid": self.is_valid,
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True, slots=True)
class ExtractionResult:
    """One extraction: what was found, what was refused and why, how long it took.

    ``rejected`` counts refused insights by reason; ``errors`` has a line per failed pattern.
    ``usage`` and ``cost_usd`` are those of the model that assisted, if one did.
    """

    insights: list[Insight]
    source_model: str
    source_sha256: str = ""
    latency_ms: float = 0.0
    rejected: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0

    @property
    def average_confidence(self) -> float:
        """Mean confidence of the insights, 0 when there are none."""
        if not self.insights:
            return 0.0
        return sum(insight.confidence_score for insight in self.insights) / len(self.insights)


@dataclass(frozen=True, slots=True)
class ExtractionStatistics:
    """What extraction did within a period."""

    time_period: TimePeriod
    total_insights: int = 0
    unique_models: int = 0
    unique_types: int = 0
    average_confidence: float = 0.0
    validation_status_counts: dict[str, int] = field(default_factory=dict)
    patterns_used: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    pattern_errors: dict[str, int] = field(default_factory=dict)
