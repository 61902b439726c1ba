"""``crossmodel health``: whether everything is as it should be, now."""

from __future__ import annotations

import typer

from crossmodel.cli.output import (
    REFUSED,
    ConfigOption,
    JsonOption,
    plain,
    print_json,
    print_table,
)
from crossmodel.cli.source import config_source
from crossmodel.domain.operations import HealthCheckResult


def health(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Probe the models, the store and this machine. Exit code 0 healthy, 1 not, 2 not to be asked.

    No alert is sent. Error rates and latencies are those of a running gateway: ask its control
    address for them.
    """
    from crossmodel.monitoring import check_once
    from crossmodel.settings import load_settings

    status = check_once(load_settings(config_source(config)))
    if json:
        print_json(status.to_dict())
    else:
        print_table(
            "Healthy" if status.is_healthy else "Not healthy",
            ("check", "healthy", "ms", "found"),
            (
                (each.check_name, "yes" if each.is_healthy else "NO", f"{each.latency_ms:.0f}",
                 plain(_found(each)))
                for each in status.check_results
            ),
        )  # fmt: skip
    if not status.is_healthy:
        raise typer.Exit(REFUSED)


def _found(result: HealthCheckResult) -> str:
    """What is wrong, or else the note that a check left."""
    wrong = [f"[{each.severity}] {each.message}" for each in result.findings]
    return "\n".join(wrong) or result.error or str(result.details.get("note", ""))
