"""``crossmodel serve``: the gateway."""

from __future__ import annotations

from typing import Annotated

import typer

from crossmodel.cli.output import ConfigOption, JsonOption
from crossmodel.cli.serving import serve_gateway


def serve(
    listen: Annotated[
        str | None, typer.Option(help="Host and port for clients; else as the settings say.")
    ] = None,
    control: Annotated[
        str | None, typer.Option(help="Host and port for health, metrics and admin; likewise.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Answer OpenAI and Anthropic clients, until SIGTERM or Ctrl-C; SIGHUP reads the settings."""
    serve_gateway(config, listen, control, as_json=json)
