"""What the system did within a period, as figures for people and for checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from crossmodel.domain.period import TimePeriod


@dataclass(frozen=True, slots=True)
class TrafficFigures:
    """What requests came to: of one model, of all, or of one stretch of time.

    Latencies run from a request to the end of its answer; they are ``None`` where nothing was
    measured, and leave out answers from the cache. Nor are there scores where nobody gave any.

    Attributes:
        requests: how many there were.
        errors: those of them without a whole answer, whoever's fault that was.
        cached: those that the cache answered.
        streams: those that were answered as a stream.
        input_tokens: tokens read, as far as providers counted them.
        output_tokens: tokens written, likewise.
        uncounted: requests whose tokens nobody counted.
        cost_usd: what was spent, extraction by a model included.
        baseline_usd: what the dearest configured model would have cost for the same tokens, less
            those of insights that were handed over; for uncounted requests what they did cost.
        latency_p50_ms: half of the answers took no longer, in milliseconds.
        latency_p95_ms: 95 % took no longer.
        latency_p99_ms: 99 % took no longer.
        scores: how many answers were given a score.
        mean_score: its mean, 0..1.
        score_interval: 95 % interval of the mean.
    """

    requests: int = 0
    errors: int = 0
    cached: int = 0
    streams: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    uncounted: int = 0
    cost_usd: float = 0.0
    baseline_usd: float = 0.0
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    latency_p99_ms: float | None = None
    scores: int = 0
    mean_score: float | None = None
    score_interval: tuple[float, float] = (0.0, 1.0)

    @property
    def error_rate(self) -> float | None:
        """The share of requests without a whole answer, 0..1; ``None`` without requests."""
        return self.errors / self.requests if self.requests else None

    @property
    def saved_usd(self) -> float:
        """What the baseline would have cost more; below 0 where it would have been cheaper."""
        return self.baseline_usd - self.cost_usd

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {
            "score_interval": list(self.score_interval),
            "error_rate": self.error_rate,
            "saved_usd": self.saved_usd,
        }


@dataclass(frozen=True, slots=True)
class SelectionFigures:
    """What choosing models came to.

    Attributes:
        count: requests that a model was chosen or named for.
        mean_latency_ms: how long choosing took on average, in milliseconds.
        mean_suitability: the mean suitability score of the chosen, 0..1.
    """

    count: int = 0
    mean_latency_ms: float | None = None
    mean_suitability: float | None = None


@dataclass(frozen=True, slots=True)
class ExtractionFigures:
    """What extraction came to.

    Attributes:
        count: texts that insights were sought in.
        insights: how many were found.
        mean_confidence: their mean confidence, 0..1.
        mean_latency_ms: how long a text took on average, in milliseconds.
    """

    count: int = 0
    insights: int = 0
    mean_confidence: float | None = None
    mean_latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class TransferFigures:
    """What handing insights over came to.

    Attributes:
        count: requests that insights were to be handed over for.
        successes: those of them for which that was done.
        withheld: requests, not in ``count``, from which a running experiment withheld them.
        insights: how many insights were handed over.
        tokens: how many tokens that took.
        mean_quality: the mean quality of the successes, 0..1.
    """

    count: int = 0
    successes: int = 0
    withheld: int = 0
    insights: int = 0
    tokens: int = 0
    mean_quality: float | None = None

    @property
    def success_rate(self) -> float | None:
        """The share of ``count`` that was done, 0..1; ``None`` if there was nothing to do."""
        return self.successes / self.count if self.count else None


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """The figures of one stretch of a report's period: from ``start`` on, for ``seconds``."""

    start: datetime
    seconds: int
    figures: TrafficFigures

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "start": self.start.isoformat(),
            "seconds": self.seconds,
            **self.figures.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class PerformanceReport:
    """What the system did within a period.

    Attributes:
        time_period: what the figures cover: the period that was asked for, widened to whole
            minutes, hours or days where the history holds no finer figures.
        total: the figures of all models.
        models: those of each model that was asked, by its id in order.
        selections: what choosing models came to.
        extractions: what extraction came to.
        transfers: what handing insights over came to.
        trend: the figures by stretch of time, oldest first; stretches without any are left out.
    """

    time_period: TimePeriod
    total: TrafficFigures = field(default_factory=TrafficFigures)
    models: Mapping[str, TrafficFigures] = field(default_factory=dict)
    selections: SelectionFigures = field(default_factory=SelectionFigures)
    extractions: ExtractionFigures = field(default_factory=ExtractionFigures)
    transfers: TransferFigures = field(default_factory=TransferFigures)
    trend: tuple[TrendPoint, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; times as ISO 8601."""
        return {
            "time_period": {
                "start": self.time_period.start.isoformat(),
                "end": self.time_period.end.isoformat(),
            },
            "total": self.total.to_dict(),
            "models": {name: each.to_dict() for name, each in self.models.items()},
            "selections": _plain(self.selections),
            "extractions": _plain(self.extractions),
            "transfers": _plain(self.transfers) | {"success_rate": self.transfers.success_rate},
            "trend": [point.to_dict() for point in self.trend],
        }


def _plain(figures: SelectionFigures | ExtractionFigures | TransferFigures) -> dict[str, Any]:
    return {each.name: getattr(figures, each.name) for each in fields(figures)}
