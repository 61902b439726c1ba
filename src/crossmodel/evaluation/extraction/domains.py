"""Does what was extracted tell the domain of an answer?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from crossmodel.evaluation.extraction.rows import AnswerRow, Extracted
from crossmodel.evaluation.statistics import Interval, wilson_interval

FOLDS: Final = 5
_SMOOTHING: Final = 0.5

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One way to tell the domain, and how often it is right."""

    name: str
    answers: int
    right: int

    @property
    def share(self) -> float | None:
        """0..1; ``None`` without answers."""
        return self.right / self.answers if self.answers else None

    @property
    def interval(self) -> Interval:
        """95 % interval of the share."""
        return wilson_interval(self.right, self.answers)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "answers": self.answers,
            "right": self.right,
            "accuracy": self.share,
            "interval_95": list(self.interval),
        }


@dataclass(frozen=True, slots=True)
class Domains:
    """How well the domain is told: from the insights' types as they are, and by learning.

    ``learned`` and the ``majority`` beside it are cross-validated by question, ``across`` leaves
    out one source (repository) at a time. Each is empty where there is but one source.
    """

    most_frequent: Accuracy
    most_confident: Accuracy
    learned: Accuracy
    majority: Accuracy
    learned_across: Accuracy | None
    majority_across: Accuracy | None
    without_insights: int
    by_domain: dict[str, Accuracy]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "most_frequent_type": self.most_frequent.to_dict(),
            "most_confident_type": self.most_confident.to_dict(),
            "within_sources": {
                "learned": self.learned.to_dict(),
                "majority": self.majority.to_dict(),
            },
            "across_sources": {
                "learned": self.learned_across.to_dict(),
                "majority": self.majority_across.to_dict() if self.majority_across else None,
            }
            if self.learned_across
            else None,
            "answers_without_insights": self.without_insights,
            "most_frequent_type_by_domain": {
                domain: accuracy.to_dict() for domain, accuracy in self.by_domain.items()
            },
        }


def judge_domains(extracted: Sequence[Extracted]) -> Domains | None:
    """How well types and kinds tell the domain; ``None`` if no answer names one.

    An answer without insights counts as wrong.
    """
    known = [each for each in extracted if each.row.domain]
    if not known:
        return None
    truth = [each.row.domain for each in known]
    frequent = [_most_frequent(each) for each in known]
    counts, labels = _counts(known), np.array(truth)
    folds = fold_of([each.row for each in known])
    learned, majority = _cross_validated(counts, labels, folds)
    sources = [each.row.repo for each in known]
    across = _cross_validated(counts, labels, sources) if len(set(sources)) > 1 else None
    return Domains(
        _accuracy("most frequent type", truth, frequent),
        _accuracy("most confident type", truth, [_most_confident(each) for each in known]),
        learned,
        majority,
        across[0] if across else None,
        across[1] if across else None,
        without_insights=sum(not each.insights for each in known),
        by_domain={
            domain: _accuracy(
                domain,
                [domain] * truth.count(domain),
                [said for said, is_so in zip(frequent, truth, strict=True) if is_so == domain],
            )
            for domain in dict.fromkeys(truth)
        },
    )


def fold_of(rows: Sequence[AnswerRow], folds: int = FOLDS) -> list[int]:
    """A fold for each row; answers to one question share theirs, and the folds are of like size."""
    sizes = Counter(row.question for row in rows)
    filled = [0] * folds
    assigned: dict[str, int] = {}
    for question, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        fold = filled.index(min(filled))
        assigned[question] = fold
        filled[fold] += size
    return [assigned[row.question] for row in rows]


def _most_frequent(each: Extracted) -> str:
    types = Counter(str(insight.insight_type) for insight in each.insights)
    return types.most_common(1)[0][0] if types else ""


def _most_confident(each: Extracted) -> str:
    best = max(each.insights, key=lambda insight: insight.confidence_score, default=None)
    return str(best.insight_type) if best else ""


def _counts(known: Sequence[Extracted]) -> Counts:
    """How many insights of each type and kind there are, shape (answers, features), damped."""
    found = [Counter(_features(each)) for each in known]
    names = sorted(set().union(*found))
    return np.log1p([[counts[name] for name in names] for counts in found])


def _features(each: Extracted) -> list[str]:
    kinds = [f"{insight.insight_type}/{insight.kind}" for insight in each.insights]
    return [*kinds, *(str(insight.insight_type) for insight in each.insights)] or ["nothing"]


def _cross_validated(
    counts: Counts, labels: npt.NDArray[np.str_], groups: Sequence[Hashable]
) -> tuple[Accuracy, Accuracy]:
    """The learned and the majority's accuracy, each group judged by what the others taught."""
    right = {"learned": 0, "majority": 0}
    for group in dict.fromkeys(groups):
        inside = np.array([each == group for each in groups])
        if inside.all():
            continue
        for name, fit in (("learned", naive_bayes), ("majority", _majority)):
            predict = fit(counts[~inside], labels[~inside])
            right[name] += int((predict(counts[inside]) == labels[inside]).sum())
    return Accuracy("learned", len(labels), right["learned"]), Accuracy(
        "majority", len(labels), right["majority"]
    )


Predict = Callable[[Counts], npt.NDArray[np.str_]]


def naive_bayes(counts: Counts, labels: npt.NDArray[np.str_]) -> Predict:
    """Multinomial naive Bayes on damped counts (Rennie et al., ICML 2003, their first remedy)."""
    classes, index = np.unique(labels, return_inverse=True)
    totals = np.zeros((len(classes), counts.shape[1]))
    np.add.at(totals, index, counts)
    weights = np.log(totals + _SMOOTHING) - np.log((totals + _SMOOTHING).sum(axis=1, keepdims=True))
    prior = np.log(np.bincount(index) / len(labels))
    return lambda new: np.asarray(classes[(new @ weights.T + prior).argmax(axis=1)])


def _majority(_: Counts, labels: npt.NDArray[np.str_]) -> Predict:
    classes, numbers = np.unique(labels, return_counts=True)
    return lambda new: np.full(len(new), classes[numbers.argmax()])


def _accuracy(name: str, truth: Sequence[str], said: Sequence[str]) -> Accuracy:
    return Accuracy(name, len(truth), sum(a == b for a, b in zip(truth, said, strict=True)))
