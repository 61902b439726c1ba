"""How often what a model said with some confidence came true: sums, and figures made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

DayBin = tuple[date, int]
"""A day in UTC, and which of the ten bins of confidence."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What was observed of some claims: how many, and sums of confidence and of correctness.

    Correctness is 0..1 each: a claim may have been right in part.
    """

    n: int = 0
    confidence: float = 0.0
    correct: float = 0.0

    def __add__(self, other: Observed) -> Observed:
        return Observed(
            self.n + other.n, self.confidence + other.confidence, self.correct + other.correct
        )

    def __neg__(self) -> Observed:
        return Observed(-self.n, -self.confidence, -self.correct)

    @property
    def gap(self) -> float:
        """Sum of what was said less sum of what came: above 0 where too much was said."""
        return self.confidence - self.correct


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found of one insight outside of feedback on answers.

    Attributes:
        correct: whether it is right.
        source: ``"judged"`` by somebody, or ``"quarantined"``.
        day: the day, in UTC, that it counts for.
    """

    correct: bool
    source: str
    day: date


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One of ten bins of confidence, ``low`` included; the last holds 1 as well.

    The means are ``None`` where nothing was observed.
    """

    low: float
    high: float
    n: int = 0
    mean_confidence: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far a model's confidence was to be believed.

    Attributes:
        source_model: the model.
        n: observations.
        mean_confidence: what it said on average, 0..1; ``None`` without observations.
        accuracy: how often that came true, 0..1; ``None`` without observations.
        interval: 95 % interval of the accuracy.
        ece: expected calibration error over ten bins of equal width, 0..1.
        overconfidence: the part of it from bins that said too much.
        underconfidence: the part from bins that said too little; the two add up to ``ece``.
        bins: the ten bins.
        start: first day, in UTC; ``None`` for all that is known.
        end: last day, included.
    """

    source_model: str
    n: int = 0
    mean_confidence: float | None = None
    accuracy: float | None = None
    interval: tuple[float, float] = (0.0, 1.0)
    ece: float = 0.0
    overconfidence: float = 0.0
    underconfidence: float = 0.0
    bins: tuple[ReliabilityBin, ...] = field(default=(), repr=False)
    start: date | None = None
    end: date | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "source_model": self.source_model,
            "start": self.start.isoformat() if self.start else None,
            "end": self.end.isoformat() if self.end else None,
            "n": self.n,
            "mean_confidence": self.mean_confidence,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "ece": self.ece,
            "overconfidence": self.overconfidence,
            "underconfidence": self.underconfidence,
            "bins": [
                {name: getattr(each, name) for name in ReliabilityBin.__slots__}
                for each in self.bins
            ],
        }
