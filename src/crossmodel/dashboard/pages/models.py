"""The models: what they cost and are worth, how they do, how far they are to be believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from markupsafe import Markup

from crossmodel.dashboard.charts import calibration, scatter
from crossmodel.dashboard.gateway import Endpoint, GatewayNotReachedError
from crossmodel.dashboard.markup import (
    NONE,
    badge,
    empty,
    link,
    section,
    share,
    spoken,
    table,
    tag,
    usd,
)
from crossmodel.dashboard.view import View, put
from crossmodel.domain.models import ModelSpec
from crossmodel.domain.performance import TrafficFigures
from crossmodel.domain.period import TimePeriod
from crossmodel.domain.reliability import Reliability

PATH: Final = "/models"
TITLE: Final = "Models"

CIRCUITS: Final = {"closed": "good", "half_open": "doubtful", "open": "bad"}
FEW: Final = 10
"""Scores from which on their mean stands in the map in place of what the settings say."""


async def build(view: View) -> None:
    """Map, figures, endpoints, calibration."""
    specs = view.cm.models()
    report = await view.sources.traffic(view.tenant, TimePeriod.last_30_days())
    put(tag("h1", TITLE), _map(specs, report.models), _figures(specs, report.models))
    if view.session.runs_everything:
        put(section("Endpoints now", await _endpoints_now(view)))
    put(
        section(
            "How far they are to be believed",
            *_reliability(await view.cm.reliability(tenant=view.tenant)),
        )
    )


def _map(specs: list[ModelSpec], measured: Mapping[str, TrafficFigures]) -> Markup:
    marks = []
    for spec in specs:
        seen = measured.get(spec.id)
        is_known = seen is not None and seen.mean_score is not None and seen.scores >= FEW
        quality = seen.mean_score if is_known and seen is not None else spec.quality
        marks.append((spec.id, spec.blended_price_per_token * 1e6, quality or 0.0))
    return section(
        "Quality and cost",
        tag(
            "p",
            "Up is better, left is cheaper. Quality is the mean score of answers where there are "
            f"at least {FEW}, and what the settings say elsewhere. Free models stand at the left.",
        ),
        scatter("Quality by price", "USD per million tokens, blended", "Quality", marks),
    )


def _figures(specs: list[ModelSpec], measured: Mapping[str, TrafficFigures]) -> Markup:
    rows = []
    for spec in specs:
        seen = measured.get(spec.id, TrafficFigures())
        rows.append(
            (
                link(f"/selection?model={spec.id}", spec.id),
                f"{spec.quality:.2f}",
                f"{seen.mean_score:.2f} of {seen.scores}" if seen.mean_score is not None else NONE,
                usd(spec.blended_price_per_token * 1e6),
                str(seen.requests),
                share(seen.error_rate) if seen.requests else NONE,
                _ms(seen.latency_p50_ms),
                _ms(seen.latency_p95_ms),
                usd(seen.cost_usd),
            )
        )
    columns = (
        "Model",
        "Quality, set",
        "Score, measured",
        "USD per million",
        "Requests",
        "Failed",
        "Half within",
        "95 % within",
        "Spent",
    )
    return table("The last 30 days", columns, rows, numeric=range(1, 9))


async def _endpoints_now(view: View) -> Markup:
    try:
        return _endpoints(await view.sources.gateway.endpoints())
    except GatewayNotReachedError as error:
        return empty("What it does now, only the gateway knows.", spoken(error))


def _endpoints(endpoints: list[Endpoint]) -> Markup:
    if not endpoints:
        return empty("The gateway serves no model.", "Configure some: [[models]].")
    rows = [
        (
            each.model,
            each.id,
            badge(each.circuit.replace("_", "-"), CIRCUITS.get(each.circuit, "")),
            badge("healthy", "good") if each.is_healthy else badge("not healthy", "bad"),
            _ms(each.latency_ms),
            str(each.in_flight),
            str(each.requests),
            str(each.failures),
        )
        for each in endpoints
    ]
    columns = (
        "Model",
        "Endpoint",
        "Circuit",
        "Health",
        "First byte",
        "In flight",
        "Requests",
        "Failures",
    )
    return table("As the running gateway has them", columns, rows, numeric=range(4, 8))


def _reliability(known: list[Reliability]) -> list[Markup]:
    if not known:
        return [
            empty(
                "It is not known how often what the models say is right.",
                "It is learned from feedback on answers, and from people who judge insights:",
                "crossmodel insights judge ID --correct",
            )
        ]
    rows = [
        (
            each.source_model,
            str(each.n),
            share(each.mean_confidence),
            share(each.accuracy),
            f"{share(each.interval[0])} to {share(each.interval[1])}",
            f"{each.ece:.3f}",
        )
        for each in known
    ]
    columns = ("Model", "Claims", "Said", "Came true", "95 % interval", "Calibration error")
    pieces = [table("All that is known", columns, rows, numeric=range(1, 6))]
    for each in known:
        points = [
            (b.mean_confidence, b.accuracy, b.n)
            for b in each.bins
            if b.n and b.mean_confidence is not None and b.accuracy is not None
        ]
        pieces.append(calibration(f"Calibration of {each.source_model}", points))
    return pieces


def _ms(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f} ms"
