"""What ``crossmodel serve`` does, with and without the library of the command line.

That library takes a fifth of a second and 15 MB, which a gateway would carry for as long as it
lives. So the plain way to start one goes past it; any other spelling, ``--help`` and mistakes go
the usual way and mean the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from crossmodel.cli.source import config_source
from crossmodel.errors import CrossModelError

OPTIONS: Final = ("--config", "--listen", "--control")
INTERRUPTED: Final = 130
"""What shells expect of a program that Ctrl-C ended: 128 + SIGINT."""


def serve_directly(arguments: Sequence[str]) -> None:
    """Serve if that is what is asked for in the plain way, and exit; else do nothing."""
    given = _plain(arguments)
    if given is None:
        return
    config = given.get("--config") or os.environ.get("CROSSMODEL_CONFIG")
    try:
        serve_gateway(
            Path(config) if config else None,
            given.get("--listen"),
            given.get("--control"),
            as_json="--json" in given,
        )
    except CrossModelError as error:
        from crossmodel.cli.output import report

        sys.exit(report(error))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    sys.exit(0)


def serve_gateway(
    config: Path | None, listen: str | None, control: str | None, *, as_json: bool
) -> None:
    """Answer clients until SIGTERM or Ctrl-C; SIGHUP reads the settings.

    Raises:
        CrossModelError: if it cannot start.
    """
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
        if as_json:
            urls = {"url": listening.url, "control_url": listening.control_url}
            sys.stdout.write(_json(urls))
            sys.stdout.flush()
        else:
            _say(f"clients: {listening.url}/v1   control: {listening.control_url}")

    cut = run(source, settings=replace(settings, gateway=gateway), ready=ready)
    if cut:
        _say(f"{cut} connections had to be cut")


def _plain(arguments: Sequence[str]) -> dict[str, str] | None:
    """The options of a plain ``serve``; ``None`` if it is anything else."""
    if not arguments or arguments[0] != "serve":
        return None
    given: dict[str, str] = {}
    rest = list(arguments[1:])
    while rest:
        name = rest.pop(0)
        if name in given or (name != "--json" and (name not in OPTIONS or not rest)):
            return None
        given[name] = "" if name == "--json" else rest.pop(0)
        if given[name].startswith("-"):
            return None
    return given


def _json(value: dict[str, str]) -> str:
    from msgspec import json

    return json.format(json.encode(value), indent=2).decode() + "\n"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
