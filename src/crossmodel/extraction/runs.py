"""What extractions count while they run, and what that comes to over a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from crossmodel.domain.completion import Usage
from crossmodel.domain.insight import ExtractionStatistics, Insight
from crossmodel.domain.period import TimePeriod
from crossmodel.extraction.assisted import Assistance
from crossmodel.extraction.patterns import ExtractionPattern


@dataclass(slots=True)
class Run:
    """What one extraction counts."""

    extractor: object
    started_at: datetime
    rejected: Counter[str] = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)
    patterns: dict[str, ExtractionPattern] = field(default_factory=dict)  # of this one alone
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0

    def assisted(self, pattern_name: str, assistance: Assistance) -> None:
        """Count what a pattern that asks a model reports."""
        self.rejected.update(assistance.rejected)
        if assistance.errors:
            self.errors[pattern_name] = "; ".join(assistance.errors)
        self.usage += assistance.usage
        self.cost_usd += assistance.cost_usd


def statistics(
    history: Iterable[Insight], runs: Iterable[Run], period: TimePeriod, *, patterns_used: int
) -> ExtractionStatistics:
    """What of ``history`` and ``runs`` falls within the period."""
    insights = [each for each in history if period.contains(each.extraction_timestamp)]
    rejected: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for run in runs:
        if period.contains(run.started_at):
            rejected.update(run.rejected)
            errors.update(run.errors.keys())
    total = len(insights)
    return ExtractionStatistics(
        time_period=period,
        total_insights=total,
        unique_models=len({insight.source_model for insight in insights}),
        unique_types=len({insight.insight_type for insight in insights}),
        average_confidence=(
            sum(insight.confidence_score for insight in insights) / total if total else 0.0
        ),
        validation_status_counts=dict(Counter(str(each.validation_status) for each in insights)),
        patterns_used=patterns_used,
        rejected=dict(rejected),
        pattern_errors=dict(errors),
    )
