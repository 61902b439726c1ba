"""What the commands that erase share: they ask first, write evidence, and say what went."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from crossmodel.cli.output import (
    err,
    out,
    plain,
    print_json,
    replacing,
    run_async,
)
from crossmodel.cli.source import config_source
from crossmodel.domain.erasure import ErasureReceipt
from crossmodel.errors import InvalidInputError

if TYPE_CHECKING:
    from crossmodel.assembly import CrossModel

HELD_OFF = "another process still reads the store: the bytes leave its file when it is next opened"


def make_sure(what: str, *, yes: bool) -> None:
    """Ask, where there is somebody to answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInputError("deleting cannot be undone: say --yes")
    typer.confirm(f"Erase {what} for good?", abort=True, err=True)


def erase_with_evidence(
    config: Path | None,
    receipt: Path | None,
    erase: Callable[[CrossModel], Awaitable[ErasureReceipt]],
) -> ErasureReceipt:
    """Erase, and write the evidence of it to ``receipt``, with ids and reason disclosed."""
    from crossmodel.assembly import CrossModel

    async def work() -> ErasureReceipt:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            with ExitStack() as stack:
                # a file that cannot be written is noticed before anything is erased
                file = stack.enter_context(replacing(receipt)) if receipt else None
                witness = cm.settings.cross_model_vif.witness_generation
                if file and not witness.enable_witness_generation:
                    raise InvalidInputError("--receipt needs the witness, which is switched off")
                done = await erase(cm)
                if file and done.leaf is not None:
                    file.write(await cm.witness(done.leaf, disclose=done.disclosed))
            return done

    return run_async(work())


def print_erased(done: ErasureReceipt, *, as_json: bool) -> None:
    """What went, where the log says so, and who still holds some of it."""
    if as_json:
        print_json(done.to_dict())
        return
    counts = done.erased.counts
    pieces = [
        f"{len(done.erased.insight_ids)} insights",
        f"{counts.get('passages', 0)} passages of sources",
        f"{counts.get('sources', 0)} sources",
        f"{counts.get('commitments', 0)} hidden values",
    ]
    record = "" if done.leaf is None else f"; the log says so in record {done.leaf}"
    out.print(plain(f"erased {', '.join(pieces[:-1])} and {pieces[-1]}{record}"))
    if done.erased.still_held_by:
        held = " ".join(done.erased.still_held_by)
        out.print(
            plain(f"these hold some of the same text, delete them too if it is to go: {held}")
        )
    if not done.is_scrubbed:
        err.print(HELD_OFF)
