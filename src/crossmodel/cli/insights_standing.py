"""``crossmodel insights quarantine``, ``release`` and ``delete``: a person's say over insights."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    config_source,
    err,
    out,
    plain,
    print_json,
    replacing,
    run_async,
)
from crossmodel.domain.erasure import ErasureReceipt
from crossmodel.errors import InvalidInputError

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
    from crossmodel.assembly import CrossModel

    _make_sure(len(set(ids)), yes)

    async def work() -> ErasureReceipt:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            with ExitStack() as stack:
                # a file that cannot be written is noticed before anything is erased
                file = stack.enter_context(replacing(receipt)) if receipt else None
                if (
                    file
                    and not cm.settings.cross_model_vif.witness_generation.enable_witness_generation
                ):
                    raise InvalidInputError("--receipt needs the witness, which is switched off")
                done = await cm.delete(ids, reason)
                if file and done.leaf is not None:
                    file.write(await cm.witness(done.leaf, disclose=done.disclosed))
            return done

    done = run_async(work())
    if json:
        print_json(done.to_dict())
        return
    counts = done.erased.counts
    record = "" if done.leaf is None else f"; the log says so in record {done.leaf}"
    out.print(
        plain(
            f"erased {len(done.erased.insight_ids)} insights, {counts['passages']} passages of "
            f"sources and {counts['commitments']} hidden values{record}"
        )
    )
    if done.erased.still_held_by:
        held = " ".join(done.erased.still_held_by)
        out.print(
            plain(f"these hold some of the same text, delete them too if it is to go: {held}")
        )
    if not done.is_scrubbed:
        err.print("another process still reads the store: the bytes leave its file when it is done")


def _make_sure(count: int, yes: bool) -> None:
    """Ask, where there is somebody to answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInputError("deleting cannot be undone: say --yes")
    typer.confirm(f"Erase {count} insights for good?", abort=True, err=True)


def _print_changed(what: str, changed: list[str], as_json: bool) -> None:
    if as_json:
        print_json({"changed": changed})
    else:
        out.print(plain(f"{what} {len(changed)} insights"))
