"""What the system did for its operator: money, quality, insights, calibration, incidents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from crossmodel.domain.incidents import Incident
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.performance import PerformanceReport
from crossmodel.domain.reliability import Reliability

if TYPE_CHECKING:
    from crossmodel.transfer.uplift import EffectOnTarget

TOP: Final = 10
"""Insights that a report shows."""


@dataclass(frozen=True, slots=True)
class InsightEffect:
    """What an insight did to one model's scores.

    ``content`` is ``None`` if the insight has been erased.
    """

    insight_id: str
    content: str | None
    effect: EffectOnTarget

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"id": self.insight_id, "content": self.content, **self.effect.to_dict()}


@dataclass(frozen=True, slots=True)
class OperationsReport:
    """What one tenant's traffic of a period came to.

    Attributes:
        tenant: whose.
        made_at: when the report was made, UTC.
        performance: requests, cost, latency, quality.
        dearest: the dearest model that is configured now; ``None`` if none is.
        protocols: what insights did to scores, by protocol: of all time.
        insights: the insights whose effect was measured, best first: of all time.
        reliability: how far each source model was to be believed, on the days of the period.
        incidents: what went wrong within it; ``None`` where nobody watches.
        assumptions: what the figures rest on, a sentence each.
    """

    tenant: str
    made_at: datetime
    performance: PerformanceReport
    dearest: ModelSpec | None = None
    protocols: dict[str, list[EffectOnTarget]] = field(default_factory=dict)
    insights: tuple[InsightEffect, ...] = ()
    reliability: tuple[Reliability, ...] = ()
    incidents: tuple[Incident, ...] | None = None
    assumptions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        dearest = self.dearest
        return {
            "tenant": self.tenant,
            "made_at": self.made_at.isoformat(),
            **self.performance.to_dict(),
            "dearest_model": dearest
            and {
                "id": dearest.id,
                "input_price": dearest.input_price,
                "output_price": dearest.output_price,
            },
            "protocols": {
                name: [each.to_dict() for each in effects]
                for name, effects in self.protocols.items()
            },
            "insights": [each.to_dict() for each in self.insights],
            "reliability": [each.to_dict() for each in self.reliability],
            "incidents": None
            if self.incidents is None
            else [each.to_dict() for each in self.incidents],
            "assumptions": list(self.assumptions),
        }


def best_effects(
    effects: dict[str, list[EffectOnTarget]], most: int = TOP
) -> list[tuple[str, EffectOnTarget]]:
    """The effects that are known, by the lower end of their interval, best first."""
    known = [
        (name, each) for name, every in effects.items() for each in every if each.over_nothing.known
    ]
    return sorted(known, key=lambda pair: (-pair[1].over_nothing.low, pair[0]))[:most]


def overlapping(incidents: Iterable[Incident], report: PerformanceReport) -> tuple[Incident, ...]:
    """The incidents that were going on at any time within a report's period, oldest first."""
    start, end = report.time_period.start, report.time_period.end
    return tuple(
        sorted(
            (
                each
                for each in incidents
                if each.opened_at <= end and (each.resolved_at is None or each.resolved_at >= start)
            ),
            key=lambda each: each.opened_at,
        )
    )


def assumptions_of(report: PerformanceReport, dearest: ModelSpec | None) -> tuple[str, ...]:
    """What the comparison with the baseline rests on, and where it does not hold."""
    return tuple(_assumptions(report, dearest))


def _assumptions(report: PerformanceReport, dearest: ModelSpec | None) -> Iterator[str]:
    total, transfers = report.total, report.transfers
    now = ""
    if dearest is not None:
        now = (
            f" Now that is {dearest.id}, at {dearest.input_price:g} USD per million tokens read "
            f"and {dearest.output_price:g} per million written."
        )
    yield (
        "Without selection every request would have gone to the dearest model that was configured "
        f"when it came: the one with the highest price of three tokens read and one written.{now}"
    )
    yield (
        "That model would have read and written as many tokens as providers counted, without those "
        f"of insights that were handed over ({transfers.tokens:,} at most in this period). Other "
        "models cut other tokens and write answers of other lengths."
    )
    if total.uncounted:
        yield (
            f"Nobody counted the tokens of {total.uncounted:,} of {total.requests:,} requests: "
            "they failed, came from the cache, or the provider did not say. They are taken to have "
            "cost the same without selection, so nothing is claimed to be saved on them."
        )
    yield (
        "What extraction by a model and repeated questions did cost is spent, and not in the "
        "baseline: without CrossModel there would be neither."
    )
    yield (
        "The dearest model is not taken to be as good or better: scores of answers, where anybody "
        "gave them, are under quality."
    )
