"""``crossmodel train-router``: learn from outcomes which model is good at what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from crossmodel.cli.engines import EngineName, EngineOption, spread_by
from crossmodel.cli.output import JsonOption, out, plain, print_json, replacing


def train_router(
    outcomes: Annotated[
        str,
        typer.Argument(
            help="What each model made of each prompt: parquet, csv or jsonl, a folder or an "
            "object store of them, with the columns prompt, model, quality (0..1), cost_usd; "
            "query_id and domain if there are.",
            show_default=False,
        ),
    ],
    router: Annotated[
        Path, typer.Option("--out", help="Where to write the router; replaced when whole.")
    ] = Path("router.npz"),
    embedder: Annotated[
        str,
        typer.Option(help="static, minilm (slower), hashed (NumPy alone), or best of fast ones."),
    ] = "best",
    engine: EngineOption = EngineName.LOCAL,
    json: JsonOption = False,
) -> None:
    """Train a router on outcomes and write it to one small file."""
    from crossmodel.evaluation.routing.reading import read_outcomes
    from crossmodel.evaluation.routing.trained import save, train

    with spread_by(engine) as spread:
        table = read_outcomes(outcomes, spread)
        trained = train(table, embedder, spread=spread)
    with replacing(router) as file:
        size = save(trained, file)
    report: dict[str, Any] = {
        "router": str(router),
        "bytes": size,
        "embedder": trained.embedder.name,
    }
    report |= trained.report
    if json:
        print_json(report)
        return
    out.print(
        plain(
            f"{router}: {size / 1024:.0f} KiB, learned from {len(table):,} queries and "
            f"{len(table.models)} models on {report['topics']} topics"
        )
    )
    worst = report["left_out_worst_difference"]
    if worst is not None:
        out.print(
            plain(
                f"Leaving out each of the {report['left_out_topics']} larger topics: "
                f"{100 * report['left_out_mean_difference']:+.2f} points of quality against the "
                f"static choice on average, {100 * worst:+.2f} at worst"
            )
        )
