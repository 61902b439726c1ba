"""``crossmodel select``: which model would answer, and why."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    config_source,
    out,
    plain,
    print_json,
    print_table,
    run_async,
)
from crossmodel.domain.selection import ModelSelection, TaskRequirement


def select(
    capability: Annotated[
        list[str], typer.Option(help="What the model must be good at; may be repeated.")
    ],
    complexity: Annotated[float, typer.Option(help="How hard the task is, 0..1.")] = 0.5,
    quality: Annotated[float, typer.Option(help="Least overall quality, 0..1.")] = 0.0,
    cost: Annotated[float, typer.Option(help="Most USD per token.")] = math.inf,
    latency: Annotated[float, typer.Option(help="Most milliseconds.")] = math.inf,
    explain: Annotated[bool, typer.Option("--explain", help="Show every term.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say which model would be asked for a task, without asking it."""
    from crossmodel.assembly import CrossModel

    task = TaskRequirement(
        capability,
        complexity=complexity,
        quality_threshold=quality,
        cost_constraint=cost,
        latency_constraint=latency,
    )

    async def work() -> ModelSelection:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return cm.select(task)

    selection = run_async(work())
    explanation = selection.explain()
    if json:
        print_json(
            {
                "model": selection.model_id,
                "suitability_score": selection.suitability_score,
                "alternatives": selection.alternative_models,
                "latency_ms": selection.selection_latency_ms,
                "explanation": explanation.to_dict() if explain else None,
            }
        )
        return
    out.print(plain(f"{selection.model_id}  {selection.suitability_score:.3f}"))
    if explain:
        columns = ("capability", "quality", "cost", "latency", "complexity", "total")
        print_table(
            "Scores",
            ("model", *columns),
            (
                (model, *(f"{getattr(terms, name):.3f}" for name in columns))
                for model, terms in explanation.scores.items()
            ),
        )
        if explanation.rejected:
            print_table("Rejected", ("model", "why"), explanation.rejected.items())
