"""``crossmodel extract``: insights from answers in files, folders, logs or standard input."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.progress import Progress

from crossmodel.cli.insights import insight_dict
from crossmodel.cli.output import (
    REFUSED,
    ConfigOption,
    JsonOption,
    config_source,
    err,
    out,
    plain,
    print_json,
    print_table,
    replacing,
    run_async,
)
from crossmodel.domain.completion import Usage
from crossmodel.domain.insight import ExtractionResult
from crossmodel.errors import CrossModelError, InvalidInputError

if TYPE_CHECKING:
    from crossmodel.assembly import LoggedAnswer, UnreadableRow
    from crossmodel.settings import Settings

UNKNOWN_MODEL = "unknown"


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
        unreadable = run_async(_write(jsonl, to, source_model, _settings(config, assisted)))
    elif paths:
        unreadable = run_async(_learn(paths, source_model, _settings(config, assisted), json))
    else:
        raise InvalidInputError("name files or folders to read, or - for standard input")
    for row in unreadable:
        err.print(plain(f"skipped {row.origin}: {row.reason}"), style="yellow")
    if unreadable:
        raise typer.Exit(REFUSED)


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
    source: Path, to: Path, source_model: str, settings: Settings
) -> list[UnreadableRow]:
    """Write a row for each row; the store is opened only where budgets need it."""
    from crossmodel.assembly import CrossModel, build_extractor

    if settings.insight_extractor.model_assisted.model:
        async with CrossModel(settings, with_models=False, with_assistant=True) as cm:

            async def assisted(row: LoggedAnswer) -> ExtractionResult:
                return await cm.extract(row.output, source_model=row.source_model, keep=False)

            return await _write_rows(source, to, source_model, assisted)
    extractor = build_extractor(settings)

    async def alone(row: LoggedAnswer) -> ExtractionResult:
        return extractor.extract(row.output, row.source_model)

    return await _write_rows(source, to, source_model, alone)


async def _write_rows(
    source: Path,
    to: Path,
    source_model: str,
    extracted: Callable[[LoggedAnswer], Awaitable[ExtractionResult]],
) -> list[UnreadableRow]:
    """One row out for each row in, whatever becomes of the others."""
    from crossmodel.assembly import LoggedAnswer, read_path

    unreadable = []
    with Progress(console=err, transient=True) as progress, replacing(to) as file:
        for row in progress.track(read_path(source, source_model=source_model)):
            if not isinstance(row, LoggedAnswer):
                unreadable.append(row)
                continue
            try:
                written = _row(row.id, await extracted(row))
            except CrossModelError as error:
                written = {"id": row.id, "insights": [], "error": str(error)}
            file.write(msgspec.json.encode(written) + b"\n")
    return unreadable


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
