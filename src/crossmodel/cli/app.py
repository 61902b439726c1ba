"""The ``crossmodel`` command: its groups, and the one place where errors end."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from crossmodel import __version__
from crossmodel.cli import (
    ask,
    demo,
    erase,
    evaluate,
    extract,
    feedback,
    insights,
    keys,
    log,
    models,
    replay,
    retention,
    select,
    serve,
    trace,
    train_router,
    transfer,
    verify,
)
from crossmodel.cli.output import configure_logs, err, report
from crossmodel.errors import CrossModelError

INTERRUPTED = 130
"""What shells expect of a program that Ctrl-C ended: 128 + SIGINT."""

app = typer.Typer(
    name="crossmodel",
    help="One model's lessons, every model's answers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("ask")(ask.ask)
app.command("select")(select.select)
app.command("serve")(serve.serve)
app.command("extract")(extract.extract)
app.command("feedback")(feedback.feedback)
app.command("trace")(trace.trace)
app.command("replay")(replay.replay)
app.command("train-router")(train_router.train_router)
app.command("verify")(verify.verify)
app.command("erase")(erase.erase)
app.command("retention")(retention.retention)
app.add_typer(evaluate.app, name="eval")
app.add_typer(insights.app, name="insights")
app.add_typer(keys.app, name="keys")
app.add_typer(log.app, name="log")
app.add_typer(models.app, name="models")
app.add_typer(transfer.app, name="transfer")


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
    configure_logs()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a character that it lacks must not change a verdict
            stream.reconfigure(errors="replace")
    try:
        app()
    except CrossModelError as error:
        sys.exit(report(error))
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(INTERRUPTED)
