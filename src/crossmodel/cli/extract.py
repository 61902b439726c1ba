"""``crossmodel extract``: insights from answers in files, folders, logs or standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.progress import Progress

import crossmodel
from crossmodel.cli.insights import insight_dict
from crossmodel.cli.output import (
    REFUSED,
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    print_table,
    replacing,
    run_async,
)
from crossmodel.cli.resuming import resuming
from crossmodel.cli.source import config_source
from crossmodel.domain.completion import Usage
from crossmodel.domain.insight import ExtractionResult
from crossmodel.errors import CrossModelError, InvalidInputError

if TYPE_CHECKING:
    from crossmodel.assembly import Extracted, LoggedAnswer, UnreadableRow
    from crossmodel.settings import Settings

UNKNOWN_MODEL = "unknown"
_LARGE = 2_000_000
"""Bytes from which on several processes are faster than one, their start included."""


def extract(
    paths: Annotated[
        list[str] | None, typer.Argument(help="Files or folders; - reads standard input.")
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option(help="Rows {id, source_model, prompt?, output} to extract from.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="Where the rows of --jsonl get their insights.")
    ] = None,
    source_model: Annotated[
        str, typer.Option(help="Who wrote the answers that do not say so.")
    ] = UNKNOWN_MODEL,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes for --jsonl; as many as there are cores if it pays."),
    ] = None,
    assisted: Annotated[
        str | None, typer.Option(help="Ask this model as well what the answers say; may cost.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Extract insights and keep them, witnessed; with --jsonl and --out only write them down.

    Reads text, Markdown, JSON, JSONL, and the logs of OpenAI-style and Anthropic APIs.
    """
    if (jsonl is None) != (to is None):
        raise InvalidInputError("--jsonl and --out belong together")
    if jsonl is not None and to is not None:
        settings = _settings(config, assisted)
        crew = workers or _worthwhile_workers(jsonl)
        unreadable = run_async(_write(jsonl, to, source_model, settings, crew))
    elif paths:
        unreadable = run_async(_learn(paths, source_model, _settings(config, assisted), json))
    else:
        raise InvalidInputError("name files or folders to read, or - for standard input")
    for row in unreadable:
        err.print(plain(f"skipped {row.origin}: {row.reason}"), style="yellow")
    if unreadable:
        raise typer.Exit(REFUSED)


def _worthwhile_workers(source: Path) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1 if (_size(source) or 0) > _LARGE else 1


def _settings(config: Path | None, assisted: str | None) -> Settings:
    from crossmodel.settings import assisted_by, load_settings

    settings = load_settings(config_source(config))
    return assisted_by(settings, assisted) if assisted else settings


async def _learn(
    paths: list[str], source_model: str, settings: Settings, as_json: bool
) -> list[UnreadableRow]:
    from crossmodel.assembly import CrossModel, LoggedAnswer

    rows = list(_read(paths, source_model))
    answers = [row for row in rows if isinstance(row, LoggedAnswer)]
    results: list[tuple[LoggedAnswer, ExtractionResult]] = []
    with Progress(console=err, transient=True) as progress:
        async with CrossModel(settings, with_models=False, with_assistant=True) as cm:
            for answer in progress.track(answers, description="extracting"):
                result = await cm.extract(
                    answer.output, source_model=answer.source_model, origin=answer.origin
                )
                results.append((answer, result))
    if as_json:
        print_json([_row(answer.id, result) for answer, result in results])
    else:
        _show(results)
    return [row for row in rows if not isinstance(row, LoggedAnswer)]


def _read(paths: list[str], source_model: str) -> Iterator[LoggedAnswer | UnreadableRow]:
    from crossmodel.assembly import read_path, read_text

    for path in paths:
        if path == "-":
            yield from read_text(sys.stdin.read(), origin="-", source_model=source_model)
        else:
            yield from read_path(Path(path), source_model=source_model)


