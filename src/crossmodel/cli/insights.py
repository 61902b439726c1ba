"""``crossmodel insights``: what has been learned, and from where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress
from rich.text import Text

from crossmodel.bulk.rows import insight_dict
from crossmodel.cli import insights_reliability, insights_standing
from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    print_table,
    run_async,
)
from crossmodel.cli.source import config_source
from crossmodel.domain.insight import Insight, Span, Standing
from crossmodel.domain.playbook import Playbook
from crossmodel.domain.records import SourceText

if TYPE_CHECKING:
    from crossmodel.desk import EffectOnTarget

CONTEXT = 300
"""Characters shown on either side of an insight's evidence."""

app = typer.Typer(help="List, show, search and govern what has been learned.", no_args_is_help=True)
app.command("quarantine")(insights_standing.quarantine)
app.command("release")(insights_standing.release)
app.command("delete")(insights_standing.delete)
app.command("judge")(insights_reliability.judge)
app.command("reliability")(insights_reliability.reliability)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1)] = 20,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    insight_type: Annotated[
        str | None, typer.Option("--type", help="Only these, such as coding or language.")
    ] = None,
    standing: Annotated[
        str | None, typer.Option(help=f"Only these: {', '.join(Standing)}.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List insights, newest first."""
    from crossmodel.assembly import CrossModel

    async def work() -> list[Insight]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.insights(
                limit=limit, offset=offset, insight_type=insight_type, standing=standing
            )

    _print([(insight, None) for insight in run_async(work())], json)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    limit: Annotated[int, typer.Option(min=1)] = 10,
    diversity: Annotated[
        float, typer.Option(min=0, max=1, help="Prefer what is unlike what stands before it.")
    ] = 0.0,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Search insights by words and meaning, best match first."""
    from crossmodel.assembly import CrossModel

    async def work() -> list[tuple[Insight, float | None]]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            found = await cm.search_insights(query, limit=limit, diversity=diversity)
            return [(hit.insight, hit.relevance) for hit in found]

    _print(run_async(work()), json)


@app.command()
def show(
    insight_id: Annotated[str, typer.Argument(metavar="ID")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show one insight: what it did where it was handed over, and its evidence in its source."""
    from crossmodel.assembly import CrossModel

    async def work() -> tuple[Insight, SourceText | None, list[EffectOnTarget]]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return *await cm.insight(insight_id), await cm.effects(insight_id)

    insight, source, effects = run_async(work())
    if json:
        measured = [effect.to_dict() for effect in effects]
        print_json(
            insight_dict(insight) | {"effects": measured, "source": source.text if source else None}
        )
        return
    print_table("Insight", ("field", "value"), insight_dict(insight).items())
    if effects:
        print_table(
            "Measured effect on scores",
            ("model", "against nothing", "against padding", "verdict"),
            ((e.target_model, e.over_nothing, e.over_padding, e.verdict) for e in effects),
        )
    else:
        out.print("its effect is not measured yet: that takes answers with a score", style="dim")
    if source is not None:
        for evidence in insight.evidence:
            out.rule(f"{evidence.start}..{evidence.end} of {evidence.source_sha256[:12]}")
            out.print(highlighted(source.text, evidence.span))


@app.command()
def effects(
    by: Annotated[str, typer.Option(help="topic, protocol or insight.")] = "topic",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show what insights did to scores, by topic, protocol or insight, model by model."""
    from crossmodel.assembly import CrossModel

    async def work() -> dict[str, list[EffectOnTarget]]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.effects_by(by)

    found = run_async(work())
    if json:
        print_json({name: [each.to_dict() for each in every] for name, every in found.items()})
        return
    if not found:
        out.print("nothing is measured yet: that takes answers with a score", style="dim")
        return
    print_table(
        f"Measured effect on scores, by {by}",
        (by, "model", "against nothing", "against padding", "verdict"),
        (
            (name, each.target_model, each.over_nothing, each.over_padding, each.verdict)
            for name, every in found.items()
            for each in every
        ),
    )


@app.command()
def playbook(
    topic: Annotated[str | None, typer.Argument(help="Show this one; all are listed.")] = None,
    curate: Annotated[
        bool, typer.Option("--curate", help="First bring all playbooks to what is known now.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List the playbooks by topic, or show one with how its items have turned out."""
    from crossmodel.assembly import CrossModel

    async def work() -> dict[str, int] | tuple[Playbook, dict[str, Insight]]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            if curate:
                with Progress(console=err, transient=True) as progress:
                    task = progress.add_task("curating", total=None)
                    await cm.curate_playbooks(
                        progress=lambda done, of: progress.update(task, completed=done, total=of)
                    )
            return await (cm.playbook_topics() if topic is None else cm.playbook(topic))

    found = run_async(work())
    if isinstance(found, tuple):
        _show_playbook(*found, as_json=json)
    elif json:
        print_json([{"topic": name, "items": items} for name, items in found.items()])
    elif found:
        print_table("Playbooks", ("topic", "items in use"), found.items())
    else:
        out.print("there are no playbooks yet; crossmodel insights playbook --curate makes them")


def _show_playbook(found: Playbook, insights: Mapping[str, Insight], *, as_json: bool) -> None:
    rows = [
        {
            "item": found.name(item),
            "insight": item.insight_id,
            "content": insights[item.insight_id].content if item.insight_id in insights else None,
            "uses": item.tally.n,
            "helpful": round(item.helpful, 4),
            "harmful": round(item.harmful, 4),
            "retired": item.retired or None,
        }
        for item in found.items
    ]
    if as_json:
        print_json({"topic": found.topic, "items": rows})
        return
    print_table(
        f"Playbook {found.topic}",
        ("item", "what it says", "uses", "helpful", "harmful", "retired because"),
        (
            (
                row["item"],
                _shortened(str(row["content"] or "(not kept any more)")),
                row["uses"],
                row["helpful"],
                row["harmful"],
                row["retired"] or "",
            )
            for row in rows
        ),
    )


def highlighted(text: str, span: Span, context: int = CONTEXT) -> Text:
    """The span, marked, with some of the text around it."""
    before = plain(text[max(0, span.start - context) : span.start])
    after = plain(text[span.end : span.end + context])
    marked = plain(span.of(text))
    marked.stylize("black on yellow")
    return before + marked + after


def _print(found: list[tuple[Insight, float | None]], as_json: bool) -> None:
    if as_json:
        print_json([insight_dict(i) | {"relevance": relevance} for i, relevance in found])
        return
    if not found:
        out.print("nothing found; crossmodel extract FILE learns from a model's answers")
        return
    print_table(
        "Insights",
        ("id", "kind", "insight", "confidence", "from", "standing"),
        (
            (
                i.id,
                i.kind,
                _shortened(i.content),
                f"{i.confidence_score:.2f}",
                i.source_model,
                i.standing,
            )
            for i, _ in found
        ),
    )


def _shortened(text: str, limit: int = 160) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
