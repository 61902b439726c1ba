"""The figures as tables for people, whether a terminal or a Markdown file shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from crossmodel.evaluation.extraction.answers import FinalAnswers, Recall, Verdict
from crossmodel.evaluation.extraction.calibration import Calibration
from crossmodel.evaluation.extraction.domains import Domains
from crossmodel.evaluation.extraction.duplicates import Duplicates
from crossmodel.evaluation.extraction.grounding import Corrupted, GroundedInsights
from crossmodel.evaluation.extraction.judge import Judgement
from crossmodel.evaluation.extraction.structure import CodeFigures, FormulaFigures
from crossmodel.evaluation.statistics import Interval

Cells = tuple[object, ...]


class Table(NamedTuple):
    """A table, and what is to be said below it."""

    title: str
    columns: tuple[str, ...]
    rows: list[Cells]
    notes: tuple[str, ...] = ()


def tables(found: Judgement) -> Iterator[Table]:
    """Every figure, in the order in which they are read."""
    yield _found(found.grounding)
    yield _false_grounding(found.false_grounding)
    yield _answers(found.answers)
    yield _structure(found.code, found.formulas)
    yield _duplicates(found.duplicates)
    if found.domains is not None:
        yield _domains(found.domains)
    if found.calibration:
        yield _calibration(found.calibration)
        yield from _reliability(found.calibration[-1])
    yield _throughput(found)


def _found(grounding: GroundedInsights) -> Table:
    return Table(
        "What was found",
        ("type", "kind", "insights"),
        [(*names, count) for names, count in sorted(grounding.counts.items())],
        (
            f"{grounding.insights:,} insights, {_percent(grounding.rate) or 'none'} grounded.",
            *(
                f"Not grounded: {each.kind} of row {each.row_id}: {each.reason}."
                for each in grounding.ungrounded
            ),
        ),
    )


def _false_grounding(corrupted: tuple[Corrupted, ...]) -> Table:
    return Table(
        "Claims that the source does not say: are they grounded?",
        ("what is false", "claims", "grounded", "share"),
        [
            (
                each.what,
                each.claims,
                each.accepted,
                _percent(each.accepted / each.claims if each.claims else None),
            )
            for each in corrupted
        ],
    )


def _answers(answers: FinalAnswers) -> Table:
    def line(name: str, recall: Recall, wrong: object = "") -> Cells:
        counts = (recall.right, recall.found, recall.missed, recall.another, wrong)
        return (name, *counts, *_shared(recall.share, recall.interval, recall.right))

    faithful, wrong = answers.faithful
    remarked = (
        (
            answers.right_against_label,
            "the extracted answer is the reference, the label says wrong",
        ),
        (
            answers.ids(Verdict.NOT_HELD),
            "the label says right, but the reference stands nowhere in the answer",
        ),
        (answers.ids(Verdict.UNCLEAR), "nobody says whether the answer is right"),
    )
    return Table(
        "Final answers: of those that are right, how many are found?",
        ("task", "right", "found", "missed", "another", "wrong", "recall", "95 % CI"),
        [
            *(
                line(task.task or task.check, task.recall, task.count(Verdict.MODEL_WRONG))
                for task in answers.tasks
            ),
            line("label says right", answers.labelled),
            line("all values", answers.of_group("answer")),
            line("all programs", answers.of_group("code")),
            line("all works", answers.of_group("work")),
        ],
        (
            f"Wrong values that are read as the model stated them: {faithful} of {wrong}.",
            *(f"Rows where {what}: {len(ids)}." for ids, what in remarked if ids),
        ),
    )


def _structure(code: CodeFigures, formulas: FormulaFigures) -> Table:
    named = (
        ("fenced blocks, as segments", code.segments),
        ("fenced programs, as insights", code.insights),
        ("answers that are a program, as insights", code.bare),
        ("formulas set apart, as segments", formulas.display_segments),
        ("formulas set apart, in insights", formulas.display_symbolic),
        ("results set apart, in insights", formulas.display_values),
        ("formulas in sentences, in insights", formulas.inline_symbolic),
        ("formulas, as equations", formulas.as_equations),
    )
    wrong = len(code.disagreeing_ids)
    return Table(
        "Code and formulas that independent scans find",
        ("what", "there", "found", "recall", "95 % CI"),
        [
            (
                name,
                each.there,
                each.found,
                *_shared(each.share, each.interval, each.there),
            )
            for name, each in named
        ],
        (
            f"Blocks of Python that parse: {code.parsing} of {code.python}.",
            *([f"Answers where an insight says otherwise: {wrong}."] if wrong else []),
        ),
    )


def _duplicates(duplicates: Duplicates) -> Table:
    named = [
        *((f"{each.what} edit", "yes", each) for each in duplicates.edits),
        *((f"{each.what} changed", "no", each) for each in duplicates.flips),
    ]
    return Table(
        "Planted pairs of insights: do they become one?",
        ("what", "should merge", "pairs", "merged", "share", "95 % CI"),
        [
            (name, should, each.pairs, each.merged, *_shared(each.share, each.interval, each.pairs))
            for name, should, each in named
        ],
        (f"False merges, all together: {_percent(duplicates.false_merges) or 'no pairs'}.",),
    )


def _domains(domains: Domains) -> Table:
    named = (
        ("type of most insights", domains.most_frequent),
        ("type of the most confident insight", domains.most_confident),
        ("learned from types and kinds, by question", domains.learned),
        ("majority, by question", domains.majority),
        ("learned, each source left out", domains.learned_across),
        ("majority, each source left out", domains.majority_across),
    )
    return Table(
        "Do the insights tell the domain of their answer?",
        ("how", "answers", "right", "accuracy", "95 % CI"),
        [
            (name, each.answers, each.right, *_shared(each.share, each.interval, each.answers))
            for name, each in named
            if each is not None
        ],
        (
            (f"Answers without insights, counted as wrong: {domains.without_insights}.",)
            if domains.without_insights
            else ()
        ),
    )


def _calibration(calibration: tuple[Calibration, ...]) -> Table:
    return Table(
        "Confidence of final answers; calibrated by cross-validation over questions",
        ("right by", "answers", "right", "confidence", "ECE", "by chance", "Brier", "AUC"),
        [
            (
                each.labels,
                each.answers,
                each.right,
                name,
                *map(_figure, (said.ece, said.chance_ece, said.brier, said.auc)),
            )
            for each in calibration
            for name, said in (("raw", each.raw), ("calibrated", each.calibrated))
            if said is not None
        ],
        (
            "By chance: the ECE that few answers alone give confidences that are exactly right.",
            "Others known: where a question was answered more than once, with those answers.",
            *(
                f"By {each.labels}: not calibrated, {each.remark}."
                for each in calibration
                if each.remark
            ),
        ),
    )


def _reliability(calibration: Calibration) -> Iterator[Table]:
    for name, said in (("raw", calibration.raw), ("calibrated", calibration.calibrated)):
        if said is not None:
            yield Table(
                f"Reliability by {calibration.labels}: {name}",
                ("confidence", "answers", "mean confidence", "right", "95 % CI"),
                [
                    (
                        f"{each.low:.1f}-{each.high:.1f}",
                        each.answers,
                        _figure(each.confidence),
                        *_shared(each.share, each.interval, each.answers),
                    )
                    for each in said.bins
                ],
            )


def _throughput(found: Judgement) -> Table:
    speed = found.throughput
    return Table(
        "Speed on one core",
        ("what", "MB/s", "µs an answer"),
        [
            (
                "extraction",
                f"{speed.megabytes_per_second:.2f}",
                f"{speed.microseconds_per_answer:.0f}",
            ),
            ("its patterns alone", f"{speed.patterns_megabytes_per_second:.2f}", ""),
            (
                "its patterns alone, answers joined to 4 kB",
                f"{speed.joined_patterns_megabytes_per_second:.2f}",
                "",
            ),
            (speed.baseline, f"{speed.baseline_megabytes_per_second:.2f}", ""),
        ],
        (f"Ratio {speed.ratio:.2f}; process time, medians of {speed.rounds} rounds in turns.",),
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _shared(share: float | None, interval: Interval, of: int) -> tuple[str, str]:
    """A share and its interval, in percent; nothing where it is a share of nothing."""
    if not of:
        return "", ""
    return _percent(share), f"{100 * interval.low:.1f}-{100 * interval.high:.1f}"
