"""What operators want to know of a period, read from the store in one snapshot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from crossmodel.desk.report import (
    InsightEffect,
    OperationsReport,
    assumptions_of,
    best_effects,
    overlapping,
)
from crossmodel.domain.incidents import Incident
from crossmodel.domain.performance import PerformanceReport
from crossmodel.domain.period import TimePeriod, utc_now
from crossmodel.engine import Engine
from crossmodel.performance import performance_report
from crossmodel.ports import Transaction
from crossmodel.reliability import CrossModelConfidenceCalibrator
from crossmodel.settings import Settings
from crossmodel.transfer import uplift


class ReportDesk(ABC):
    """The part of :class:`~crossmodel.CrossModel` that says what a tenant's traffic came to."""

    settings: Settings

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """The loop itself, with its stages and adapters."""

    async def performance(
        self, period: TimePeriod, *, tenant: str | None = None
    ) -> PerformanceReport:
        """Requests, errors, latency, tokens, cost and scores of a period, by model and in time.

        The history reaches back as far as the store does: by minute for two days, then by hour,
        after ninety days by day. The report says which period it covers.
        """
        of = tenant or self.settings.loop.tenant
        await self.engine.ledger.settle()
        return performance_report(await self.engine.store.read(lambda tx: tx.traffic(of, period)))

    async def report(
        self,
        period: TimePeriod,
        *,
        incidents: Iterable[Incident] | None = None,
        tenant: str | None = None,
    ) -> OperationsReport:
        """What was spent, what it would have cost, how good it was, and what has helped.

        ``incidents`` are those that a health monitor knows of, by default those in the store; of
        them the report keeps what lies within its period.
        """
        of = tenant or self.settings.loop.tenant
        await self.engine.ledger.settle()
        dearest = max(
            self.engine.models.values(),
            key=lambda model: model.blended_price_per_token,
            default=None,
        )

        def work(tx: Transaction) -> OperationsReport:
            performance = performance_report(tx.traffic(of, period))
            tallies = tx.tallies(of)
            best = best_effects(uplift.effects_by_name(tallies, "insight"))
            contents = {i.id: i.content for i in tx.get_insights(of, [name for name, _ in best])}
            known = CrossModelConfidenceCalibrator.of(tx.reliability(of))
            covered = performance.time_period
            seen = tx.incidents(covered) if incidents is None else list(incidents)
            is_watched = bool(seen) or incidents is not None or self.settings.watches
            beliefs = [known.reliability(name, covered) for name in known.models()]
            return OperationsReport(
                tenant=of,
                made_at=utc_now(),
                performance=performance,
                dearest=dearest,
                protocols=uplift.effects_by_name(tallies, "protocol"),
                insights=tuple(
                    InsightEffect(name, contents.get(name), each) for name, each in best
                ),
                reliability=tuple(each for each in beliefs if each.n),
                incidents=overlapping(seen, performance) if is_watched else None,
                assumptions=assumptions_of(performance, dearest),
            )

        return await self.engine.store.read(work)
