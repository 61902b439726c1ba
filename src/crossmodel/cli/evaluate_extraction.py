"""``crossmodel eval extraction``: what is found in answers, and how far it can be trusted."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from crossmodel.cli.engines import EngineName, EngineOption, spread_by
from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    err,
    out,
    plain,
    print_json,
    print_table,
    replacing,
)
from crossmodel.cli.source import config_source

if TYPE_CHECKING:
    from crossmodel.evaluation.extraction.judge import Judgement


def extraction(
    data: Annotated[
        Path,
        typer.Option(
            help="Answers as JSONL: output; id, domain, source_model, task, prompt, reference, "
            "check, correct and repo if there are.",
            show_default=False,
        ),
    ],
    items: Annotated[
        Path | None,
        typer.Option(help="Write what was found and judged, one row per answer, as JSONL."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Write SVG: one file if the name ends in .svg, else into that folder."),
    ] = None,
    calibration_out: Annotated[
        Path | None, typer.Option(help="Write the calibration that all labels give, as JSON.")
    ] = None,
    engine: EngineOption = EngineName.LOCAL,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Judge grounding, final answers, code, formulas, duplicates, domains, confidence and speed."""
    from crossmodel.assembly import build_extractor
    from crossmodel.evaluation.extraction.judge import calibration_of, judge
    from crossmodel.evaluation.extraction.rows import read_answers
    from crossmodel.settings import load_settings

    file = read_answers(data)
    extractor = build_extractor(load_settings(config_source(config)))
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=err, transient=True) as progress, spread_by(engine) as spread:
        task = progress.add_task("extracting")
        found = judge(file, extractor, lambda what: progress.update(task, description=what), spread)
    if items is not None:
        _write_items(found, items)
    if plot is not None:
        _write_plots(found, plot)
    if calibration_out is not None:
        with replacing(calibration_out) as written:
            document = msgspec.json.encode(calibration_of(found, extractor))
            written.write(msgspec.json.format(document, indent=2) + b"\n")
    if json:
        print_json(found.to_dict())
    else:
        _show(found)


def _write_items(found: Judgement, path: Path) -> None:
    from crossmodel.evaluation.extraction.items import items

    with replacing(path) as file:
        for item in items(found):
            file.write(msgspec.json.encode(_encodable(item)) + b"\n")


def _write_plots(found: Judgement, path: Path) -> None:
    from crossmodel.errors import InvalidInputError
    from crossmodel.evaluation.extraction import chart

    if path.suffix == ".svg" and not path.is_dir():
        pictures = {path: chart.picture(found)}
    else:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInputError(f"cannot write to {path}: {error.strerror}") from error
        pictures = {path / name: text for name, text in chart.pictures(found).items()}
    with ExitStack() as open_files:
        for name, text in pictures.items():
            open_files.enter_context(replacing(name)).write(text.encode())


def _encodable(value: Any) -> Any:
    """``value`` with lone surrogates, which JSON in UTF-8 cannot hold, replaced."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_encodable(each) for each in value]
    return value


def _show(found: Judgement) -> None:
    from crossmodel.evaluation.extraction.tables import tables

    for table in tables(found):
        print_table(table.title, table.columns, table.rows)
        for note in table.notes:
            out.print(plain(note))
        out.print()
    for remark, count in found.remarks.items():
        out.print(plain(f"Rows of {len(found.extracted)}, {remark}: {count}."), style="yellow")
    for name, count in found.pattern_errors.items():
        out.print(plain(f"Pattern {name} failed on {count} answers."), style="red")
