"""What every command shares: where it prints, how it reports errors, what its exit codes mean.

Exit codes: 0 done; 1 the answer is no (a proof refused, no model fits); 2 the command, the
settings or the input is wrong; 3 a model or the store failed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, TypeVar

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crossmodel.cli.source import DEFAULT_CONFIG
from crossmodel.errors import (
    ConfigurationError,
    CrossModelError,
    InvalidInputError,
    MissingExtraError,
    NotFoundError,
    SelectionError,
    VerificationError,
)

OK: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
FAILED: Final = 3


MAX_BYTES: Final = 4 * 1024 * 1024
"""No key, checkpoint, evidence or trust file is larger."""

T = TypeVar("T")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="CROSSMODEL_CONFIG",
        help=f"Settings file; {DEFAULT_CONFIG} of this folder, if there is one.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work to its end."""
    return asyncio.run(work)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2)
    sys.stdout.write(text.decode() + "\n")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes its name when it is whole.

    Until then, and when writing fails, what stood under the name stays as it was. What is no plain
    file, such as a pipe, is written to directly.

    Raises:
        InvalidInputError: if it cannot be written.
    """
    is_plain = path.is_file() or not path.exists()
    target = path.resolve() if is_plain else path  # the file that a link points to, not the link
    aside = target.with_name(f".{target.name}.{os.getpid()}.part") if is_plain else target
    try:
        file = aside.open("wb")
    except OSError as error:
        raise InvalidInputError(f"cannot write {path}: {error.strerror}") from error
    try:
        with file:
            yield file
        if is_plain:
            aside.replace(target)
    finally:
        if is_plain:
            aside.unlink(missing_ok=True)


def read_file(path: Path) -> bytes:
    """A small file's bytes: a key, a checkpoint, evidence; or enough of them to be refused.

    Raises:
        InvalidInputError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from error


def read_text(path: Path) -> str:
    """What :func:`read_file` reads, as text; whoever parses it meets U+FFFD for what is no UTF-8.

    Raises:
        InvalidInputError: if it cannot be read.
    """
    return read_file(path).decode("utf-8", "replace")


def write_file(path: Path | None, content: bytes) -> None:
    """Write a file as :func:`replacing` does; standard output if no path is given.

    Raises:
        InvalidInputError: if it cannot be written.
    """
    if path is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    with replacing(path) as file:
        file.write(content)


def plain(text: object) -> Text:
    """Text that is shown as it is: never markup, no control characters that drive a terminal."""
    shown = "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in str(text)
    )
    return Text(shown)


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A table for people."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    out.print(table)


def exit_code(error: CrossModelError) -> int:
    """What a script should learn from an error."""
    if isinstance(error, SelectionError):
        return REFUSED
    usage = (ConfigurationError, InvalidInputError, MissingExtraError, NotFoundError)
    return USAGE if isinstance(error, usage) else FAILED


def report(error: CrossModelError) -> int:
    """Say what went wrong, and give the exit code for it."""
    err.print(Text("error: ", style="bold red") + plain(error), soft_wrap=True)
    return exit_code(error)


@contextmanager
def refusing() -> Iterator[None]:
    """Where a proof that must not be believed is an answer, and no failure of ours: exit code 1."""
    try:
        yield
    except VerificationError as error:
        report(error)
        raise typer.Exit(REFUSED) from None
