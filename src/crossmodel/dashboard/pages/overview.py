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
from crossmodel.dashboard.sources import TrafficSummary
from crossmodel.dashboard.view import View, put
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
    return _traffic(await view.sources.traffic.summary(view.tenant, span))


def _traffic(summary: TrafficSummary) -> Markup:
    if not summary.requests:
        return empty(
            "There were no requests in this time.",
            "Start the gateway and point a client at it, or see the whole loop at work once:",
            "crossmodel serve\ncrossmodel demo",
        )
    saved = None if summary.baseline_usd is None else summary.baseline_usd - summary.cost_usd
    part = saved / summary.baseline_usd if saved is not None and summary.baseline_usd else None
    figures = facts(
        ("Requests", f"{summary.requests:,}"),
        ("Failed", f"{share(summary.error_rate)} ({summary.failures})"),
        ("Spent", usd(summary.cost_usd)),
        ("With the dearest model", usd(summary.baseline_usd)),
        ("Saved", f"{usd(saved)} ({share(part)})" if saved is not None else "not known"),
    )
    first, last = (f"{at:%Y-%m-%d %H:%M} UTC" for at in (summary.period.start, summary.period.end))
    pieces = [
        tag("div", figures, class_="big"),
        bars("Requests over time", summary.per_bucket, first, last),
        tag("p", f"What the dearest model would have cost: as if {summary.assumption}.")
        if summary.baseline_usd is not None
        else tag(
            "p",
            "What the dearest model would have cost is not known: some answers came from models "
            "that are free, or not configured any more, so that nobody knows their tokens.",
        ),
    ]
    if not summary.is_whole:
        pieces.append(
            tag("p", "There were more requests than are looked at: these are the latest of them.")
        )
    return section("Traffic", *pieces)


async def _health(view: View) -> Markup:
    if not view.session.runs_everything:
        return Markup()
    return section("Health", await _watched(view), await _gateway(view))


async def _watched(view: View) -> Markup:
    alerts = await view.sources.alerts.alerts()
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
