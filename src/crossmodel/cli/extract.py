"""``crossmodel extract``: insights from answers in files, folders, logs or standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from crossmodel.bulk.places import is_uri
from crossmodel.bulk.rows import digest_of, encoded, made_by, result_row
from crossmodel.cli.engines import EngineName, EngineOption, spread_by
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
        str | None, typer.Option(help="Rows {id, source_model, prompt?, output} to extract from.")
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
    engine: EngineOption = EngineName.LOCAL,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Extract insights and keep them, witnessed; with --jsonl and --out only write them down.

    Reads text, Markdown, JSON, JSONL, and the logs of OpenAI-style and Anthropic APIs; from files,
    folders and object stores, such as s3://bucket/folder.
    """
    if (jsonl is None) != (to is None):
        raise InvalidInputError("--jsonl and --out belong together")
    if jsonl is None and not paths:
        raise InvalidInputError("name files or folders to read, or - for standard input")
    settings = _settings(config, assisted)
    if engine is not EngineName.LOCAL or any(
        is_uri(each) for each in (jsonl, *(paths or ())) if each
    ):
        unreadable = _spread(paths or [], jsonl, to, source_model, settings, engine, json)
    elif jsonl is not None and to is not None:
        source = Path(jsonl)
        crew = workers or _worthwhile_workers(source)
        unreadable = run_async(_write(source, to, source_model, settings, crew))
    else:
        unreadable = run_async(_learn(paths or [], source_model, settings, json))
    for row in unreadable:
        err.print(plain(f"skipped {row.origin}: {row.reason}"), style="yellow")
    if unreadable:
        raise typer.Exit(REFUSED)


def _spread(
    paths: list[str],
    jsonl: str | None,
    to: Path | None,
    source_model: str,
    settings: Settings,
    engine: EngineName,
    as_json: bool,
) -> list[UnreadableRow]:
    from crossmodel.cli.extract_spread import learn, tell, write

    if "-" in paths:
        raise InvalidInputError("standard input is read by this machine alone: name files")
    with spread_by(engine) as spread:
        if jsonl is not None and to is not None:
            return write(jsonl, to, source_model, settings, spread)
        kept = run_async(learn(paths, source_model, settings, spread))
    tell(kept, as_json=as_json)
    if kept.failed and not kept.unreadable:
        raise typer.Exit(REFUSED)
    return kept.unreadable


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
        print_json([result_row(answer.id, result) for answer, result in results])
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
    from crossmodel.assembly import (
        CrossModel,
        Extracted,
        ExtractionJob,
        build_extractor,
        extract_all,
    )

    extractor = build_extractor(settings)

    async def alone(answers: Iterable[LoggedAnswer]) -> AsyncIterator[Extracted]:
        for found in extract_all(answers, extractor, workers=workers):
            yield found

    made = made_by(ExtractionJob.of(extractor))
    if not settings.insight_extractor.model_assisted.model:
        return await _write_rows(source, to, source_model, made, alone)
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

        return await _write_rows(source, to, source_model, made, assisted)


async def _write_rows(
    source: Path,
    to: Path,
    source_model: str,
    made: str,
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
                elif has(digest_of(row, made)):
                    progress.advance(task, len(row.output))
                else:
                    yield row

        if _is_pipe(to):  # nothing to go on with
            part, file = None, stack.enter_context(replacing(to))
        else:
            part, file = stack.enter_context(resuming(to)), None
        wanted = answers(part.has if part else lambda _: False)
        async for found in extract_each(wanted):
            written = encoded(found)
            if part is not None:
                part.write(digest_of(found.answer, made), written)
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
