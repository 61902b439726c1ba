"""``crossmodel migrate``: a store moves from a file to a server, while it is in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from crossmodel.cli.output import ConfigOption, JsonOption, err, out, plain, print_json
from crossmodel.cli.source import config_source
from crossmodel.errors import InvalidInputError

if TYPE_CHECKING:
    from crossmodel.moving import MoveReport


def migrate(
    source: Annotated[
        str, typer.Argument(help="The store that moves: sqlite:///FILE.", show_default=False)
    ],
    target: Annotated[
        str | None,
        typer.Argument(
            help="An empty database: postgresql://USER@HOST/NAME. Its password belongs into "
            "PGPASSWORD.",
            show_default=False,
        ),
    ] = None,
    copy_only: Annotated[
        bool,
        typer.Option("--copy-only", help="Copy what there is, and go on using the old store."),
    ] = False,
    reopen: Annotated[
        bool,
        typer.Option(
            "--reopen", help="Let the old store be written again. Never once the new one is in use."
        ),
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Move a store from SQLite to PostgreSQL, and verify every record of it.

    Gateways may run meanwhile: what they record waits in their spools from the moment in which the
    old store is closed. Run it again if it was broken off: it goes on where it was.
    """
    from crossmodel.moving import migrate_store, reopen_store
    from crossmodel.settings import load_settings

    if reopen:
        was_closed = reopen_store(source)
        if json:
            print_json({"reopened": was_closed})
        else:
            out.print("it is open again" if was_closed else "it was not closed")
        return
    if target is None:
        raise InvalidInputError("where to? Name a database: postgresql://USER@HOST/NAME")
    with _bar() as progress:
        settings = load_settings(config_source(config))
        report = migrate_store(source, target, settings, copy_only=copy_only, progress=progress)
    if json:
        print_json(report.to_dict())
        return
    _show(report)


@contextmanager
def _bar() -> Iterator[Callable[[str, int], None]]:
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task("", total=None)
        yield lambda what, count: progress.update(bar, description=f"{what}: {count:,}")


def _show(report: MoveReport) -> None:
    for table, count in report.written.items():
        if count:
            _say(f"{count:>12,} rows of {table} copied")
    if not report.is_finished:
        _say(f"The store is copied to {report.place}, and still in use where it was.")
        return
    if report.log is not None:
        _say(f"{report.log.records:,} records of the log verified: {report.log.verdict}")
    _say(f"The store is in {report.place} now. In the settings:")
    _say('  [store] url = "postgresql://…"')
    if report.spool is not None:
        _say(f'  [witness] spool_dir = "{report.spool}"  # where records of this machine wait')


def _say(text: str) -> None:
    out.print(plain(text), soft_wrap=True)
