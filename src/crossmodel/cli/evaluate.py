"""``crossmodel eval``: the figures we publish, on your own data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from crossmodel.cli.engines import EngineName, EngineOption, spread_by
from crossmodel.cli.evaluate_extraction import extraction
from crossmodel.cli.evaluate_transfer import transfer
from crossmodel.cli.output import (
    JsonOption,
    err,
    out,
    plain,
    print_json,
    print_table,
    replacing,
)

if TYPE_CHECKING:
    from crossmodel.evaluation.routing.generalisation import Labelled, LeftOut, NewModel
    from crossmodel.evaluation.routing.judge import Judgement

app = typer.Typer(help="Measure how good this is on your own data.", no_args_is_help=True)
app.command("extraction")(extraction)
app.command("transfer")(transfer)


@app.callback()
def evaluate() -> None:
    """Measure how good this is on your own data."""


@app.command("selection")
def selection(
    data: Annotated[
        str,
        typer.Option(
            help="Outcomes as parquet, csv or jsonl, a folder or an object store of them: prompt, "
            "model, quality, cost_usd; query_id and domain if there are.",
            show_default=False,
        ),
    ],
    router: Annotated[
        Path | None,
        typer.Option(help="A trained router to judge on all of the data; else one is trained."),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write what the router predicts, as parquet.")
    ] = None,
    leave_one_domain_out: Annotated[
        bool, typer.Option("--leave-one-domain-out", help="Train without each domain in turn.")
    ] = False,
    label_curve: Annotated[
        bool, typer.Option("--label-curve", help="Train on more and more queries.")
    ] = False,
    new_model: Annotated[
        str | None,
        typer.Option(help="Train without this model, then let it join, outcome by outcome."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write quality against cost as SVG.")] = None,
    engine: EngineOption = EngineName.LOCAL,
    json: JsonOption = False,
) -> None:
    """Put a learned router beside random, single models, neighbours, regression and an oracle."""
    from crossmodel.evaluation.routing import chart, generalisation, judge
    from crossmodel.evaluation.routing.reading import read_outcomes, write_predictions
    from crossmodel.evaluation.routing.trained import load, train

    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=err, transient=True) as progress, spread_by(engine) as spread:
        task = progress.add_task("judging")
        table = read_outcomes(data, spread)

        def tell(what: str) -> None:
            progress.update(task, description=what)

        found = (
            judge.judge_training(table, train)
            if router is None
            else judge.judge_trained(table, load(router))
        )
        domains = (
            generalisation.leave_one_domain_out(table, train, tell, spread)
            if leave_one_domain_out
            else None
        )
        labels = (
            generalisation.label_curve(table, train, progress=tell, spread=spread)
            if label_curve
            else None
        )
        joined = (
            generalisation.new_model(table, train, new_model, progress=tell)
            if new_model is not None
            else None
        )
    if predictions is not None:
        with replacing(predictions) as file:
            expected = found.predictions
            write_predictions(file, found.query_ids, found.models, expected.quality, expected.cost)
    if plot is not None:
        with replacing(plot) as file:
            file.write(chart.quality_against_cost(found).encode())
    if json:
        print_json(_document(found, domains, labels, joined))
        return
    _show(found)
    if domains:
        _show_domains(domains)
    if labels:
        _show_labels(labels)
    if joined:
        _show_new_model(joined)


def _document(
    found: Judgement,
    domains: list[LeftOut] | None,
    labels: list[Labelled] | None,
    joined: NewModel | None,
) -> dict[str, Any]:
    from dataclasses import asdict

    document = found.to_dict()
    if domains is not None:
        differences = [each.router - each.static for each in domains]
        document["leave_one_domain_out"] = {
            "domains": [asdict(each) for each in domains],
            "mean_difference": sum(differences) / len(differences),
            "worst_difference": min(differences),
            "mean_aiq_difference": sum(d.router_aiq - d.static_aiq for d in domains) / len(domains),
        }
    if labels is not None:
        document["label_curve"] = [asdict(each) for each in labels]
    if joined is not None:
        document["new_model"] = asdict(joined)
    return document


def _show(found: Judgement) -> None:
    from crossmodel.evaluation.routing.judge import SEES_LABEL

    lines = [line for line in found.lines if line.aiq is not None]
    names = {line.name: "domain prior*" if line.name == SEES_LABEL else line.name for line in lines}
    print_table(
        f"{found.judged_queries:,} queries, {len(found.models)} models; "
        f"trained on {found.trained_on}",
        ("router", "AIQ", "95 % CI", "quality at 25 % cost", "regret"),
        (
            (
                names[line.name],
                _figure(line.aiq),
                f"{_figure(line.aiq_low)}-{_figure(line.aiq_high)}",
                _figure(line.quality_at_quarter),
                _figure(line.regret),
            )
            for line in lines
        ),
    )
    print_table(
        "Strong against weak, and whether predictions come true",
        ("router", "APGR", "CPT50", "CPT80", "Brier", "ECE"),
        (
            (
                names[line.name],
                _figure(line.apgr),
                _percent(line.cpt50),
                _percent(line.cpt80),
                _figure(line.brier),
                _figure(line.ece),
            )
            for line in lines
        ),
    )
    for line in found.lines:
        if line.quality is not None and line.cost is not None:
            at = f"quality {line.quality:.3f} at ${1000 * line.cost:.4f} per 1,000 queries"
            out.print(plain(f"{line.name}: {at}"))
    ours = next(line for line in found.lines if line.ms is not None)
    tuned = found.tuned
    out.print(plain(f"* sees the true domain. One decision takes {ours.ms:.3f} ms."))
    out.print(
        plain(
            f"Asked for {tuned.dial} on one part, on another: {tuned.quality_share:.1%} "
            f"of the best model's quality at {tuned.cost_share:.1%} of its cost."
        )
    )
    if found.filled_costs:
        out.print(plain(f"{found.filled_costs} unknown costs were guessed from prompt lengths."))
    if found.incomplete_queries:
        out.print(
            plain(f"{found.incomplete_queries} queries lack a model's quality: not judged on.")
        )
    out.print(plain(found.verdict), style="bold")


def _show_domains(domains: list[LeftOut]) -> None:
    print_table(
        "Each domain left out of training",
        ("domain", "queries", "router", "static", "points", "AIQ points"),
        (
            (
                each.domain,
                each.queries,
                f"{each.router:.3f}",
                f"{each.static:.3f}",
                f"{100 * (each.router - each.static):+.1f}",
                f"{100 * (each.router_aiq - each.static_aiq):+.1f}",
            )
            for each in domains
        ),
    )
    points = [100 * (each.router - each.static) for each in domains]
    aiq = [100 * (each.router_aiq - each.static_aiq) for each in domains]
    out.print(
        plain(
            f"Quality against the static choice: {sum(points) / len(points):+.2f} points on "
            f"average, {min(points):+.2f} at worst; AIQ {sum(aiq) / len(aiq):+.2f} on average."
        )
    )


def _show_labels(labels: list[Labelled]) -> None:
    print_table(
        "More and more queries to learn from",
        ("queries", "AIQ", "ECE", "AIQ of kNN"),
        (
            (
                each.queries,
                f"{each.router_aiq:.3f}",
                f"{each.router_ece:.3f}",
                f"{each.knn_aiq:.3f}",
            )
            for each in labels
        ),
    )


def _show_new_model(joined: NewModel) -> None:
    print_table(
        f"{joined.model} joins",
        ("outcomes of it", "quality", "AIQ"),
        (
            *((step.outcomes, _figure(step.quality), _figure(step.aiq)) for step in joined.steps),
            ("all", _figure(joined.trained), _figure(joined.trained_aiq)),
        ),
    )
    out.print(plain(f"Quality without it: {joined.without:.3f}."))


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} %"
