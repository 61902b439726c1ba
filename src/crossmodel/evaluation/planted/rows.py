"""Rows of a file of planted rules, in the several ways in which people write them down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crossmodel.evaluation.planted.tasks import PlantedTask
from crossmodel.evaluation.rows import read_rows

Said = str | list[str] | dict[str, str] | None
"""One text, or the two sides of one as a list or an object."""


@dataclass(frozen=True, slots=True)
class PlantedRow:
    """A :class:`PlantedTask` as a file may hold it.

    ``example`` may be a pair, ``lie`` an object of a false rule and a false answer; what there is
    not may be null.
    """

    id: str
    family: str
    source_answers: list[str]
    rule: str
    question: str
    answer: str
    example: Said = None
    choices: list[str] | None = None
    lie: Said = None

    def __post_init__(self) -> None:
        self.task()  # so that a reader can say in which line something is wrong

    def task(self) -> PlantedTask:
        """The task that it is.

        Raises:
            InvalidInputError: naming the field that is wrong.
        """
        return PlantedTask(
            id=self.id,
            family=self.family,
            source_answers=tuple(self.source_answers),
            rule=self.rule,
            question=self.question,
            answer=self.answer,
            example=_joined(self.example, " -> "),
            choices=tuple(self.choices or ()),
            lie=_joined(self.lie, " "),
        )


def read_tasks(path: Path) -> list[PlantedTask]:
    """The tasks of a JSONL file; fields that a row does not have are skipped.

    Raises:
        NotFoundError: if the file cannot be read.
        InvalidInputError: naming the line that is no such row.
    """
    return [row.task() for row in read_rows(path, PlantedRow)]


def _joined(said: Said, joint: str) -> str:
    if said is None or isinstance(said, str):
        return said or ""
    return joint.join(said.values() if isinstance(said, dict) else said)
