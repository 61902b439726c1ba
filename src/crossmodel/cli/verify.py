"""``crossmodel verify``: is a log, or one piece of evidence, what it claims to be?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import Progress

from crossmodel.cli.output import (
    REFUSED,
    USAGE,
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    read_file,
    read_text,
    report,
    run_async,
)
from crossmodel.cli.source import config_source
from crossmodel.domain.witness import VerificationReport
from crossmodel.errors import CrossModelError, InvalidInputError

if TYPE_CHECKING:
    from crossmodel.auditing import Depth

_DATABASE: Final = b"SQLite format 3\0"

_MOST_DIGITS: Final = 18


def verify(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="An evidence file, an export, or a database or its URL. The configured store if "
            "left out.",
        ),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Verify a store's whole log, which is only read.")
    ] = False,
    trust: Annotated[
        Path | None,
        typer.Option(help="The keys that you believe; our own store is believed without."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="A checkpoint that you kept: shows truncation and forks.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE|CHECKPOINT",
            help="Read only what follows a checkpoint: one that you kept, or the size of one of "
            "the store's.",
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Of a store: do not hash hidden values, only look for them."),
    ] = False,
    thorough: Annotated[
        bool,
        typer.Option(
            "--thorough", help="Of a store: hold each statement to its kind's schema, too."
        ),
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Verify a store's log, an export or an evidence file, offline.

    Exit code 0 valid, 1 refused, 2 not checked.
    """
    try:
        done = _verify(file, store, trust, against, since, (quick, thorough), config)
    except CrossModelError as error:
        report(error)
        if json:
            from crossmodel.auditing import not_checked

            print_json(not_checked(error))
        raise typer.Exit(USAGE) from None
    if json:
        print_json(done.to_dict())
    else:
        _show(done)
    if not done.is_valid:
        raise typer.Exit(REFUSED)


def _verify(
    file: str | None,
    store: bool,
    trust: Path | None,
    against: Path | None,
    since: str | None,
    depth: tuple[bool, bool],
    config: Path | None,
) -> VerificationReport:
    from crossmodel.auditing import Depth, verify_copy, verify_path
    from crossmodel.settings import load_settings

    pinned = read_text(against) if against else None
    start = None if since is None else _start(since)
    looked = Depth(values=not depth[0], schemas=depth[1])
    if file is None and trust is None:
        return run_async(_verify_own(config, pinned, start, looked))
    if trust is None:
        raise InvalidInputError(
            "--trust is needed: keys that come with evidence are not believed; whoever keeps the "
            "log writes them with crossmodel keys trust"
        )
    believed = read_file(trust)
    with _bar() as advance:
        if file is None or store or _is_store(file):
            url = file or load_settings(config_source(config)).store.url
            return verify_copy(
                url, trust=believed, against=pinned, since=start, depth=looked, progress=advance
            )
        for option, is_given in (("since", since), ("quick", depth[0]), ("thorough", depth[1])):
            if is_given:
                raise InvalidInputError(f"--{option} needs a store: a file is read whole")
        try:
            return verify_path(Path(file), trust=believed, against=pinned, progress=advance)
        except OSError as error:
            raise InvalidInputError(
                f"cannot read {error.filename or file}: {error.strerror}"
            ) from error


async def _verify_own(
    config: Path | None, against: str | None, since: str | int | None, depth: Depth
) -> VerificationReport:
    from crossmodel.assembly import CrossModel

    with _bar() as advance:
        async with CrossModel.open(config_source(config), with_models=False) as cm:
            return await cm.verify(against=against, since=since, depth=depth, progress=advance)


def _is_store(file: str) -> bool:
    """Whether this names a database, by its URL or by how SQLite's files begin."""
    path = Path(file)
    try:
        if "://" in file or not path.is_file():
            return "://" in file
        with path.open("rb") as start:
            return start.read(len(_DATABASE)) == _DATABASE
    except OSError as error:
        raise InvalidInputError(f"cannot read {file}: {error.strerror}") from error


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task("verifying", total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)


def _show(done: VerificationReport) -> None:
    for step in done.steps:
        mark = "[green]ok[/]  " if step.passed else "[bold red]no[/]  "
        said = f"{step.name}  {step.detail}".replace("\n", "\N{REPLACEMENT CHARACTER}")
        out.print(f"{step.number:>3} {mark}", plain(said), sep="", soft_wrap=True)
    unread = done.details.get("not_understood")
    if unread:
        out.print(f"{unread} records are of kinds or forms that this version does not understand")
    colour = "green" if done.is_valid else "bold red"
    out.print(f"[{colour}]{done.verdict}[/], {done.records} records", soft_wrap=True)


def _start(since: str) -> str | int:
    """Where to start: at a head of that size, or at the checkpoint that a file holds."""
    if not (since.isascii() and since.isdigit()):
        return read_text(Path(since))
    if len(since) > _MOST_DIGITS:
        raise InvalidInputError(f"--since {since[:_MOST_DIGITS]}…: no log has so many records")
    return int(since)
