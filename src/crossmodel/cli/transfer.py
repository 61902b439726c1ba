"""``crossmodel transfer``: insights on their way out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    replacing,
    run_async,
)
from crossmodel.cli.source import config_source

if TYPE_CHECKING:
    from crossmodel.assembly import Exported

app = typer.Typer(help="Hand on what has been learned.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Hand on what has been learned."""


@app.command()
def export(
    to: Annotated[Path, typer.Option("--out", help="Where the rows go, as JSON lines.")],
    insight_type: Annotated[
        str | None, typer.Option("--type", help="Only these, such as coding or language.")
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Only insights this sure, 0 to 1.")
    ] = 0.0,
    allow_unlicensed: Annotated[
        bool, typer.Option("--allow-unlicensed", help="Also what no licence is configured for.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Write worked examples and rules as chats to fine-tune on, with where they come from.

    Licences stand in the settings, by source model: [insight_transfer.export.licences].
    """
    from crossmodel.assembly import CrossModel

    async def work() -> Exported:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            with Progress(console=err, transient=True) as progress, replacing(to) as file:
                task = progress.add_task("exporting", total=None)
                return await cm.export(
                    file.write,
                    insight_type=insight_type,
                    least_confidence=min_confidence,
                    allow_unlicensed=allow_unlicensed,
                    progress=lambda done, of: progress.update(task, completed=done, total=of),
                )

    done = run_async(work())
    if json:
        print_json(
            {"rows": done.written, "insights": done.insights, "left_out": dict(done.left_out)}
        )
        return
    out.print(plain(f"{done.written} rows from {done.insights} insights in {to}"))
    for reason, times in done.left_out.items():
        err.print(plain(f"left out {times}: {reason}"))
