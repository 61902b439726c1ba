"""All figures of extraction on one file of answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from crossmodel.domain.insight import Insight
from crossmodel.errors import InvalidInputError
from crossmodel.evaluation.extraction.answers import FinalAnswers, judge_answers
from crossmodel.evaluation.extraction.calibration import (
    Calibrate,
    Calibration,
    Labels,
    Sample,
    Score,
    contexts_of_agreement,
    judge_calibration,
    samples_by_label,
    samples_by_reference,
)
from crossmodel.evaluation.extraction.checkers import CHECKERS
from crossmodel.evaluation.extraction.domains import Domains, judge_domains
from crossmodel.evaluation.extraction.duplicates import Duplicates, judge_duplicates, merges_at
from crossmodel.evaluation.extraction.grounding import (
    Corrupted,
    GroundedInsights,
    judge_false_grounding,
    judge_grounding,
)
from crossmodel.evaluation.extraction.rows import AnswerFile, Extracted, Progress, extract_all
from crossmodel.evaluation.extraction.structure import (
    CodeFigures,
    FormulaFigures,
    judge_code,
    judge_formulas,
)
from crossmodel.evaluation.extraction.throughput import Throughput, judge_throughput
from crossmodel.extraction import InsightExtractor
from crossmodel.ports import Spread

BY_LABEL: Final = "label"
BY_REFERENCE: Final = "reference"
AGREEMENT: Final = ", others known"


class Scorer(Protocol):
    """What scores insights."""

    def calculate_confidence(
        self, insight: Insight, text: str, context: Mapping[str, Any]
    ) -> float:
        """The confidence in ``insight``, 0..1."""
        ...


class Calibrated(Scorer, Protocol):
    """What scores by what it has learned."""

    def to_dict(self) -> dict[str, Any]:
        """What it has learned, as plain values."""
        ...


@runtime_checkable
class Calibratable(Protocol):
    """A scorer that learns from labels how often it is right."""

    def calibrated(self, labels: Labels) -> Calibrated:
        """One that has learned; this one stays as it is."""
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """Every figure, and the answers that they are of."""

    extracted: tuple[Extracted, ...]
    remarks: Mapping[str, int]
    grounding: GroundedInsights
    false_grounding: tuple[Corrupted, ...]
    answers: FinalAnswers
    code: CodeFigures
    formulas: FormulaFigures
    duplicates: Duplicates
    domains: Domains | None
    calibration: tuple[Calibration, ...]
    throughput: Throughput

    @property
    def pattern_errors(self) -> dict[str, int]:
        """How often each pattern failed."""
        return dict(Counter(name for each in self.extracted for name in each.result.errors))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: ids of rows where something is wrong, never their texts."""
        return {
            "answers": len(self.extracted),
            "remarks": dict(self.remarks),
            "pattern_errors": self.pattern_errors,
            "grounding": self.grounding.to_dict(),
            "false_grounding": [each.to_dict() for each in self.false_grounding],
            "final_answers": self.answers.to_dict(),
            "code": self.code.to_dict(),
            "formulas": self.formulas.to_dict(),
            "duplicates": self.duplicates.to_dict(),
            "domains": self.domains.to_dict() if self.domains else None,
            "calibration": [each.to_dict() for each in self.calibration],
            "throughput": self.throughput.to_dict(),
        }


def judge(
    file: AnswerFile,
    extractor: InsightExtractor,
    progress: Progress = lambda _: None,
    spread: Spread = map,
) -> Judgement:
    """Extract from every answer, shared out by ``spread``, and judge what was found."""
    rows = file.rows
    extracted = extract_all(rows, extractor, progress=progress, spread=spread)
    progress("judging")
    grounding, answers = judge_grounding(extracted), judge_answers(extracted)
    code, formulas = judge_code(extracted), judge_formulas(extracted)
    false_grounding = judge_false_grounding(extracted, progress=progress)
    duplicates = judge_duplicates(
        extracted, merges_at(extractor.config.similarity_threshold), progress=progress
    )
    progress("domains and confidence")
    domains = judge_domains(extracted)
    calibration = _calibrations(extracted, extractor, progress, spread)
    progress("timing")
    return Judgement(
        extracted=tuple(extracted),
        remarks={**file.remarks, **_unknown_checks(extracted)},
        grounding=grounding,
        false_grounding=tuple(false_grounding),
        answers=answers,
        code=code,
        formulas=formulas,
        duplicates=duplicates,
        domains=domains,
        calibration=tuple(calibration),
        throughput=judge_throughput(rows, extractor),
    )


def calibration_of(found: Judgement, extractor: InsightExtractor) -> dict[str, Any]:
    """What all labels of the file teach, as plain values: the reference's, else the source's.

    Raises:
        InvalidInputError: if there are none, or too few.
    """
    by_id = {s.row.id: s for s in samples_by_label(found.extracted)}
    by_id |= {s.row.id: s for s in samples_by_reference(found.extracted)}
    if not by_id:
        raise InvalidInputError(
            "nothing to calibrate with: no row has a final answer and also a reference or 'correct'"
        )
    labels = [(sample.insight, sample.is_right) for sample in by_id.values()]
    return _calibratable(extractor).calibrated(labels).to_dict()


def _calibratable(extractor: InsightExtractor) -> Calibratable:
    calculator: object = extractor.confidence_calculator
    if not isinstance(calculator, Calibratable):
        raise InvalidInputError("this confidence calculator cannot be calibrated")
    return calculator


def _calibrations(
    extracted: list[Extracted], extractor: InsightExtractor, progress: Progress, spread: Spread
) -> Iterator[Calibration]:
    """By either sort of label; again with the other answers to the same question, if there are."""

    def calibrate(labels: Labels) -> Score:
        scorer = _calibratable(extractor).calibrated(labels)

        def score(sample: Sample) -> float:
            return scorer.calculate_confidence(sample.insight, sample.row.output, sample.context)

        return score

    yield from _both(extracted, None, "", calibrate)
    rows = [each.row for each in extracted]
    contexts = contexts_of_agreement(rows)
    if contexts:
        again = extract_all(rows, extractor, contexts, progress, spread)
        yield from _both(again, contexts, AGREEMENT, calibrate)


def _both(
    extracted: list[Extracted],
    contexts: Mapping[str, Mapping[str, Any]] | None,
    told: str,
    calibrate: Calibrate,
) -> Iterator[Calibration]:
    for name, samples in (
        (BY_LABEL, samples_by_label(extracted, contexts)),
        (BY_REFERENCE, samples_by_reference(extracted, contexts)),
    ):
        found = judge_calibration(name + told, samples, calibrate)
        if found is not None:
            yield found


def _unknown_checks(extracted: list[Extracted]) -> dict[str, int]:
    unknown = Counter(each.row.check for each in extracted if each.row.check not in CHECKERS)
    return {f"check {name!r}, which is not known": n for name, n in unknown.items() if name}
