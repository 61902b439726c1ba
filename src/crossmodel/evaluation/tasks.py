"""Held-out questions with the one right answer to each, and what teachers are asked to write."""

from __future__ import annotations

from dataclasses import dataclass

from crossmodel.domain import checks


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


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a teacher is asked to write about.

    Attributes:
        id: unique within a file.
        prompt: the text.
    """

    id: str
    prompt: str

    def __post_init__(self) -> None:
        for name in ("id", "prompt"):
            checks.text(name, getattr(self, name))
