"""How good the learned router is, on files of outcomes: ``python benchmarks/routing.py FILE…``.

``benchmarks/routing.md`` is its table on the public outcomes of RouteLLM (MMLU, GSM8K and MT-Bench
by two models) and LLMRouter (13 tasks by nine models). One split is a lottery ticket: these are
means over several. ``crossmodel eval selection`` shows one, with intervals, on your own file.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from crossmodel.evaluation.routing import generalisation, metrics
from crossmodel.evaluation.routing.judge import PREDICTORS, ROUTER
from crossmodel.evaluation.routing.metrics import Predictions
from crossmodel.evaluation.routing.parts import complete_rows, outcomes_of, predict, uniform
from crossmodel.evaluation.routing.reading import read_outcomes
from crossmodel.evaluation.routing.trained import train
from crossmodel.selection.learned import OutcomeTable

SPLITS = 4
HELD_OUT = 0.3
SIZES = (0, 10, 30, 100, 300)


def splits(table: OutcomeTable) -> Iterator[tuple[OutcomeTable, OutcomeTable]]:
    """Train and held-out parts, by a hash of the query id."""
    for seed in range(SPLITS):
        share = uniform(table.query_ids, str(seed))
        held_out = table.take(np.flatnonzero(share < HELD_OUT))
        yield (
            table.take(np.flatnonzero(share >= HELD_OUT)),
            held_out.take(complete_rows(held_out)),
        )


def figures(table: OutcomeTable) -> Iterator[str]:
    """AIQ, Brier score, ECE and quality at no price of everybody, as rows."""
    rows: dict[str, list[tuple[float, float, float, float]]] = {}
    for learned, held_out in splits(table):
        truth, _ = outcomes_of(held_out)
        everybody = {
            name: Predictions(make(learned)(held_out), truth.cost)
            for name, make in PREDICTORS.items()
        }
        everybody[ROUTER] = predict(train(learned), held_out)
        for name, said in everybody.items():
            rows.setdefault(name, []).append(
                (
                    metrics.aiq_of(truth, said),
                    metrics.reached(truth, said.choices()).quality,
                    metrics.brier(truth, said),
                    metrics.ece(truth, said),
                )
            )
    yield "| router | AIQ | quality at no price | Brier | ECE |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, each in rows.items():
        means = " | ".join(f"{statistics.fmean(column):.3f}" for column in zip(*each, strict=True))
        yield f"| {name} | {means} |"


def unseen(table: OutcomeTable) -> str:
    """What it does on domains that it never saw, in a sentence."""
    found = generalisation.leave_one_domain_out(table, train)
    points = [100 * (each.router - each.static) for each in found]
    areas = [100 * (each.router_aiq - each.static_aiq) for each in found]
    return (
        f"Each of {len(found)} domains left out of training: quality against the static choice "
        f"{statistics.fmean(points):+.2f} points on average, {min(points):+.2f} at worst; AIQ "
        f"{statistics.fmean(areas):+.2f} on average, {min(areas):+.2f} at worst."
    )


def joining(table: OutcomeTable) -> Iterator[str]:
    """What each model adds, outcome by outcome, when it comes as the last one."""
    found = [generalisation.new_model(table, train, model, SIZES) for model in table.models]
    sizes = [step.outcomes for step in found[0].steps]
    yield "Quality at no price when a model joins a router of the others, after so many outcomes:"
    yield ""
    yield f"| model | without it | {' | '.join(map(str, sizes))} | trained on all |"
    yield f"| --- {'| ---: ' * (len(sizes) + 2)}|"
    for each in found:
        reached = [each.without, *(step.quality for step in each.steps), each.trained]
        yield f"| {each.model} | {' | '.join(f'{quality:.3f}' for quality in reached)} |"


def measure(files: list[Path]) -> str:
    """The whole page."""
    parts = f"{1 - HELD_OUT:.0%} to learn from and {HELD_OUT:.0%} to judge on"
    lines = ["# The learned router", "", f"Means over {SPLITS} splits of the queries, {parts}."]
    for file in files:
        table = read_outcomes(file)
        lines += ["", f"## {file.name}", ""]
        lines += [f"{len(table):,} queries, {len(table.models)} models.", ""]
        lines += [*figures(table), "", unseen(table)]
        if len(table.models) > 2:  # noqa: PLR2004 - two have to be there before
            lines += ["", *joining(table)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write the page."""
    text = measure([Path(name) for name in sys.argv[1:]])
    print(text)  # noqa: T201
    Path(__file__).with_suffix(".md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
