"""Held-out questions with the one right answer to each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from crossmodel.domain import checks
from crossmodel.errors import InvalidInputError, NotFoundError


@dataclass(frozen=True, slots=True)
class Task:
    """One question.

    Attributes:
        id: unique within a file.
        family: the convention that it is about.
        question: what the model is asked.
        answer: the one right answer; see :mod:`crossmodel.evaluation.grading`.
        rule: the convention in one sentence. For readers: no model is ever given it.
        example: one worked example. For readers too.
    """

    id: str
    family: str
    question: str
    answer: str
    rule: str = ""
    example: str = ""

    def __post_init__(self) -> None:
        for name in ("id", "family", "question", "answer"):
            checks.text(name, getattr(self, name))


def read_tasks(path: Path) -> list[Task]:
    """The tasks of a JSONL file; fields that are not a task's are skipped.

    Raises:
        NotFoundError: if the file cannot be read.
        InvalidInputError: naming the line that is no task, or the id that is there twice.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"cannot read tasks from {path}: {error}") from error
    # not splitlines(), which breaks at U+2028 inside of strings
    return parse_tasks(text.split("\n"), str(path))


def parse_tasks(lines: Iterable[str], origin: str) -> list[Task]:
    """The tasks in lines of JSON; empty lines are skipped. ``origin`` is for error messages."""
    tasks: dict[str, Task] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            task = msgspec.json.decode(line, type=Task)
        except (msgspec.MsgspecError, InvalidInputError, UnicodeEncodeError) as error:
            raise InvalidInputError(f"{origin}:{number}: not a task: {error}") from error
        if task.id in tasks:
            raise InvalidInputError(f"{origin}:{number}: the id {task.id!r} is there twice")
        tasks[task.id] = task
    if not tasks:
        raise InvalidInputError(f"{origin} holds no tasks")
    return list(tasks.values())
