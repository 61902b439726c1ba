"""``crossmodel select``: which model would answer, and why."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from crossmodel.cli.output import (
    REFUSED,
    ConfigOption,
    JsonOption,
    out,
    plain,
    print_json,
    print_table,
    report,
    run_async,
)
from crossmodel.cli.source import config_source
from crossmodel.domain.selection import (
    LearnedExplanation,
    ModelSelection,
    SelectionExplanation,
    TaskRequirement,
)
from crossmodel.errors import NoAvailableModelsError


def select(
    capability: Annotated[
        list[str], typer.Option(help="What the model must be good at; may be repeated.")
    ],
    complexity: Annotated[float, typer.Option(help="How hard the task is, 0..1.")] = 0.5,
    quality: Annotated[float, typer.Option(help="Least overall quality, 0..1.")] = 0.0,
    cost: Annotated[float, typer.Option(help="Most USD per token.")] = math.inf,
    latency: Annotated[float, typer.Option(help="Most milliseconds.")] = math.inf,
    need: Annotated[
        list[str] | None,
        typer.Option(help="tools, vision, json_schema or streaming; may be repeated."),
    ] = None,
    prompt: Annotated[str, typer.Option(help="The prompt, for the learned strategy.")] = "",
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
            return cm.select(task, prompt=prompt, needs=need or ())

    try:
        selection = run_async(work())
    except NoAvailableModelsError as error:
        _print_refusal(error, json=json)
        raise typer.Exit(REFUSED) from None
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
        _print_explanation(explanation)


def _print_refusal(error: NoAvailableModelsError, *, json: bool) -> None:
    if json:
        print_json(
            {
                "model": None,
                "error": str(error),
                "rejected": error.reasons,
                "relaxation": error.relaxation,
            }
        )
    else:
        report(error)


def _print_explanation(explanation: SelectionExplanation) -> None:
    columns = ("capability", "quality", "cost", "latency", "complexity", "total")
    print_table(
        "Scores",
        ("model", *columns),
        (
            (model, *(f"{getattr(terms, name):.3f}" for name in columns))
            for model, terms in explanation.scores.items()
        ),
    )
    if explanation.learned:
        _print_learned(explanation.learned)
    if explanation.rejected:
        print_table("Rejected", ("model", "why"), explanation.rejected.items())
        out.print(plain(f"To admit one more: {explanation.relaxation}"))


def _print_learned(learned: LearnedExplanation) -> None:
    topics = ", ".join(f"{name} {share:.0%}" for name, share in learned.topics.items())
    known = f"familiar {learned.familiarity:.0%}: {topics}" if topics else "no router: prior only"
    print_table(
        f"Learned ({learned.dial}; {known})",
        ("model", "expected", "prior", "±", "answers", "$ / 1,000", "worth"),
        (
            (
                model,
                f"{terms.expected_quality:.3f}",
                f"{terms.prior:.3f}",
                f"{terms.uncertainty:.3f}",
                f"{terms.evidence:.0f}",
                f"{1000 * terms.expected_cost_usd:.4f}",
                f"{terms.worth:.3f}",
            )
            for model, terms in learned.models.items()
        ),
    )
    if found := learned.calibration:
        here, best = found["reported"], found["best_single"]
        does = "does" if found["met"] else "does not do"
        out.print(plain(f"The dial {does} what it says on traffic that it was not chosen on:"))
        for who, point in (("this router", here), ("the best single model", best)):
            at = f"quality {point['quality']:.3f} at ${point['usd_per_1000']:.4f} per 1,000"
            out.print(plain(f"  {who}: {at}"))
