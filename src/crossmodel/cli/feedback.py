"""``crossmodel feedback``: how good answers were, one by one or from a file."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.progress import Progress

from crossmodel.cli.output import (
    USAGE,
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    run_async,
)
from crossmodel.cli.source import config_source
from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError, NotFoundError

_FIELDS: Final = ("id", "score")
_NOT_JSON: Final = "not JSON"


def feedback(
    answer_id: Annotated[str | None, typer.Argument(metavar="[ID]")] = None,
    score: Annotated[
        float | None, typer.Argument(metavar="[SCORE]", help="0 is useless, 1 is perfect.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Rows {id, score} as JSON lines or CSV; - reads JSON lines."),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say how good answers were; selection and transfer learn of it.

    Of a file the last word on each answer counts, and the same file again changes nothing.
    """
    errors: dict[int, str] = {}
    if source is not None and answer_id is None:
        said = _last_words(_rows(source), errors)
    elif source is None and answer_id is not None and score is not None:
        checks.unit_interval("score", score)
        said = {answer_id: (1, score)}
    else:
        raise InvalidInputError("give an answer's id and a score, or a file with --from")
    recorded, unchanged = run_async(_record(said, config, errors))
    if source is None and errors:
        raise NotFoundError(errors[1])
    if json:
        listed = [{"line": line, "error": errors[line]} for line in sorted(errors)]
        print_json({"recorded": recorded, "unchanged": unchanged, "errors": listed})
    else:
        out.print(f"{recorded} recorded, {unchanged} known already")
        for line in sorted(errors):
            err.print(plain(f"line {line}: {errors[line]}"), style="yellow", soft_wrap=True)
    if errors:
        raise typer.Exit(USAGE)


async def _record(
    said: dict[str, tuple[int, float]], config: Path | None, errors: dict[int, str]
) -> tuple[int, int]:
    """How many were recorded, and how many known; ``errors`` learns of the others."""
    from crossmodel.assembly import CrossModel

    recorded = unchanged = 0
    if not said:
        return 0, 0
    async with CrossModel.open(config_source(config), with_models=False) as cm:
        with Progress(console=err, transient=True) as progress:
            for answer_id, (line, score) in progress.track(said.items(), description="recording"):
                try:
                    if await cm.feedback_once(answer_id, score):
                        recorded += 1
                    else:
                        unchanged += 1
                except (InvalidInputError, NotFoundError) as error:
                    errors[line] = str(error)
    return recorded, unchanged


def _last_words(
    rows: Iterator[tuple[int, Any]], errors: dict[int, str]
) -> dict[str, tuple[int, float]]:
    """The last good row of each answer: its line and score. ``errors`` learns of the bad ones."""
    said: dict[str, tuple[int, float]] = {}
    for line, row in rows:
        try:
            if not isinstance(row, dict):
                why = _NOT_JSON if row == _NOT_JSON else "not a row {id, score}"
                raise InvalidInputError(why)  # noqa: TRY301 - like any bad row
            answer_id = checks.text("id", row.get("id"))
            said[answer_id] = line, _score(row.get("score"))
        except InvalidInputError as error:
            errors[line] = str(error)
    return said


def _score(value: object) -> float:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise InvalidInputError(f"score must be a number, not {value!r}") from None
    return float(checks.unit_interval("score", value))


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Every row with its line, from 1; what cannot be read comes as text."""
    if str(path) == "-":
        yield from _json_rows(sys.stdin.buffer.read())
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror}") from error
    if path.suffix.lower() == ".csv":
        yield from _csv_rows(path, content)
    else:
        yield from _json_rows(content)


def _json_rows(content: bytes) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            yield number, _NOT_JSON


def _csv_rows(path: Path, content: bytes) -> Iterator[tuple[int, Any]]:
    try:
        lines = content.decode("utf-8-sig").splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} is not UTF-8: {error.reason}") from error
    reader = csv.DictReader(lines)
    missing = [name for name in _FIELDS if name not in (reader.fieldnames or ())]
    if missing:
        raise InvalidInputError(f"{path}: the first line must name the columns id and score")
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise InvalidInputError(f"{path}:{reader.line_num}: {error}") from error
