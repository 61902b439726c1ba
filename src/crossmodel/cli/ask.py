"""``crossmodel ask``: one question through the whole loop."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    err,
    plain,
    print_json,
    run_async,
)
from crossmodel.cli.source import config_source
from crossmodel.domain.answer import Answer


def ask(
    question: Annotated[str, typer.Argument(help="What to ask; - reads standard input.")],
    capability: Annotated[
        list[str] | None,
        typer.Option(help="What the model must be good at; may be repeated."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Ask this model, whatever fits best.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Most tokens of the answer.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="0 for the likeliest answer; else the model's default.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="For models that say the same again for the same seed.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Ask the best model for the task, with the insights that fit, and witness it all."""
    from crossmodel.assembly import CrossModel

    text = sys.stdin.read() if question == "-" else question

    async def work() -> Answer:
        async with CrossModel.open(config_source(config)) as cm:
            return await cm.complete(
                text,
                task=capability,
                model=model,
                max_tokens=max_tokens,
                temperature=temperature,
                seed=seed,
            )

    answer = run_async(work())
    if json:
        print_json(answer.to_dict())
        return
    sys.stdout.write(answer.text + "\n")
    given = len(answer.transfer.transferred_insights) if answer.transfer else 0
    learned = len(answer.extraction.insights) if answer.extraction else 0
    leaves = f"{answer.leaves[0]}..{answer.leaves[-1]}" if answer.leaves else "to come"
    if answer.transfer and answer.transfer.error:
        err.print(plain(f"insights: {answer.transfer.error}"), style="dim")
    err.print(
        plain(
            f"{answer.model_id} · {answer.latency_ms:.0f} ms · ${answer.cost_usd:.6f} · "
            f"insights given {given}, learned {learned} · log records {leaves} · {answer.id}"
        ),
        style="dim",
    )
