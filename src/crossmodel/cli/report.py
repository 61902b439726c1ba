"""``crossmodel report``: what was spent, what it would have cost, how good it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    print_table,
    run_async,
    write_file,
)
from crossmodel.cli.source import config_source

if TYPE_CHECKING:
    from crossmodel.desk import OperationsReport


def report(
    period: Annotated[
        str, typer.Option(help="24h, 30d, 8w, or dates: 2026-10-01..2026-10-31; in UTC.")
    ] = "30d",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as a page of its own.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Whose traffic; that of the settings if left out.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say what was spent and saved, how good answers were, which insights helped, what failed."""
    from crossmodel.assembly import CrossModel
    from crossmodel.domain.period import TimePeriod

    asked = TimePeriod.parse(period)

    async def work() -> OperationsReport:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.report(asked, tenant=tenant)

    made = run_async(work())
    if html is not None:
        from crossmodel.desk.report_page import render

        write_file(html, render(made).encode())
        err.print(plain(f"wrote {html}"))
    if json:
        print_json(made.to_dict())
    elif html is None:
        _print(made)


def _print(made: OperationsReport) -> None:
    from crossmodel.desk import wording

    performance, total = made.performance, made.performance.total
    out.print(plain(f"{made.tenant}: {wording.headline(performance)}"), style="bold")
    out.print(plain(wording.span(performance)))
    if not total.requests:
        out.print("there were no requests within this period", style="dim")
    everything = [*performance.models.items(), ("all", total)]
    print_table(
        "Money",
        ("model", "requests", "tokens read", "written", "spent", "by the dearest", "saved"),
        (
            (name, f"{of.requests:,}", f"{of.input_tokens:,}", f"{of.output_tokens:,}",
             *map(wording.usd, (of.cost_usd, of.baseline_usd, of.saved_usd)))
            for name, of in everything
        ),
    )  # fmt: skip
    for each in made.assumptions:
        out.print(plain(f"- {each}"), style="dim")
    print_table(
        "Service and quality",
        ("model", "failed", "p50", "p95", "p99", "scored", "mean score, 95 % interval"),
        (
            (name, wording.share(of.error_rate),
             *map(wording.milliseconds, (of.latency_p50_ms, of.latency_p95_ms, of.latency_p99_ms)),
             of.scores, wording.mean_with_interval(of.mean_score, of.score_interval))
            for name, of in everything
        ),
    )  # fmt: skip
    _print_insights(made)
    if made.reliability:
        print_table(
            "Calibration of source models",
            ("model", "n", "says", "is right, 95 % interval", "ECE"),
            (
                (each.source_model, each.n, wording.share(each.mean_confidence),
                 wording.mean_with_interval(each.accuracy, each.interval), f"{each.ece:.3f}")
                for each in made.reliability
            ),
        )  # fmt: skip
    if made.incidents is None:
        out.print("incidents: nobody watches, no health checks are recorded", style="dim")
    elif not made.incidents:
        out.print("incidents: none within this period")
    else:
        print_table(
            "Incidents",
            ("check", "from", "until", "found"),
            (
                (each.check, wording.moment(each.opened_at),
                 wording.moment(each.resolved_at) if each.resolved_at else "goes on", each.message)
                for each in made.incidents
            ),
        )  # fmt: skip


def _print_insights(made: OperationsReport) -> None:
    from crossmodel.desk import wording

    if not made.insights:
        out.print("insights: no effect is measured yet; that takes answers with a score")
        return
    print_table(
        "Insights by measured effect on scores, in points of 100; of all time",
        ("insight", "says", "model", "against nothing", "against padding"),
        (
            (each.insight_id, (each.content or "erased")[:80], each.effect.target_model,
             wording.points(each.effect.over_nothing), wording.points(each.effect.over_padding))
            for each in made.insights
        ),
    )  # fmt: skip
