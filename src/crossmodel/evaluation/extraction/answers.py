"""Is the final answer found? Misses of extraction are told apart from wrong answers of models.

An answer counts as right where its source says so, and where the source says nothing, if the data
set's own rule (:mod:`.checkers`) reads the reference from it. Only right answers can be missed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from crossmodel.evaluation.extraction.checkers import CHECKERS, Checker
from crossmodel.evaluation.extraction.rows import AnswerRow, Extracted
from crossmodel.evaluation.statistics import Interval, wilson_interval


class Verdict(StrEnum):
    """What became of the final answer of a row."""

    FOUND = "found"
    MISSED = "missed"
    ANOTHER = "another"
    MODEL_WRONG = "model wrong"
    NOT_HELD = "not in the answer"
    UNCLEAR = "unclear"
    NOT_JUDGED = "not judged"


RIGHT: Final = frozenset({Verdict.FOUND, Verdict.MISSED, Verdict.ANOTHER})
"""The model was right, so extraction is judged."""


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """The verdict on one row.

    Attributes:
        verdict: ``missed`` if the right answer was there and no final answer was extracted,
            ``another`` if another one was; ``not in the answer`` if the source calls it right and
            the reference stands nowhere; ``unclear`` if nobody says whether it is right.
        by_label: whether the verdict on the model is the source's own.
        group: ``answer``, ``code`` or ``work``; empty where nothing could be judged.
        extracted: what was taken for the answer.
        is_right: whether that is the reference, whatever the model's label says.
        stated: what the answer states by its data set's rule.
        is_faithful: whether a value that was extracted is the one that is stated; ``None`` where
            none is.
    """

    row: AnswerRow
    verdict: Verdict
    by_label: bool
    group: str = ""
    extracted: tuple[str, ...] = ()
    is_right: bool = False
    stated: str | None = None
    is_faithful: bool | None = None


@dataclass(frozen=True, slots=True)
class Recall:
    """How often the right final answer was found, of the answers that are right."""

    found: int
    missed: int
    another: int

    @property
    def right(self) -> int:
        """Right answers of models: the denominator."""
        return self.found + self.missed + self.another

    @property
    def share(self) -> float | None:
        """Recall, 0..1; ``None`` if no answer was right."""
        return self.found / self.right if self.right else None

    @property
    def interval(self) -> Interval:
        """95 % interval of the recall."""
        return wilson_interval(self.found, self.right)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "right": self.right,
            "found": self.found,
            "missed": self.missed,
            "another": self.another,
            "recall": self.share,
            "interval_95": list(self.interval),
        }


@dataclass(frozen=True, slots=True)
class TaskAnswers:
    """The final answers of one task."""

    task: str
    check: str
    group: str
    judged: tuple[JudgedAnswer, ...]

    @property
    def recall(self) -> Recall:
        """Over all that are right, by label or by rule."""
        return recall(self.judged)

    def count(self, verdict: Verdict) -> int:
        """How many answers have this verdict."""
        return sum(each.verdict is verdict for each in self.judged)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; the misses by id."""
        return {
            "task": self.task,
            "check": self.check,
            "group": self.group,
            **self.recall.to_dict(),
            "verdicts": dict(Counter(str(each.verdict) for each in self.judged)),
            "missed_ids": [each.row.id for each in self.judged if each.verdict in MISSES],
        }


MISSES: Final = frozenset({Verdict.MISSED, Verdict.ANOTHER})


