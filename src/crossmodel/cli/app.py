"""The ``crossmodel`` command: its groups, and the one place where errors end.

A command's module is loaded when it is run or described: a server, and a script that calls many,
wait for one of them and not for all.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from io import TextIOWrapper
from typing import Annotated, Any, Final, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from crossmodel import __version__
from crossmodel.cli.output import err, report
from crossmodel.cli.serving import INTERRUPTED
from crossmodel.errors import CrossModelError
from crossmodel.telemetry import configure_logs

COMMANDS: Final = {
    "demo": "demo:demo",
    "ask": "ask:ask",
    "select": "select:select",
    "serve": "serve:serve",
    "dashboard": "dashboard:dashboard",
    "deploy": "deploy:deploy",
    "scale": "deploy:scale",
    "status": "deploy:status",
    "undeploy": "deploy:undeploy",
    "extract": "extract:extract",
    "feedback": "feedback:feedback",
    "trace": "trace:trace",
    "replay": "replay:replay",
    "train-router": "train_router:train_router",
    "verify": "verify:verify",
    "erase": "erase:erase",
    "retention": "retention:retention",
    "migrate": "migrate:migrate",
    "health": "health:health",
    "report": "report:report",
    "eval": "evaluate:app",
    "insights": "insights:app",
    "alerts": "alerts:app",
    "keys": "keys:app",
    "log": "log:app",
    "models": "models:app",
    "transfer": "transfer:app",
}
"""Where each command is, or the group of that name: a module beside this one, and what in it."""


class Commands(Mapping[str, Any]):
    """The commands by name, in the order of the help; each is loaded when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = COMMANDS[name].partition(":")
        found = getattr(importlib.import_module(f"crossmodel.cli.{module}"), attribute)
        holder = typer.Typer(add_completion=False)
        holder.callback()(lambda: None)  # makes a group of it, even with a single command
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=name)
        else:
            holder.command(name)(found)
        group = get_command(holder)
        assert isinstance(group, TyperGroup), "it has a callback"
        return group.commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class AllCommands(TyperGroup):
    """The command without a name: the group of all others."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = cast("MutableMapping[str, Any]", Commands())  # it is only read


app = typer.Typer(
    name="crossmodel",
    cls=AllCommands,
    help="One model's lessons, every model's answers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"crossmodel {__version__}\n")
        raise typer.Exit


@app.callback()
def crossmodel(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """One model's lessons, every model's answers."""


def run() -> None:
    """Run the command line; exits the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a character that it lacks must not change a verdict
            stream.reconfigure(errors="replace")
    try:
        configure_logs()
        app()
    except CrossModelError as error:
        sys.exit(report(error))
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(INTERRUPTED)
