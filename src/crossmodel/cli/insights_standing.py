"""``crossmodel insights quarantine``, ``release`` and ``delete``: a person's say over insights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossmodel.cli.erasing import erase_with_evidence, make_sure, print_erased
from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    out,
    plain,
    print_json,
    run_async,
)
from crossmodel.cli.source import config_source

Ids = Annotated[list[str], typer.Argument(metavar="ID…", help="Ids, as crossmodel insights list.")]
Reason = Annotated[str, typer.Option(help="Why; kept with it.")]


def quarantine(
    ids: Ids, reason: Reason, config: ConfigOption = None, json: JsonOption = False
) -> None:
    """Keep insights from ever being handed over, until they are released."""
    from crossmodel.assembly import CrossModel

    async def work() -> list[str]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.quarantine(ids, reason)

    _print_changed("quarantined", run_async(work()), json)


def release(ids: Ids, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Let insights be handed over again."""
    from crossmodel.assembly import CrossModel

    async def work() -> list[str]:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.release(ids)

    _print_changed("released", run_async(work()), json)


def delete(
    ids: Ids,
    reason: Annotated[str, typer.Option(help="Why; the log commits to it without showing it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    receipt: Annotated[
        Path | None, typer.Option(help="Where to write the evidence, for crossmodel verify.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Erase insights for good, and their text wherever the store holds it."""
    make_sure(f"{len(set(ids))} insights", yes=yes)
    done = erase_with_evidence(config, receipt, lambda cm: cm.delete(ids, reason))
    print_erased(done, as_json=json)


def _print_changed(what: str, changed: list[str], as_json: bool) -> None:
    if as_json:
        print_json({"changed": changed})
    else:
        out.print(plain(f"{what} {len(changed)} insights"))
