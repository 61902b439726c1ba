"""``crossmodel insights judge`` and ``reliability``: how far models are to be believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    out,
    plain,
    print_json,
    print_table,
    run_async,
)
from crossmodel.cli.source import config_source

if TYPE_CHECKING:
    from crossmodel.domain.reliability import Reliability

STEPS = ("week", "month")


def judge(
    insight_id: Annotated[str, typer.Argument(metavar="ID")],
    correct: Annotated[bool, typer.Option("--correct/--wrong", help="Whether it is right.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say whether an insight is right: it counts for the reliability of its source model."""
    from crossmodel.assembly import CrossModel

    async def work() -> str:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return (await cm.judge(insight_id, correct)).source_model

    source_model = run_async(work())
    if json:
        print_json({"id": insight_id, "source_model": source_model, "correct": correct})
    else:
        said = "right" if correct else "wrong"
        out.print(plain(f"{insight_id} of {source_model} is {said}, and counts as such"))


def reliability(
    source_model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="This one alone; all are listed.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show how often what each source model said came true, and the calibration error in time."""
    from crossmodel.assembly import CrossModel

    async def work() -> list[tuple[Reliability, dict[str, list[Reliability]]]]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            known = await cm.calibrator()
            return [
                (
                    each,
                    {step: known.ece_over_time(each.source_model, step) for step in STEPS},
                )
                for each in await cm.reliability(source_model)
            ]

    found = run_async(work())
    if json:
        print_json([_document(each, course) for each, course in found])
        return
    if not found:
        out.print("nothing is known yet: that takes feedback, or crossmodel insights judge")
        return
    print_table(
        "Reliability of source models",
        ("model", "n", "says", "is right", "95 % interval", "ECE", "too sure", "too modest"),
        (
            (each.source_model, each.n, *map(_share, (each.mean_confidence, each.accuracy)),
             f"{each.interval[0]:.3f}..{each.interval[1]:.3f}",
             *map(_share, (each.ece, each.overconfidence, each.underconfidence)))
            for each, _ in found
        ),
    )  # fmt: skip
    for each, course in found:
        step = "week" if source_model else "month"
        print_table(
            f"{each.source_model}, by {step}",
            ("from", "to", "n", "says", "is right", "ECE"),
            (
                (at.start, at.end, at.n, *map(_share, (at.mean_confidence, at.accuracy, at.ece)))
                for at in course[step]
            ),
        )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _document(each: Reliability, course: dict[str, list[Reliability]]) -> dict[str, Any]:
    def point(at: Reliability) -> dict[str, Any]:
        return {name: value for name, value in at.to_dict().items() if name != "bins"}

    return each.to_dict() | {
        f"by_{step}": [point(at) for at in points] for step, points in course.items()
    }
