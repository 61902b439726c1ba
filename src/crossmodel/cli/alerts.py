"""``crossmodel alerts``: what is in trouble, and who is told of it."""

from __future__ import annotations

import getpass
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from crossmodel.cli.output import (
    REFUSED,
    ConfigOption,
    JsonOption,
    out,
    plain,
    print_json,
    print_table,
    run_async,
)
from crossmodel.cli.source import config_source
from crossmodel.domain import checks
from crossmodel.domain.alerts import Severity, Silence
from crossmodel.domain.ids import time_ordered_id
from crossmodel.domain.period import utc_now
from crossmodel.errors import InvalidInputError
from crossmodel.ports import Store

T = TypeVar("T")

UNITS: Final = {"m": 1, "h": 60, "d": 24 * 60}
"""Minutes of each unit of a duration."""

MOST_MINUTES: Final = 366 * 24 * 60

app = typer.Typer(help="List alerts, silence them, and try their sinks out.", no_args_is_help=True)


@app.command("list")
def list_alerts(
    state: Annotated[
        str | None, typer.Option(help="Only those that are firing, or resolved.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most alerts to list.")] = 50,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List the alerts, newest first, with the silences that last and how sinks stand."""
    now = utc_now()

    async def work(store: Store) -> dict[str, list[dict[str, object]]]:
        return await store.read(
            lambda tx: {
                "alerts": [each.to_dict() for each in tx.list_alerts(state=state, limit=limit)],
                "silences": [each.to_dict() for each in tx.silences(now)],
                "sinks": [
                    {
                        "name": name,
                        "waiting": counts.waiting,
                        "delivered": counts.delivered,
                        "given_up": counts.given_up,
                    }
                    for name, counts in tx.delivery_counts().items()
                ],
            }
        )

    found = _with_store(config, work)
    if json:
        print_json(found)
        return
    _show("Alerts", found["alerts"], ("state", "severity", "check", "subject", "message",
                                      "opened_at", "resolved_at"))  # fmt: skip
    if found["silences"]:
        _show("Silences", found["silences"], ("id", "check", "subject", "severity", "until",
                                              "created_by", "reason"))  # fmt: skip
    if found["sinks"]:
        _show("Sinks", found["sinks"], ("name", "waiting", "delivered", "given_up"))


@app.command()
def silence(
    reason: Annotated[str, typer.Argument(help="Why, for whoever asks later.")],
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long: 30m, 2h, 7d.")
    ] = "1h",
    check: Annotated[str, typer.Option(help="Which check; * and ? are wildcards.")] = "*",
    subject: Annotated[str, typer.Option(help="Which model, disk, …; likewise.")] = "*",
    severity: Annotated[
        Severity, typer.Option(help="What matters more is told all the same.")
    ] = Severity.CRITICAL,
    by: Annotated[str | None, typer.Option(help="Who wants it; you, if left out.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Let nobody be told of certain alerts for a while. Who heard of one hears of its end."""
    now = utc_now()
    made = Silence(
        id=time_ordered_id("sil_"),
        until=now + timedelta(minutes=_minutes(duration)),
        created_by=_line("--by", by or getpass.getuser()),
        reason=_line("the reason", reason),
        created_at=now,
        check=_line("--check", check),
        subject=_line("--subject", subject),
        severity=severity,
    )

    async def work(store: Store) -> None:
        await store.transact(lambda tx: tx.put_silence(made))

    _with_store(config, work)
    if json:
        print_json(made.to_dict())
    else:
        out.print(plain(f"{made.id} lasts until {made.until:%Y-%m-%d %H:%M} UTC"))


@app.command()
def unsilence(
    id: Annotated[str, typer.Argument(help="The silence, as alerts list shows it.")],  # noqa: A002 - the public interface's name
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """End a silence now."""
    now = utc_now()

    async def work(store: Store) -> Silence:
        return await store.transact(lambda tx: tx.end_silence(id, now))

    ended = _with_store(config, work)
    if json:
        print_json(ended.to_dict())
    else:
        out.print(plain(f"{ended.id} has ended"))


@app.command("test")
def try_out(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Tell every sink that this is a test. Exit code 0 if all have taken it, else 1."""
    from crossmodel.monitoring import try_sinks
    from crossmodel.settings import load_settings

    errors = try_sinks(load_settings(config_source(config)))
    if json:
        print_json({name: {"taken": not error, "error": error} for name, error in errors.items()})
    else:
        rows = ((name, "NO" if error else "yes", error) for name, error in errors.items())
        print_table("Sinks", ("sink", "taken", "why not"), rows)
    if any(errors.values()):
        raise typer.Exit(REFUSED)


def _with_store(config: Path | None, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do something with the store of the settings."""
    from crossmodel.settings import load_settings
    from crossmodel.store import open_store

    url = load_settings(config_source(config)).store.url

    async def run() -> T:
        store = await open_store(url)
        try:
            return await work(store)
        finally:
            await store.close()

    return run_async(run())


def _minutes(duration: str) -> int:
    found = re.fullmatch(r"([0-9]{1,6})([mhd])", duration)
    minutes = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < minutes <= MOST_MINUTES:
        raise InvalidInputError(f"--for must be like 30m, 2h or 7d, up to a year, not {duration!r}")
    return minutes


def _line(name: str, text: str) -> str:
    """One printable line."""
    if not checks.text(name, text).isprintable():
        raise InvalidInputError(f"{name} must be one line, without control characters")
    return text


def _show(title: str, rows: list[dict[str, object]], columns: tuple[str, ...]) -> None:
    shown = ((("" if row[name] is None else row[name]) for name in columns) for row in rows)
    print_table(title, [name.replace("_", " ") for name in columns], shown)