@dataclass(frozen=True, slots=True)
class FinalAnswers:
    """What became of all final answers."""

    judged: tuple[JudgedAnswer, ...]

    @property
    def tasks(self) -> list[TaskAnswers]:
        """By task and check, in order of appearance; rows that name no known check are left out."""
        groups: dict[tuple[str, str], list[JudgedAnswer]] = {}
        for each in self.judged:
            if each.group:
                groups.setdefault((each.row.task, each.row.check), []).append(each)
        return [
            TaskAnswers(task, check, some[0].group, tuple(some))
            for (task, check), some in groups.items()
        ]

    @property
    def labelled(self) -> Recall:
        """Where the source says that the model was right: the figure that is aimed at."""
        return recall([each for each in self.judged if each.by_label])

    def of_group(self, group: str) -> Recall:
        """Over one group of checks, right by label or by rule."""
        return recall([each for each in self.judged if each.group == group])

    def ids(self, verdict: Verdict) -> list[str]:
        """Ids of the rows with this verdict."""
        return [each.row.id for each in self.judged if each.verdict is verdict]

    @property
    def faithful(self) -> tuple[int, int]:
        """Wrong values that were extracted as stated, of those that are stated in their form."""
        wrong = [
            each
            for each in self.judged
            if each.verdict is Verdict.MODEL_WRONG and each.is_faithful is not None
        ]
        return sum(bool(each.is_faithful) for each in wrong), len(wrong)

    @property
    def right_against_label(self) -> list[str]:
        """Ids of rows whose extracted answer is the reference though the source says wrong."""
        return [
            each.row.id
            for each in self.judged
            if each.is_right and each.by_label and each.verdict is Verdict.MODEL_WRONG
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        faithful, wrong = self.faithful
        return {
            "where_the_label_says_right": self.labelled.to_dict(),
            "groups": {
                group: self.of_group(group).to_dict() for group in ("answer", "code", "work")
            },
            "tasks": [task.to_dict() for task in self.tasks],
            "verdicts": dict(Counter(str(each.verdict) for each in self.judged)),
            "wrong_answers": {"stated": wrong, "extracted_as_stated": faithful},
            "right_against_label_ids": self.right_against_label,
            "not_in_the_answer_ids": self.ids(Verdict.NOT_HELD),
            "unclear_ids": self.ids(Verdict.UNCLEAR),
        }


def recall(judged: Sequence[JudgedAnswer]) -> Recall:
    """The recall over some rows."""
    counts = Counter(each.verdict for each in judged)
    return Recall(counts[Verdict.FOUND], counts[Verdict.MISSED], counts[Verdict.ANOTHER])


def judge_answers(extracted: Sequence[Extracted]) -> FinalAnswers:
    """The verdict on the final answer of every row."""
    return FinalAnswers(tuple(map(judge_answer, extracted)))


def judge_answer(extracted: Extracted) -> JudgedAnswer:
    """The verdict on the final answer of one row."""
    row = extracted.row
    checker = CHECKERS.get(row.check)
    if checker is None or row.reference is None:
        return JudgedAnswer(row, Verdict.NOT_JUDGED, by_label=False)
    candidates = tuple(dict.fromkeys(_candidates(extracted, checker)))
    stated = checker.stated(row)
    is_right = any(checker.is_right(each, row) for each in candidates)
    model = row.correct
    if model is None and stated is not None:
        model = checker.is_right(stated, row)
    if model is None:
        verdict = Verdict.UNCLEAR if checker.holds(row) else Verdict.MODEL_WRONG
    elif not model:
        verdict = Verdict.MODEL_WRONG
    elif is_right:
        verdict = Verdict.FOUND
    elif not checker.holds(row):
        verdict = Verdict.NOT_HELD
    else:
        verdict = Verdict.ANOTHER if candidates else Verdict.MISSED
    return JudgedAnswer(
        row,
        verdict,
        by_label=row.correct is not None,
        group=checker.group,
        extracted=candidates,
        is_right=is_right,
        stated=stated,
        is_faithful=(
            _is_faithful(candidates, stated, checker)
            if stated is not None and checker.group == "answer"
            else None
        ),
    )


def _candidates(extracted: Extracted, checker: Checker) -> Iterator[str]:
    """What the extraction gives as the answer; code and works as they are written there."""
    final = extracted.final_answer
    if final is not None:
        answer = final.metadata.get("answer")
        yield answer if isinstance(answer, str) else final.content
    if checker.group != "answer":
        for insight in extracted.insights:
            if insight.kind in checker.kinds:
                yield from extracted.said(insight)


def _is_faithful(candidates: Sequence[str], stated: str, checker: Checker) -> bool:
    """Whether one of them is what is stated: it would be right if that were the reference."""
    if checker is CHECKERS["game24"]:
        wanted = "".join(stated.split())
        return any("".join(each.split()) in wanted for each in candidates)
    return any(
        checker.is_right(text, AnswerRow(id="", output="", reference=wanted))
        for each in candidates
        for text, wanted in ((each, stated), (stated, each))
    )
