"""``crossmodel eval extraction``: what is found in answers, and how far it can be trusted."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from crossmodel.cli.output import (
    ConfigOption,
    JsonOption,
    config_source,
    err,
    out,
    plain,
    print_json,
    print_table,
    replacing,
)

if TYPE_CHECKING:
    from crossmodel.evaluation.extraction.answers import FinalAnswers, Recall
    from crossmodel.evaluation.extraction.judge import Judgement
    from crossmodel.evaluation.statistics import Interval


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
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("extracting")
        found = judge(file, extractor, lambda what: progress.update(task, description=what))
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
    _show_grounding(found)
    _show_answers(found.answers)
    _show_structure(found)
    _show_duplicates(found)
    _show_domains(found)
    _show_calibration(found)
    speed = found.throughput
    out.print(
        plain(
            f"Speed: {speed.megabytes_per_second:.2f} MB/s a core, "
            f"{speed.microseconds_per_answer:.0f} µs an answer; {speed.baseline}: "
            f"{speed.baseline_megabytes_per_second:.2f} MB/s (ratio {speed.ratio:.2f}); "
            f"medians of {speed.rounds} rounds."
        )
    )
    for remark, count in found.remarks.items():
        out.print(plain(f"{count} rows: {remark}."), style="yellow")
    for name, count in found.pattern_errors.items():
        out.print(plain(f"pattern {name} failed on {count} answers"), style="red")


def _show_grounding(found: Judgement) -> None:
    grounding = found.grounding
    out.print(
        plain(
            f"{grounding.insights:,} insights from {len(found.extracted):,} answers, "
            f"{_percent(grounding.rate) or 'none'} of them grounded."
        )
    )
    print_table(
        "What was found",
        ("type", "kind", "insights"),
        ((*names, count) for names, count in sorted(grounding.counts.items())),
    )
    for each in grounding.ungrounded:
        out.print(
            plain(f"not grounded: {each.kind} of row {each.row_id}: {each.reason}"), style="red"
        )
    print_table(
        "Claims that the source does not say: are they grounded?",
        ("what is false", "claims", "grounded", "share"),
        (
            (each.what, each.claims, each.accepted, _share(each.accepted, each.claims))
            for each in found.false_grounding
        ),
    )


def _show_answers(answers: FinalAnswers) -> None:
    from crossmodel.evaluation.extraction.answers import Verdict

    def line(name: str, recall: Recall, wrong: object = "") -> tuple[object, ...]:
        counts = (recall.right, recall.found, recall.missed, recall.another, wrong)
        return (name, *counts, _percent(recall.share), _interval(recall.interval, recall.right))

    print_table(
        "Final answers: of those that are right, how many are found?",
        ("task", "right", "found", "missed", "another", "wrong", "recall", "95 % CI"),
        (
            *(
                line(task.task or task.check, task.recall, task.count(Verdict.MODEL_WRONG))
                for task in answers.tasks
            ),
            line("label says right", answers.labelled),
            line("all values", answers.of_group("answer")),
            line("all programs", answers.of_group("code")),
            line("all works", answers.of_group("work")),
        ),
    )
    faithful, wrong = answers.faithful
    out.print(plain(f"Wrong values that are read as the model stated them: {faithful} of {wrong}."))
    for ids, what in (
        (
            answers.right_against_label,
            "the extracted answer is the reference, the label says wrong",
        ),
        (
            answers.ids(Verdict.NOT_HELD),
            "the label says right, but the reference stands nowhere in the answer",
        ),
        (answers.ids(Verdict.UNCLEAR), "nobody says whether the answer is right"),
    ):
        if ids:
            out.print(plain(f"{len(ids)} rows: {what}."))


def _show_structure(found: Judgement) -> None:
    code, formulas = found.code, found.formulas
    print_table(
        "Code and formulas that independent scans find",
        ("what", "there", "found", "recall", "95 % CI"),
        (
            (
                name,
                each.there,
                each.found,
                _percent(each.share),
                _interval(each.interval, each.there),
            )
            for name, each in (
                ("fenced blocks, as segments", code.segments),
                ("fenced programs, as insights", code.insights),
                ("answers that are a program, as insights", code.bare),
                ("formulas set apart, as segments", formulas.display_segments),
                ("formulas set apart, in insights", formulas.display_symbolic),
                ("results set apart, in insights", formulas.display_values),
                ("formulas in sentences, in insights", formulas.inline_symbolic),
                ("formulas, as equations", formulas.as_equations),
            )
        ),
    )
    out.print(plain(f"Blocks of Python that parse: {code.parsing} of {code.python}."))
    if code.disagreeing_ids:
        out.print(
            plain(f"parse status is wrong in {len(code.disagreeing_ids)} answers"), style="red"
        )


def _show_duplicates(found: Judgement) -> None:
    duplicates = found.duplicates
    print_table(
        "Planted pairs of insights: do they become one?",
        ("what", "should merge", "pairs", "merged", "share", "95 % CI"),
        (
            (
                f"{each.what} {suffix}",
                should,
                each.pairs,
                each.merged,
                _percent(each.share),
                _interval(each.interval, each.pairs),
            )
            for should, group, suffix in (
                ("yes", duplicates.edits, "edit"),
                ("no", duplicates.flips, "changed"),
            )
            for each in group
        ),
    )


def _show_domains(found: Judgement) -> None:
    domains = found.domains
    if domains is None:
        return
    lines = [
        ("type of most insights", domains.most_frequent),
        ("type of the most confident insight", domains.most_confident),
        ("learned from types and kinds, by question", domains.learned),
        ("majority, by question", domains.majority),
    ]
    if domains.learned_across and domains.majority_across:
        lines += [
            ("learned, each source left out", domains.learned_across),
            ("majority, each source left out", domains.majority_across),
        ]
    print_table(
        "Do the insights tell the domain of their answer?",
        ("how", "answers", "right", "accuracy", "95 % CI"),
        (
            (
                name,
                each.answers,
                each.right,
                _percent(each.share),
                _interval(each.interval, each.answers),
            )
            for name, each in lines
        ),
    )
    if domains.without_insights:
        out.print(plain(f"{domains.without_insights} answers gave no insight: counted as wrong."))


def _show_calibration(found: Judgement) -> None:
    if not found.calibration:
        return
    print_table(
        "Confidence of final answers; calibrated by cross-validation over questions",
        ("right by", "answers", "right", "confidence", "ECE", "Brier", "AUC"),
        (
            (
                each.labels,
                each.answers,
                each.right,
                name,
                _figure(said.ece),
                _figure(said.brier),
                _figure(said.auc),
            )
            for each in found.calibration
            for name, said in (("raw", each.raw), ("calibrated", each.calibrated))
            if said is not None
        ),
    )
    for each in found.calibration:
        if each.remark:
            out.print(plain(f"{each.labels}: not calibrated, {each.remark}."))
    last = found.calibration[-1]
    for name, said in (("raw", last.raw), ("calibrated", last.calibrated)):
        if said is not None:
            print_table(
                f"Reliability, {name}, against {last.labels}",
                ("confidence", "answers", "mean confidence", "right", "95 % CI"),
                (
                    (
                        f"{each.low:.1f}-{each.high:.1f}",
                        each.answers,
                        _figure(each.confidence),
                        _percent(each.share),
                        _interval(each.interval, each.answers),
                    )
                    for each in said.bins
                ),
            )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _interval(interval: Interval, of: int) -> str:
    return f"{100 * interval.low:.1f}-{100 * interval.high:.1f}" if of else ""
