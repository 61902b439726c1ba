"""``crossmodel retention``: what is older than is to be kept goes; the proofs stay."""

from __future__ import annotations

from typing import Annotated

import typer

from crossmodel.cli.erasing import HELD_OFF
from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    run_async,
)
from crossmodel.cli.source import config_source
from crossmodel.domain.erasure import RetentionReport


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Erase what was asked and answered longer ago than is to be kept; the proofs stay."""
    from crossmodel.assembly import CrossModel

    async def work() -> RetentionReport:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.apply_retention(dry_run=dry_run)

    report = run_async(work())
    if json:
        print_json(report.to_dict() | {"dry_run": dry_run})
        return
    said = "would erase" if dry_run else "erased"
    out.print(
        plain(
            f"{said} {report.values} hidden values of {report.records} records and "
            f"{report.sources} unused sources from before {report.cutoff:%Y-%m-%d %H:%M:%S} UTC"
        )
    )
    if report.oldest and report.newest:
        out.print(plain(f"logged from {report.oldest.isoformat()} to {report.newest.isoformat()}"))
    if report.leaves:
        out.print(plain(f"the log says so in records {report.leaves[0]} to {report.leaves[-1]}"))
    if not report.is_scrubbed:
        err.print(HELD_OFF)