async def _write(
    source: Path, to: Path, source_model: str, settings: Settings, workers: int
) -> list[UnreadableRow]:
    """Write a row for each row; the store is opened only where budgets need it."""
    from crossmodel.assembly import CrossModel, Extracted, build_extractor, extract_all

    extractor = build_extractor(settings)

    async def alone(answers: Iterable[LoggedAnswer]) -> AsyncIterator[Extracted]:
        for found in extract_all(answers, extractor, workers=workers):
            yield found

    learned = extractor.confidence_calculator.to_dict()
    made_by = f"{crossmodel.__version__}\x1f{extractor.config!r}\x1f{learned!r}"
    if not settings.insight_extractor.model_assisted.model:
        return await _write_rows(source, to, source_model, made_by, alone)
    async with CrossModel(settings, with_models=False, with_assistant=True) as cm:

        async def assisted(answers: Iterable[LoggedAnswer]) -> AsyncIterator[Extracted]:
            for answer in answers:
                try:
                    result = await cm.extract(
                        answer.output, source_model=answer.source_model, keep=False
                    )
                except CrossModelError as error:
                    yield Extracted(answer, None, str(error))
                else:
                    yield Extracted(answer, result)

        return await _write_rows(source, to, source_model, made_by, assisted)


async def _write_rows(
    source: Path,
    to: Path,
    source_model: str,
    made_by: str,
    extract_each: Callable[[Iterable[LoggedAnswer]], AsyncIterator[Extracted]],
) -> list[UnreadableRow]:
    """One row out for each row in, whatever becomes of the others.

    What an interrupted run has written is known again by a digest of the answer and the settings.
    """
    from crossmodel.assembly import LoggedAnswer, read_path

    unreadable: list[UnreadableRow] = []
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(console=err, transient=True))
        task = progress.add_task("extracting", total=_size(source))

        def answers(has: Callable[[str], bool]) -> Iterator[LoggedAnswer]:
            for row in read_path(source, source_model=source_model):
                if not isinstance(row, LoggedAnswer):
                    unreadable.append(row)
                elif has(_digest(row, made_by)):
                    progress.advance(task, len(row.output))
                else:
                    yield row

        if _is_pipe(to):  # nothing to go on with
            part, file = None, stack.enter_context(replacing(to))
        else:
            part, file = stack.enter_context(resuming(to)), None
        wanted = answers(part.has if part else lambda _: False)
        async for found in extract_each(wanted):
            written = msgspec.json.encode(_found_row(found))
            if part is not None:
                part.write(_digest(found.answer, made_by), written)
            elif file is not None:
                file.write(written + b"\n")
            progress.advance(task, len(found.answer.output))
        if part is not None and part.resumed:
            err.print(plain(f"{part.resumed} answers were done before the interruption"))
    return unreadable


def _is_pipe(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _size(source: Path) -> int | None:
    return source.stat().st_size if source.is_file() else None


def _digest(answer: LoggedAnswer, made_by: str) -> str:
    from hashlib import blake2b

    told = f"{answer.id}\x1f{answer.source_model}\x1f{answer.output}\x1f{made_by}"
    return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _found_row(found: Extracted) -> dict[str, Any]:
    if found.result is None:
        return {"id": found.answer.id, "insights": [], "error": found.error}
    return _row(found.answer.id, found.result)


def _row(row_id: str, result: ExtractionResult) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": row_id,
        "insights": [insight_dict(insight) for insight in result.insights],
    }
    if result.errors:
        row["errors"] = dict(result.errors)
    if "model_assisted" in result.errors or result.usage != Usage():
        row |= {
            "rejected": dict(result.rejected),
            "usage": asdict(result.usage),
            "cost_usd": result.cost_usd,
        }
    return row


def _show(results: list[tuple[LoggedAnswer, ExtractionResult]]) -> None:
    print_table(
        "Extracted",
        ("from", "source model", "insights", "rules", "examples", "mean confidence"),
        (
            (
                answer.origin,
                answer.source_model,
                len(result.insights),
                sum(insight.kind == "rule" for insight in result.insights),
                sum(insight.kind == "example" for insight in result.insights),
                f"{result.average_confidence:.2f}",
            )
            for answer, result in results
        ),
    )
    for answer, result in results:
        for pattern, problem in result.errors.items():
            err.print(plain(f"{answer.origin}: {pattern}: {problem}"), style="yellow")
    usage = sum((result.usage for _, result in results), Usage())
    if usage != Usage():
        cost = sum(result.cost_usd for _, result in results)
        out.print(
            f"the assisting model read {usage.input_tokens} tokens and wrote "
            f"{usage.output_tokens}: ${cost:.6f}"
        )
    total = sum(len(result.insights) for _, result in results)
    out.print(f"{total} insights from {len(results)} answers; crossmodel insights list shows them")
