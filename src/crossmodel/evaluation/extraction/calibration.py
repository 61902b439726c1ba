"""Does a confidence of 0.8 come true four times in five? Of final answers, raw and calibrated."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crossmodel.calibration import brier_score, expected_calibration_error
from crossmodel.domain.insight import Insight
from crossmodel.errors import InvalidInputError
from crossmodel.evaluation.extraction.answers import judge_answer
from crossmodel.evaluation.extraction.checkers import CHECKERS
from crossmodel.evaluation.extraction.domains import fold_of
from crossmodel.evaluation.extraction.rows import AnswerRow, Extracted
from crossmodel.evaluation.statistics import Interval, wilson_interval

BINS: Final = 10
"""Of equal width (Naeini, Cooper and Hauskrecht, AAAI 2015)."""
_FEWEST_ROUNDS, _MOST_ROUNDS, _DRAWS = 10, 200, 100_000
ANSWERS: Final = "answers"
"""Key of the extraction's context for other answers to the same question."""

Labels = Sequence[tuple[Insight, bool]]
"""Final answers as they were extracted, and whether they are right."""
Score = Callable[["Sample"], float]
"""A confidence, 0..1."""
Calibrate = Callable[[Labels], Score]
"""Learns from labels how to score."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A final answer, and whether it is right; ``context`` is what the extraction was told."""

    row: AnswerRow
    insight: Insight
    is_right: bool
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers whose confidence lies within ``low..high``; ``confidence`` is their mean."""

    low: float
    high: float
    answers: int
    confidence: float
    right: int

    @property
    def share(self) -> float:
        """Share that is right."""
        return self.right / self.answers

    @property
    def interval(self) -> Interval:
        """95 % interval of that share."""
        return wilson_interval(self.right, self.answers)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "low": self.low,
            "high": self.high,
            "answers": self.answers,
            "confidence": self.confidence,
            "right": self.right,
            "share": self.share,
            "interval_95": list(self.interval),
        }


@dataclass(frozen=True, slots=True)
class Reliability:
    """How well confidences come true.

    Attributes:
        ece: expected calibration error over 10 bins of equal width.
        chance_ece: what it would be on average if every confidence were exactly right: with few
            answers chance alone makes an error.
        brier: mean squared error (Brier, Monthly Weather Review 78, 1950).
        auc: how often a right answer has more confidence than a wrong one; ``None`` if there are
            none of either.
        bins: those that hold answers.
    """

    ece: float
    chance_ece: float
    brier: float
    auc: float | None
    bins: tuple[Bin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "ece": self.ece,
            "ece_by_chance": self.chance_ece,
            "brier": self.brier,
            "auc": self.auc,
            "bins": [each.to_dict() for each in self.bins],
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """Final answers of one sort of label.

    ``calibrated`` is cross-validated by question; ``None`` where there were too few labels to
    learn from, which ``remark`` then explains.
    """

    labels: str
    answers: int
    right: int
    raw: Reliability
    calibrated: Reliability | None
    remark: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "labels": self.labels,
            "answers": self.answers,
            "right": self.right,
            "raw": self.raw.to_dict(),
            "calibrated": self.calibrated.to_dict() if self.calibrated else None,
            "remark": self.remark,
        }


def samples_by_label(
    extracted: Sequence[Extracted], contexts: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Sample]:
    """Final answers of the rows of which the source says whether the model was right."""
    return [
        Sample(each.row, each.final_answer, each.row.correct, (contexts or {}).get(each.row.id, {}))
        for each in extracted
        if each.final_answer is not None and each.row.correct is not None
    ]


def samples_by_reference(
    extracted: Sequence[Extracted], contexts: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Sample]:
    """Final answers of the rows that have a value for reference, right if they are it."""
    found = []
    for each in extracted:
        checker = CHECKERS.get(each.row.check)
        if each.final_answer is None or checker is None or checker.group != "answer":
            continue
        if each.row.reference is not None:
            is_right = judge_answer(each).is_right
            context = (contexts or {}).get(each.row.id, {})
            found.append(Sample(each.row, each.final_answer, is_right, context))
    return found


def contexts_of_agreement(rows: Sequence[AnswerRow]) -> dict[str, dict[str, Any]]:
    """For each row whose question was answered more than once, the other answers to it."""
    of_question: dict[str, list[AnswerRow]] = defaultdict(list)
    for row in rows:
        of_question[row.question].append(row)
    return {
        row.id: {ANSWERS: [other.output for other in group if other is not row]}
        for group in of_question.values()
        if len(group) > 1
        for row in group
    }


def judge_calibration(
    labels: str, samples: Sequence[Sample], calibrate: Calibrate
) -> Calibration | None:
    """Raw and cross-validated reliability; ``None`` without samples."""
    if not samples:
        return None
    truth = [sample.is_right for sample in samples]
    raw = reliability([sample.insight.confidence_score for sample in samples], truth)
    calibrated, remark = None, ""
    try:
        calibrated = reliability(cross_validated(samples, calibrate), truth)
    except InvalidInputError as error:
        remark = str(error)
    return Calibration(labels, len(samples), sum(truth), raw, calibrated, remark)


def cross_validated(samples: Sequence[Sample], calibrate: Calibrate) -> list[float]:
    """The score of each sample by what the questions of the other folds taught.

    Raises:
        InvalidInputError: if a fold has too few labels to learn from.
    """
    folds = fold_of([sample.row for sample in samples])
    scores = [0.0] * len(samples)
    for fold in sorted(set(folds)):
        rest = [s for s, f in zip(samples, folds, strict=True) if f != fold]
        if not rest:
            raise InvalidInputError("cross-validation needs answers to two questions or more")
        score = calibrate([(sample.insight, sample.is_right) for sample in rest])
        for index, sample in enumerate(samples):
            if folds[index] == fold:
                scores[index] = score(sample)
    return scores


def reliability(said: Sequence[float], came: Sequence[bool]) -> Reliability:
    """How well confidences (0..1) came true.

    Raises:
        InvalidInputError: if there are none, or one does not lie within 0..1.
    """
    if not said or not all(0 <= each <= 1 for each in said):
        raise InvalidInputError("reliability needs confidences within 0..1")
    pairs = list(zip(said, came, strict=True))
    bins = _bins(pairs)
    return Reliability(
        ece=expected_calibration_error(said, came, BINS),
        chance_ece=_chance_ece(said),
        brier=brier_score(said, came),
        auc=_auc(pairs),
        bins=bins,
    )


def _bins(pairs: Sequence[tuple[float, bool]]) -> tuple[Bin, ...]:
    binned: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, right in pairs:
        binned[min(int(confidence * BINS), BINS - 1)].append((confidence, right))
    return tuple(
        Bin(
            index / BINS,
            (index + 1) / BINS,
            len(group),
            sum(confidence for confidence, _ in group) / len(group),
            sum(right for _, right in group),
        )
        for index, group in sorted(binned.items())
    )


def _chance_ece(said: Sequence[float]) -> float:
    """The mean error of outcomes that are drawn as the confidences say."""
    rng = random.Random(0)  # noqa: S311 - a simulation, not a secret
    rounds = max(_FEWEST_ROUNDS, min(_MOST_ROUNDS, _DRAWS // len(said)))
    drawn = ([rng.random() < each for each in said] for _ in range(rounds))
    return statistics.fmean(expected_calibration_error(said, came, BINS) for came in drawn)


def _auc(pairs: Sequence[tuple[float, bool]]) -> float | None:
    """Area under the ROC curve by ranks (Mann and Whitney, 1947); ties count half."""
    right = sum(is_right for _, is_right in pairs)
    wrong = len(pairs) - right
    if not right or not wrong:
        return None
    ranked = sorted(pairs, key=lambda pair: pair[0])
    total, start = 0.0, 0
    while start < len(ranked):
        end = start
        while end < len(ranked) and ranked[end][0] == ranked[start][0]:
            end += 1
        rank = (start + 1 + end) / 2
        total += rank * sum(is_right for _, is_right in ranked[start:end])
        start = end
    return (total - right * (right + 1) / 2) / (right * wrong)
