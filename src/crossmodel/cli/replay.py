"""``crossmodel replay``: does a request come out as the log says that it did?"""

from __future__ import annotations

from typing import Annotated

import typer

from crossmodel.cli.output import (
    REFUSED,
    USAGE,
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    run_async,
)
from crossmodel.cli.source import config_source
from crossmodel.domain.replay import Replay, Verdict

_COLOUR = {
    Verdict.SAME: "green",
    Verdict.DIFFERENT: "bold red",
    Verdict.NOT_REPLAYABLE: "yellow",
}


def replay(
    request_id: Annotated[str, typer.Argument(metavar="ID", help="Of a request: req_….")],
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask the model again, if it was asked with a seed.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Replay a request from its recorded inputs and compare it with the signed log.

    Exit code 0 everything that could be replayed is the same, 1 something differs, 2 nothing could
    be replayed.
    """
    from crossmodel.assembly import CrossModel

    async def work() -> Replay:
        async with CrossModel.open(config_source(config), with_models=ask) as cm:
            return await cm.replay(request_id, ask=ask)

    done = run_async(work())
    if json:
        print_json(done.to_dict())
    else:
        _show(done)
    if done.differs:
        raise typer.Exit(REFUSED)
    if not done.replayed:
        err.print("nothing could be replayed")
        raise typer.Exit(USAGE)


def _show(done: Replay) -> None:
    for each in done.parts:
        out.print(
            plain(f"{each.part:<11}"),
            f"[{_COLOUR[each.verdict]}]{each.verdict:<15}[/]",
            plain(each.details[0] if each.details else ""),
            soft_wrap=True,
        )
        for more in each.details[1:]:
            out.print(plain(f"{'':<28}{more}"), soft_wrap=True)
