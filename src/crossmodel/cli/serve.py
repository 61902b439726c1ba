"""``crossmodel serve``: the gateway."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from crossmodel.cli.output import ConfigOption, JsonOption, config_source, err, plain, print_json


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
    from crossmodel.gateway.serving import Listening, run
    from crossmodel.observing import secrets_of
    from crossmodel.settings import load_settings
    from crossmodel.telemetry import configure_logs

    source = config_source(config)
    settings = load_settings(source)
    telemetry = settings.telemetry
    configure_logs(telemetry.log_format, telemetry.log_level, secrets=secrets_of(settings))
    gateway = replace(
        settings.gateway,
        listen=listen or settings.gateway.listen,
        control=control or settings.gateway.control,
    )

    def ready(listening: Listening) -> None:
        if json:
            print_json({"url": listening.url, "control_url": listening.control_url})
        else:
            err.print(plain(f"clients: {listening.url}/v1   control: {listening.control_url}"))

    cut = run(source, settings=replace(settings, gateway=gateway), ready=ready)
    if cut:
        err.print(plain(f"{cut} connections had to be cut"))
