"""Figures in words, the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from crossmodel.domain.performance import PerformanceReport

if TYPE_CHECKING:
    from crossmodel.transfer.uplift import Effect

CENT: Final = 0.01


def usd(value: float) -> str:
    """Money: to the cent, and less of it with two significant digits."""
    if value and abs(value) < CENT:
        return f"{value:.2g} USD"
    return f"{value:,.2f} USD"


def share(value: float | None) -> str:
    """A share of 0..1 in percent; empty where there is none."""
    return "" if value is None else f"{value:.1%}"


def milliseconds(value: float | None) -> str:
    """A latency; empty where none was measured."""
    return "" if value is None else f"{value:,.0f} ms"


def moment(at: datetime) -> str:
    """A moment in UTC, to the minute."""
    return f"{at:%Y-%m-%d %H:%M}"


def mean_with_interval(mean: float | None, interval: Sequence[float]) -> str:
    """A mean within 0..1 and its 95 % interval; empty where there is none."""
    if mean is None:
        return ""
    return f"{mean:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def points(effect: Effect) -> str:
    """A difference of scores in points of 100 and its 95 % interval."""
    if not effect.known:
        return "not measured"
    low, high = 100 * effect.low, 100 * effect.high
    return f"{100 * effect.difference:+.1f} ({low:+.1f} to {high:+.1f})"


def span(report: PerformanceReport) -> str:
    """Which period a report covers."""
    period = report.time_period
    return f"From {moment(period.start)} to {moment(period.end)} UTC"


def headline(report: PerformanceReport) -> str:
    """What a period came to, in a line."""
    total = report.total
    if not total.requests:
        return f"No requests, {usd(total.cost_usd)} spent"
    if total.saved_usd < 0:
        return f"{usd(total.cost_usd)} spent, {usd(-total.saved_usd)} more than the dearest model"
    return f"{usd(total.cost_usd)} spent, {usd(total.saved_usd)} saved"
