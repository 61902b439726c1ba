"""What happened lately, what it did cost, and whether anything is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from markupsafe import Markup
from nicegui import ui

from crossmodel.dashboard.charts import bars
from crossmodel.dashboard.forms import asking, choice
from crossmodel.dashboard.gateway import GatewayNotReachedError
from crossmodel.dashboard.markup import (
    badge,
    empty,
    facts,
    link,
    section,
    sentence,
    share,
    spoken,
    tag,
    usd,
)
from crossmodel.dashboard.sources import requests_over_time
from crossmodel.dashboard.view import View, put
from crossmodel.domain.performance import PerformanceReport
from crossmodel.domain.period import TimePeriod
from crossmodel.errors import CrossModelError

PATH: Final = "/"
TITLE: Final = "Overview"

PERIODS: Final = {"1h": "Last hour", "24h": "Last day", "7d": "Last 7 days", "30d": "Last 30 days"}
DURATIONS: Final = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
REFRESH_SECONDS: Final = 15.0
"""How often the figures are brought up to date while somebody looks."""


async def build(view: View) -> None:
    """The figures of a period; they go on while the page is open."""
    asked = view.asked("period")
    period = asked if asked in PERIODS else "24h"
    put(
        tag("h1", TITLE),
        asking(PATH, choice("period", "Period", period, PERIODS.items()), button="Show"),
    )
    traffic, health = put(await _traffic_of(view, period)), put(await _health(view))

    async def refresh() -> None:
        if not view.is_live:
            return
        try:  # what has not changed is not written anew: the focus stays where it is
            traffic.content = str(await _traffic_of(view, period))
            health.content = str(await _health(view))
        except CrossModelError as error:
            traffic.content = str(sentence(error))

    ui.timer(REFRESH_SECONDS, refresh, immediate=False)


async def _traffic_of(view: View, period: str) -> Markup:
    span = TimePeriod.last(DURATIONS[period])
    return _traffic(await view.sources.traffic(view.tenant, span))


def _traffic(report: PerformanceReport) -> Markup:
    total = report.total
    if not total.requests:
        return empty(
            "There were no requests in this time.",
            "Start the gateway and point a client at it, or see the whole loop at work once:",
            "crossmodel serve\ncrossmodel demo",
        )
    saved = total.baseline_usd - total.cost_usd
    part = saved / total.baseline_usd if total.baseline_usd else None
    figures = facts(
        ("Requests", f"{total.requests:,}"),
        ("Failed", f"{share(total.error_rate)} ({total.errors})"),
        ("Spent", usd(total.cost_usd)),
        ("With the dearest model", usd(total.baseline_usd)),
        ("Saved", f"{usd(saved)} ({share(part)})"),
    )
    covered = report.time_period
    first, last = (f"{at:%Y-%m-%d %H:%M} UTC" for at in (covered.start, covered.end))
    pieces = [
        tag("div", figures, class_="big"),
        bars("Requests over time", requests_over_time(report), first, last),
        tag(
            "p",
            "What the dearest model would have cost: as if it had been asked for the same tokens, "
            "less those of insights that were handed over.",
        ),
    ]
    if total.uncounted:
        pieces.append(
            tag(
                "p",
                f"Nobody counted the tokens of {total.uncounted:,} requests: they stand on both "
                "sides with what they did cost.",
            )
        )
    return section("Traffic", *pieces)


async def _health(view: View) -> Markup:
    if not view.session.runs_everything:
        return Markup()
    return section("Health", await _watched(view), await _gateway(view))


async def _watched(view: View) -> Markup:
    alerts = await view.sources.alerts()
    if alerts is None:
        return tag("p", "Nobody watches: ", link("/alerts", "how to change that"), ".")
    lasting = sum(not each.is_over for each in alerts)
    said = f"{lasting} last" if lasting else "nothing is wrong"
    return tag("p", link("/alerts", "Alerts"), ": ", badge(said, "bad" if lasting else "good"))


async def _gateway(view: View) -> Markup:
    try:
        endpoints = await view.sources.gateway.endpoints()
    except GatewayNotReachedError as error:
        return tag("p", badge("gateway not reachable", "doubtful"), f" {spoken(error)}")
    ill = sum(each.circuit != "closed" or not each.is_healthy for each in endpoints)
    if ill:
        state = badge(f"{ill} of {len(endpoints)} endpoints are not well", "bad")
    else:
        state = badge(f"all {len(endpoints)} endpoints are well", "good")
    return tag("p", "Gateway: ", state, " ", link("/models", "Endpoints"))
