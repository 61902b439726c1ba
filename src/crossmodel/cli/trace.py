"""``crossmodel trace``: who said what to whom, as a tree or in other people's standards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    run_async,
    write_file,
)
from crossmodel.cli.source import config_source
from crossmodel.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from crossmodel.desk import Chain

TRACE_ID_DIGITS = 32
"""Hex digits of a trace's id (W3C Trace Context)."""


def trace(
    about: Annotated[
        str,
        typer.Argument(metavar="ID", help="An answer, an insight, or a record by its index."),
    ],
    file: Annotated[
        Path | None, typer.Argument(help="Where an export goes; standard output if left out.")
    ] = None,
    prov: Annotated[
        bool, typer.Option("--prov", help="Export W3C PROV-JSON; needs the extra audit.")
    ] = False,
    openlineage: Annotated[
        bool, typer.Option("--openlineage", help="Export OpenLineage run events, as JSON lines.")
    ] = False,
    in_toto: Annotated[
        bool, typer.Option("--in-toto", help="Export the signed statements, as an in-toto bundle.")
    ] = False,
    tenant: Annotated[str | None, typer.Option(help="Whose it is; the settings' own.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show where an answer comes from: which model, which insights, whose answers they are from.

    Everything is read off the log. Exports hold ids, digests and figures, never what was said.
    """
    forms = {"prov": prov, "openlineage": openlineage, "in-toto": in_toto}
    chosen = [form for form, is_chosen in forms.items() if is_chosen]
    if len(chosen) + json > 1:
        raise InvalidInputError("choose one of --prov, --openlineage, --in-toto and --json")
    if file is not None and not chosen:
        raise InvalidInputError(f"say what to write to {file}: --prov, --openlineage or --in-toto")
    try:
        chain, exported = run_async(_trace(about, tenant, chosen[0] if chosen else "", config))
    except NotFoundError as error:
        raise NotFoundError(f"{error}{_advice(about)}") from None
    if json:
        print_json(chain.to_dict())
        return
    if chosen:
        write_file(file, exported)
        if file is not None:
            err.print(plain(f"written to {file}"), soft_wrap=True)
    else:
        from crossmodel.cli.trace_tree import tree

        out.print(tree(chain))
    for problem in chain.problems:
        err.print(plain(f"warning: {problem}"), style="yellow", soft_wrap=True)


async def _trace(
    about: str, tenant: str | None, form: str, config: Path | None
) -> tuple[Chain, bytes]:
    """The chain, and its export in the form that was chosen."""
    from crossmodel.assembly import CrossModel
    from crossmodel.auditing import prov_json

    async with CrossModel.open(config_source(config), with_models=False) as cm:
        chain = await cm.trace(about, tenant=tenant)
        if form == "prov":
            return chain, prov_json(chain)
        if form == "openlineage":
            return chain, cm.lineage(chain)
        return chain, await cm.attestations(chain) if form else b""


def _advice(about: str) -> str:
    """Traces are in the records, but the log is not searched for them: it may be long."""
    if len(about) != TRACE_ID_DIGITS:
        return ""
    return "; of a trace, look at its span: crossmodel.answer.id there is the answer's id"
