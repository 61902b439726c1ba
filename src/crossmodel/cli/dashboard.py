"""``crossmodel dashboard``: what people look at in a browser."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer

from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    run_async,
)
from crossmodel.cli.source import config_source


def dashboard(
    listen: Annotated[
        str | None, typer.Option(help="Host and port; else as the settings say.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser here.")] = False,
    hash_: Annotated[
        bool,
        typer.Option("--hash", help="Ask for a password, or read a line; print its hash, and end."),
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show what the store holds in a browser, until Ctrl-C: a process beside the gateway's.

    On this machine it asks nobody to sign in; elsewhere it does not start without users:
    [[dashboard.users]] in the settings.
    """
    if hash_:
        _print_hash(as_json=json)
        return
    from crossmodel.dashboard import run
    from crossmodel.settings import load_settings

    settings = load_settings(config_source(config))
    if listen is not None:
        settings = replace(settings, dashboard=replace(settings.dashboard, listen=listen))

    def ready(url: str) -> None:
        if json:
            print_json({"url": url})
        else:
            err.print(plain(f"dashboard: {url}   Ctrl-C ends it"), soft_wrap=True)
        if open_:
            typer.launch(url)

    run_async(run(settings, ready=ready))


def _print_hash(*, as_json: bool) -> None:
    from crossmodel.dashboard import hash_password

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    made = hash_password(password)
    if as_json:
        print_json({"hash": made})
    else:
        out.print(plain(made), soft_wrap=True)
