"""A report as a page: one file, no scripts, nothing loaded from anywhere.

Names of tenants and models and the texts of insights are other people's: all of it goes through
:func:`~crossmodel.pages.charts.escaped`, and the page's own policy forbids scripts and requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Final

from crossmodel.desk.report import OperationsReport
from crossmodel.desk.wording import (
    headline,
    mean_with_interval,
    milliseconds,
    moment,
    points,
    share,
    span,
    usd,
)
from crossmodel.domain.performance import TrafficFigures
from crossmodel.domain.reliability import Reliability
from crossmodel.pages import style
from crossmodel.pages.charts import escaped
from crossmodel.pages.curves import Column, Dot, columns, reliability_curve
from crossmodel.pages.tables import table

if TYPE_CHECKING:
    from crossmodel.transfer.uplift import EffectOnTarget

DRAWN: Final = 6
"""Source models whose calibration is drawn; all are in the table."""

SHOWN: Final = 160
"""Characters of an insight."""


def render(report: OperationsReport) -> str:
    """The page as HTML."""
    performance = report.performance
    page = files(__package__).joinpath("report.html").read_text("utf-8")
    return Template(page).substitute(
        style=style(),
        tenant=escaped(report.tenant),
        headline=escaped(headline(performance)),
        period=escaped(span(performance)),
        figures=_figures(performance.total),
        spending=_spending(report),
        models=_models(report),
        assumptions="".join(f"<li>{escaped(each)}</li>" for each in report.assumptions),
        quality=_quality(report),
        protocols=_protocols(report),
        insights=_insights(report),
        calibration=_calibration(report.reliability),
        service=_service(report),
        incidents=_incidents(report),
        made_at=escaped(moment(report.made_at)),
    )


def _figures(total: TrafficFigures) -> str:
    figures = (
        ("requests", f"{total.requests:,}"),
        ("spent", usd(total.cost_usd)),
        ("by the dearest model", usd(total.baseline_usd)),
        ("saved", usd(total.saved_usd)),
        ("without a whole answer", share(total.error_rate)),
        ("mean score", "none" if total.mean_score is None else f"{total.mean_score:.3f}"),
    )
    return "".join(
        f"<div><dt>{name}</dt><dd>{escaped(value or 'none')}</dd></div>" for name, value in figures
    )


def _spending(report: OperationsReport) -> str:
    trend = report.performance.trend
    if not trend:
        return _quiet("There were no requests within this period.")
    known = {point.start: point.figures for point in trend}
    step = timedelta(seconds=trend[0].seconds)
    steps = (trend[-1].start - trend[0].start) // step + 1
    drawn = []
    for at in (trend[0].start + n * step for n in range(steps)):
        of = known.get(at, TrafficFigures())  # time goes on where there is nothing, too
        note = f"{usd(of.cost_usd)} spent, {usd(of.baseline_usd)} by the dearest model"
        drawn.append(Column(moment(at), of.cost_usd, of.baseline_usd, note))
    title = "Spent, and by the dearest model, in time"
    return (
        "<p>In colour what was spent, in grey what the dearest model would have cost.</p>"
        + columns("spending", title, drawn)
    )


def _models(report: OperationsReport) -> str:
    def row(name: str, of: TrafficFigures) -> tuple[str, ...]:
        tokens = f"{of.input_tokens:,}", f"{of.output_tokens:,}"
        money = map(usd, (of.cost_usd, of.baseline_usd, of.saved_usd))
        return (name, f"{of.requests:,}", *tokens, *money)

    head = ("model", "requests", "tokens read", "written", "spent", "by the dearest", "saved")
    rows = [row(name, of) for name, of in report.performance.models.items()]
    return table("By model", head, [*rows, row("all", report.performance.total)])


def _quality(report: OperationsReport) -> str:
    scored = {name: of for name, of in report.performance.models.items() if of.scores}
    if not scored:
        return _quiet("Nobody has scored an answer yet: crossmodel feedback ID SCORE does.")
    total = report.performance.total
    return table(
        "Scores of answers, 0 to 1",
        ("model", "scored", "mean, with 95 % interval"),
        [
            (name, f"{of.scores:,}", mean_with_interval(of.mean_score, of.score_interval))
            for name, of in (*scored.items(), ("all", total))
        ],
    )


def _protocols(report: OperationsReport) -> str:
    if not report.protocols:
        return ""
    return table(
        "What insights did to scores, by protocol, as far back as was measured; in points of 100",
        ("protocol", "model", "against nothing", "against padding"),
        [
            (name, each.target_model, *_compared(each))
            for name, every in report.protocols.items()
            for each in every
        ],
    )


def _insights(report: OperationsReport) -> str:
    if not report.insights:
        return _quiet(
            "No effect is measured yet: that takes scores of answers, with insights and without."
        )
    return table(
        "Best first, by the lower end of the interval, as far back as was measured; in points of "
        "100",
        ("insight", "model", "against nothing", "against padding", "answers with", "without"),
        [
            (
                " ".join((each.content or f"{each.insight_id} (erased)").split())[:SHOWN],
                each.effect.target_model,
                *_compared(each.effect),
                f"{each.effect.over_nothing.treated.n:,}",
                f"{each.effect.over_nothing.control.n:,}",
            )
            for each in report.insights
        ],
    )


def _compared(effect: EffectOnTarget) -> tuple[str, str]:
    return points(effect.over_nothing), points(effect.over_padding)


def _calibration(known: Iterable[Reliability]) -> str:
    models = sorted(known, key=lambda each: -each.n)
    if not models:
        return _quiet("Nothing is known yet: that takes feedback, or crossmodel insights judge.")
    summary = table(
        "How often what each source model said came true",
        ("model", "observed", "says", "is right, with 95 % interval", "calibration error"),
        [
            (
                each.source_model,
                f"{each.n:,}",
                share(each.mean_confidence),
                mean_with_interval(each.accuracy, each.interval),
                f"{each.ece:.3f}",
            )
            for each in models
        ],
    )
    return summary + "".join(_curve(*drawn) for drawn in enumerate(models[:DRAWN]))


def _curve(number: int, known: Reliability) -> str:
    dots = [
        Dot(each.mean_confidence, each.accuracy, each.n)
        for each in known.bins
        if each.mean_confidence is not None and each.accuracy is not None
    ]
    title = f"{known.source_model}: what came true (up), by what it was said with (across)"
    return f"<h3>{escaped(known.source_model)}</h3>" + reliability_curve(
        f"reliability-{number}", title, dots
    )


def _service(report: OperationsReport) -> str:
    def row(name: str, of: TrafficFigures) -> tuple[str, ...]:
        return (
            name,
            f"{of.requests:,}",
            share(of.error_rate),
            f"{of.cached:,}",
            *map(milliseconds, (of.latency_p50_ms, of.latency_p95_ms, of.latency_p99_ms)),
        )

    performance = report.performance
    rows = [row(name, of) for name, of in performance.models.items()]
    head = ("model", "requests", "failed", "from cache", "p50", "p95", "p99")
    in_time = [row(moment(point.start), point.figures) for point in performance.trend]
    return (
        table("By model", head, [*rows, row("all", performance.total)])
        + "<details><summary>In time</summary>"
        + table("By when requests came", ("from", *head[1:]), in_time)
        + "</details>"
    )


def _incidents(report: OperationsReport) -> str:
    if report.incidents is None:
        return _quiet("Nobody watches: no health checks are recorded.")
    if not report.incidents:
        return _quiet("None within this period.")
    return table(
        "Health checks that failed",
        ("check", "from", "until", "found"),
        [
            (
                each.check,
                moment(each.opened_at),
                moment(each.resolved_at) if each.resolved_at else "goes on",
                each.message,
            )
            for each in report.incidents
        ],
    )


def _quiet(text: str) -> str:
    return f'<p class="quiet">{escaped(text)}</p>'
