"""``crossmodel verify``: is the log, or one piece of evidence, what it claims to be?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from crossmodel.cli.output import (
    REFUSED,
    ConfigOption,
    JsonOption,
    config_source,
    err,
    out,
    plain,
    print_json,
    run_async,
)
from crossmodel.domain.witness import VerificationReport
from crossmodel.errors import InvalidInputError


def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An evidence file; the configured store if left out.")
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(help="The keys that you believe; required for a file.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="A checkpoint that you kept: shows truncation and forks.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Verify the store's log, or an evidence file, offline. Exit code 0 valid, 1 refused."""
    pinned = _read(against).decode("utf-8", "replace") if against else None
    if file is None:
        report = run_async(_verify_store(config, pinned))
    elif trust is None:
        raise InvalidInputError("--trust is needed: keys that come with evidence are not believed")
    else:
        from crossmodel.assembly import verify_evidence

        report = verify_evidence(_read(file), trust=_read(trust), against=pinned)
    if json:
        print_json(report.to_dict())
    else:
        _show(report)
    if not report.is_valid:
        raise typer.Exit(REFUSED)


async def _verify_store(config: Path | None, against: str | None) -> VerificationReport:
    from crossmodel.assembly import CrossModel

    with Progress(console=err, transient=True) as progress:
        bar = progress.add_task("verifying", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.verify(against=against, progress=advance)


def _show(report: VerificationReport) -> None:
    for step in report.steps:
        mark = "[green]ok[/]  " if step.passed else "[bold red]no[/]  "
        out.print(f"{step.number:>3} {mark}", plain(f"{step.name}  {step.detail}"), sep="")
    colour = "green" if report.is_valid else "bold red"
    out.print(f"[{colour}]{report.verdict}[/], {report.records} records")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from error
