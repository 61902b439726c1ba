"""``crossmodel erase``: what was asked and answered in a request goes, with evidence of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossmodel.cli.erasing import (
    erase_with_evidence,
    make_sure,
    print_erased,
)
from crossmodel.cli.output import ConfigOption, JsonOption


def erase(
    request_id: Annotated[str, typer.Argument(metavar="ID", help="The id of an answer.")],
    reason: Annotated[str, typer.Option(help="Why; the log commits to it without showing it.")],
    with_insights: Annotated[
        bool, typer.Option("--with-insights", help="And what was learned from the answer.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    receipt: Annotated[
        Path | None, typer.Option(help="Where to write the evidence, for crossmodel verify.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Erase what was asked in a request, handed over for it and answered."""
    make_sure(f"what was asked and answered in {request_id}", yes=yes)
    done = erase_with_evidence(
        config,
        receipt,
        lambda cm: cm.erase_request(request_id, reason, with_insights=with_insights),
    )
    print_erased(done, as_json=json)
