"""``crossmodel eval transfer``: whether insights help a model, beside padding and an oracle."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    print_table,
    replacing,
    run_async,
)
from crossmodel.cli.source import config_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossmodel.evaluation.planted.tasks import PlantedTask
    from crossmodel.evaluation.results import Evaluation


def transfer(
    tasks: Annotated[
        Path | None,
        typer.Option(
            help="Rows as JSONL: id, family, source_answers, rule, question, answer; example, "
            "choices and lie if there are. Without a file, rules are invented.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="A configured model, a GGUF file, or local for the built-in one.")
    ] = "local",
    arms: Annotated[
        str,
        typer.Option(
            help="With commas: none, padding, oracle-rule, oracle, system, system-N (beside N "
            "other rules), poisoned, undefended, rule+lie; or all."
        ),
    ] = "none,padding,system,oracle",
    generation: Annotated[
        str,
        typer.Option(
            help="free; grammar, which binds answers to a task's choices; or auto, which binds "
            "those that name none."
        ),
    ] = "auto",
    per_family: Annotated[
        int, typer.Option(min=1, help="Invented rules of each of the five families.")
    ] = 16,
    seed: Annotated[int, typer.Option(help="Which rules are invented.")] = 1,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an answer.")] = 32,
    items: Annotated[
        Path | None, typer.Option(help="Write every answer, with its context, as JSONL.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Ask about rules that only the store can know, in every arm, and count what is right."""
    from crossmodel.evaluation.planted.arms import parse_arms
    from crossmodel.evaluation.planted.benchmark import planted_tasks
    from crossmodel.evaluation.planted.figures import document
    from crossmodel.evaluation.planted.rows import read_tasks
    from crossmodel.evaluation.planted.run import Plan, measure
    from crossmodel.settings import load_settings

    wanted = parse_arms(arms)
    rows = read_tasks(tasks) if tasks else planted_tasks(per_family, seed)
    settings = load_settings(config_source(config))
    plan = Plan(rows, wanted, model, generation, max_tokens)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        Progress(*columns, console=err, transient=True) as progress,
    ):
        task = progress.add_task("asking", total=len(rows) * len(wanted))
        found = run_async(
            measure(
                settings,
                plan,
                Path(folder),
                lambda done, what: progress.update(task, completed=done, description=what),
            )
        )
    if items is not None:
        with replacing(items) as file:
            for item in found.items:
                file.write(msgspec.json.encode(item.to_dict()) + b"\n")
    if json:
        print_json(document(found, rows, generation))
        return
    _show(found, rows)


def _show(found: Evaluation, rows: Sequence[PlantedTask]) -> None:
    from crossmodel.evaluation.planted.arms import ORACLE, PADDING
    from crossmodel.evaluation.planted.figures import is_system, lies, recovered

    lines = []
    for arm in found.arms:
        score, fooled = found.score(arm), lies(found, arm, rows)
        share = recovered(found, arm) if is_system(arm) else None
        against = found.p_value(arm, PADDING) if PADDING in found.arms and arm != PADDING else None
        lines.append(
            (
                arm,
                f"{score.correct}/{score.n}",
                f"{score.accuracy:.0%}",
                f"{100 * score.interval.low:.0f}-{100 * score.interval.high:.0f}%",
                "" if against is None else f"{against:.2g}",
                "" if share is None or share.value is None else f"{share.value:.2f}",
                f"{fooled.adopted}/{fooled.n}" if fooled.n else "",
                f"{score.mean_input_tokens:.0f}",
                f"{score.mean_latency_ms:.0f}",
            )
        )
    print_table(
        f"{found.model_id} on {len(rows)} rules that it cannot know",
        ("arm", "right", "share", "95 % CI", "p vs padding", "score", "lies", "tokens in", "ms"),
        lines,
    )
    print_table(
        "Right answers by family",
        ("family", *found.arms),
        (
            (f, *(f"{s.correct}/{s.n}" for s in (found.score(arm, f) for arm in found.arms)))
            for f in found.families
        ),
    )
    if {PADDING, ORACLE} <= set(found.arms):
        out.print(plain("score: (arm - padding) / (oracle - padding)"))
