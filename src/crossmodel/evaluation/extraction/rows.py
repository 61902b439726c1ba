"""Answers to judge extraction on, and what was extracted from each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from crossmodel.domain.insight import ExtractionResult, Insight, InsightKind
from crossmodel.errors import InvalidInputError, NotFoundError
from crossmodel.extraction import InsightExtractor
from crossmodel.extraction.bulk import ExtractionJob
from crossmodel.ports import Spread

UNKNOWN: Final = "unknown"
_LOOKS_LIKE: Final = (
    'a row looks like {"id": "1", "output": "The answer is 4.", "reference": "4", ...}'
)
_TEXT_FIELDS: Final = ("domain", "source_model", "task", "prompt", "check", "repo")

TOGETHER: Final = 50
"""Answers that are extracted from at once where they are shared out."""

Progress = Callable[[str], None]
"""Told what is being done."""


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A model's answer, and what its source says of it. All but ``output`` may be empty.

    Attributes:
        id: what the row is called; its line number where the file gives no name.
        output: the answer.
        domain: what it is about, in the words of ``InsightType``.
        task: the data set or exercise that it belongs to.
        reference: the right answer.
        check: how the reference is judged: a key of ``checkers.CHECKERS``.
        correct: whether the source says that the model was right.
        repo: where the answer was published; answers of one repository are one source.
    """

    id: str
    output: str
    domain: str = ""
    source_model: str = ""
    task: str = ""
    prompt: str = ""
    reference: str | None = None
    check: str = ""
    correct: bool | None = None
    repo: str = ""

    @property
    def question(self) -> str:
        """What answers to the same question share: the prompt, or the row alone without one."""
        return " ".join(self.prompt.split()) or f"\0{self.id}"


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """The answers of a file, and how often something was missing or could not be used."""

    rows: list[AnswerRow]
    remarks: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Extracted:
    """An answer and what was found in it."""

    row: AnswerRow
    result: ExtractionResult

    @property
    def insights(self) -> list[Insight]:
        """What was found."""
        return self.result.insights

    @property
    def final_answer(self) -> Insight | None:
        """The final answer that was found; of several the most confident."""
        found = [each for each in self.insights if each.kind == InsightKind.FINAL_ANSWER]
        return max(found, key=lambda each: each.confidence_score, default=None)

    def said(self, insight: Insight) -> Iterator[str]:
        """The pieces of the answer that the insight stands on, as they are written there."""
        for each in insight.evidence:
            yield self.row.output[each.start : each.end]


def read_answers(path: Path) -> AnswerFile:
    """The answers of a JSONL file.

    A row without an answer is left out and counted; what else it lacks, or holds in a type that
    means nothing, is counted only.

    Raises:
        NotFoundError: if the file cannot be read.
        InvalidInputError: naming the line that is no JSON object; or if no row has an answer.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"cannot read {path}: {error}") from error
    remarks: Counter[str] = Counter()
    rows: dict[str, AnswerRow] = {}
    # not splitlines(), which breaks at U+2028 inside of strings
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        raw = _object(line, f"{path}:{number}")
        row = _row(raw, number, remarks)
        if row is None:
            continue
        if row.id in rows:
            remarks["left out with the id of another"] += 1
            continue
        rows[row.id] = row
    if not rows:
        raise InvalidInputError(f"{path} holds no row with an answer: a string called 'output'")
    return AnswerFile(list(rows.values()), dict(remarks))


def _object(line: str, where: str) -> dict[str, Any]:
    """The JSON object in a line; by the standard library, which reads lone surrogates as well."""
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{where}: not a JSON object: {error}; {_LOOKS_LIKE}") from error
    if not isinstance(raw, dict):
        raise InvalidInputError(f"{where}: not a JSON object; {_LOOKS_LIKE}")
    return raw


def _row(raw: Mapping[str, Any], number: int, remarks: Counter[str]) -> AnswerRow | None:
    output = raw.get("output")
    if not isinstance(output, str) or not output.strip():
        remarks["left out without an answer"] += 1
        return None
    texts = {name: _text(raw, name, remarks) for name in _TEXT_FIELDS}
    correct = raw.get("correct")
    if correct is not None and not isinstance(correct, bool):
        remarks["with a 'correct' that is neither true nor false"] += 1
        correct = None
    reference = raw.get("reference")
    if isinstance(reference, int | float) and not isinstance(reference, bool):
        reference = str(reference)
    if reference is not None and not isinstance(reference, str):
        remarks["with a 'reference' that is no text"] += 1
        reference = None
    name = raw.get("id")
    row_id = _printable(name) if isinstance(name, str | int) and name != "" else f"line {number}"
    return AnswerRow(id=row_id, output=output, reference=reference, correct=correct, **texts)


def _text(raw: Mapping[str, Any], name: str, remarks: Counter[str]) -> str:
    value = raw.get(name)
    if isinstance(value, str):
        return value if name == "prompt" else _printable(value)
    remarks[f"without '{name}'" if value is None else f"with a '{name}' that is no text"] += 1
    return ""


def _printable(name: str | int) -> str:
    """A name without lone surrogates, which no report could hold."""
    return str(name).encode("utf-8", "replace").decode()


def extract_all(
    rows: Sequence[AnswerRow],
    extractor: InsightExtractor,
    contexts: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress = lambda _: None,
    spread: Spread = map,
) -> list[Extracted]:
    """What the extractor finds in each row; ``contexts`` by id of row; ``spread`` shares them out.

    Elsewhere an extractor is made of its settings: patterns that were registered with it by hand
    are not known there.
    """
    together = [rows[at : at + TOGETHER] for at in range(0, len(rows), TOGETHER)]
    found: list[Extracted] = []
    progress(f"extracting from {len(rows)} answers")
    for results in spread(_Extracting(extractor, contexts or {}), together):
        found += map(Extracted, rows[len(found) :], results)
        progress(f"extracted from {len(found)} of {len(rows)} answers")
    return found


class _Extracting:
    """Extracts from rows; it is sent as the settings of its extractor."""

    def __init__(
        self, extractor: InsightExtractor, contexts: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._extractor = extractor
        self._contexts = contexts

    def __call__(self, rows: Sequence[AnswerRow]) -> list[ExtractionResult]:
        return [
            self._extractor.extract(
                row.output, row.source_model or UNKNOWN, self._contexts.get(row.id)
            )
            for row in rows
        ]

    def __reduce__(self) -> tuple[Callable[..., _Extracting], tuple[object, ...]]:
        return _extracting_by, (ExtractionJob.of(self._extractor), self._contexts)


def _extracting_by(job: ExtractionJob, contexts: Mapping[str, Mapping[str, Any]]) -> _Extracting:
    return _Extracting(job.extractor(), contexts)
