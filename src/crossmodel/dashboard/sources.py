"""Where the figures come from that several pages show: traffic, alerts, and the running gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from crossmodel.assembly import CrossModel
from crossmodel.dashboard.gateway import Gateway
from crossmodel.domain import alerts as kept
from crossmodel.domain.performance import PerformanceReport
from crossmodel.domain.period import TimePeriod, utc_now
from crossmodel.ports import Transaction

BUCKETS: Final = 24
"""Points of a line over a period."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that somebody should know.

    Attributes:
        name: the check that found it, and what it is about.
        message: what is wrong, and what to do.
        since: when it was first found.
        ended: when it had recovered; ``None`` if it lasts.
        is_silenced: whether nobody is told at present.
    """

    name: str
    message: str
    since: datetime
    ended: datetime | None = None
    is_silenced: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it has recovered."""
        return self.ended is not None


@dataclass(frozen=True, slots=True)
class Sources:
    """What pages ask beside the desk."""

    cm: CrossModel
    gateway: Gateway

    async def traffic(self, tenant: str, period: TimePeriod) -> PerformanceReport:
        """What a tenant's requests of a period came to."""
        return await self.cm.performance(period, tenant=tenant)

    async def alerts(self, *, limit: int = 100) -> list[Alert] | None:
        """Those that last first, then the latest; ``None`` if nobody watches and nobody has."""

        def work(tx: Transaction) -> list[Alert]:
            found = [
                *tx.list_alerts(state="firing", limit=limit),
                *tx.list_alerts(state="resolved", limit=limit),
            ]
            silences = tx.silences(utc_now())
            return [_shown(each, silences) for each in found[:limit]]

        found = await self.cm.engine.store.read(work)
        return found if found or self.cm.settings.watches else None


def requests_over_time(report: PerformanceReport) -> list[int]:
    """The requests in each of :data:`BUCKETS` equally long parts of a report's period."""
    covered, counts = report.time_period, [0] * BUCKETS
    for point in report.trend:
        at = (point.start - covered.start) / covered.duration if covered.duration else 0.0
        counts[min(max(int(at * BUCKETS), 0), BUCKETS - 1)] += point.figures.requests
    return counts


def _shown(alert: kept.Alert, silences: Sequence[kept.Silence]) -> Alert:
    return Alert(
        f"{alert.check}: {alert.subject}" if alert.subject else alert.check,
        alert.message,
        alert.opened_at,
        alert.resolved_at,
        any(silence.mutes(alert) for silence in silences),
    )
