"""What each model did: a bounded history of selections and outcomes, and reports over it."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crossmodel.domain.models import ModelCapability
from crossmodel.domain.period import TimePeriod
from crossmodel.domain.selection import ModelPerformanceReport, ModelSelection, Outcome
from crossmodel.errors import ModelNotFoundError


@dataclass(slots=True)
class _History:
    selections: deque[tuple[datetime, float]]
    outcomes: deque[Outcome]
    capabilities: dict[ModelCapability, float] = field(default_factory=dict)


class PerformanceTracker:
    """Keeps the last ``history_size`` selections and outcomes of every model; thread-safe."""

    def __init__(self, history_size: int = 1000) -> None:
        self._history_size = history_size
        self._histories: dict[str, _History] = {}
        self._lock = threading.Lock()

    def initialize_tracking(self, model_id: str) -> None:
        """Start a model's history; one that there is already is kept."""
        with self._lock:
            self._tracked(model_id)

    def record_selection(self, selection: ModelSelection) -> None:
        """Remember that a model was chosen."""
        with self._lock:
            self._tracked(selection.model_id).selections.append(
                (selection.selection_timestamp, selection.suitability_score)
            )

    def record_outcome(self, outcome: Outcome) -> None:
        """Remember how an answer turned out."""
        with self._lock:
            self._tracked(outcome.model_id).outcomes.append(outcome)

    def update_capabilities(
        self, model_id: str, capabilities: Mapping[ModelCapability, float]
    ) -> None:
        """Remember the scores that a model's profile was given."""
        with self._lock:
            self._tracked(model_id).capabilities.update(capabilities)

    def generate_performance_report(
        self, model_id: str, time_period: TimePeriod
    ) -> ModelPerformanceReport:
        """What the model did within ``time_period``, as far as the history reaches.

        Raises:
            ModelNotFoundError: if the model was never tracked.
        """
        with self._lock:
            history = self._history(model_id)
            suitabilities = [s for at, s in history.selections if time_period.contains(at)]
            outcomes = [o for o in history.outcomes if time_period.contains(o.recorded_at)]
            capabilities = {str(name): score for name, score in history.capabilities.items()}
        calls = [o for o in outcomes if o.source == "engine"]
        latencies = sorted(o.latency_ms for o in calls if o.latency_ms is not None)
        scores = [o.score for o in outcomes if o.score is not None]
        return ModelPerformanceReport(
            model_id=model_id,
            time_period=time_period,
            total_selections=len(suitabilities),
            total_outcomes=len(outcomes),
            success_rate=_mean([float(o.success) for o in calls]),
            average_score=_mean(scores),
            average_suitability=_mean(suitabilities),
            latency_p50_ms=_percentile(latencies, 50),
            latency_p95_ms=_percentile(latencies, 95),
            latency_p99_ms=_percentile(latencies, 99),
            total_cost_usd=math.fsum(o.cost_usd for o in calls if o.cost_usd is not None),
            trend=_trend(outcomes, time_period),
            capabilities=capabilities,
        )

    def _tracked(self, model_id: str) -> _History:
        history = self._histories.get(model_id)
        if history is None:
            size = self._history_size
            history = _History(deque(maxlen=size), deque(maxlen=size))
            self._histories[model_id] = history
        return history

    def _history(self, model_id: str) -> _History:
        try:
            return self._histories[model_id]
        except KeyError:
            raise ModelNotFoundError(f"model {model_id!r} is not tracked") from None


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    """Nearest rank: the smallest value that ``percent`` % of all values do not exceed."""
    if not ordered:
        return None
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1]


def _trend(outcomes: Sequence[Outcome], period: TimePeriod) -> float | None:
    middle = period.start + period.duration / 2
    scored = [(o.recorded_at, o.score) for o in outcomes if o.score is not None]
    earlier = _mean([score for at, score in scored if at < middle])
    later = _mean([score for at, score in scored if at >= middle])
    return None if earlier is None or later is None else later - earlier
