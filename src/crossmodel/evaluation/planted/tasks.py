"""A planted rule as a row: where it was told, what it says, and a question that needs it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossmodel.domain import checks
from crossmodel.domain.insight import Insight, InsightKind, ValidationStatus
from crossmodel.errors import InvalidInputError

MAX_CHOICES: Final = 64

_QUESTION_END: Final = re.compile(r"(?<=\?)\s+(?:A(?:nswer)?\s*:\s*)?")
_ARROW: Final = re.compile(r"\s*(?:->|=>|→|⇒)\s*|\s+(?:becomes|is written as|gives)\s+")
_COLON: Final = re.compile(r"\s*:\s+")


@dataclass(frozen=True, slots=True)
class PlantedTask:
    """One question about a rule that was told somewhere.

    Attributes:
        id: unique within a file.
        family: what sort of rule it is.
        source_answers: long answers in which the rule stands; what the system learns from.
        rule: the rule itself, for the oracle arms alone.
        question: what is asked.
        answer: the one right answer.
        example: a worked example of the rule, ``question answer`` or ``input -> output``.
        choices: the answers that are possible, the right one among them; empty if any text is.
        lie: a false rule, or a false answer, that somebody might plant.

    Raises:
        InvalidInputError: naming the field that is wrong.
    """

    id: str
    family: str
    source_answers: tuple[str, ...]
    rule: str
    question: str
    answer: str
    example: str = ""
    choices: tuple[str, ...] = ()
    lie: str = ""

    def __post_init__(self) -> None:
        for name in ("id", "family", "rule", "question", "answer"):
            checks.text(name, getattr(self, name))
        if len(self.choices) > MAX_CHOICES:
            raise InvalidInputError(f"choices must be at most {MAX_CHOICES}")
        if self.choices and self.answer not in self.choices:
            raise InvalidInputError("choices must hold the answer")
        if len(set(self.choices)) != len(self.choices):
            raise InvalidInputError("choices must differ from each other")

    @property
    def false_rule(self) -> str:
        """The lie as a statement: as it is written, or the rule with the answer exchanged for it.

        Empty where there is no lie, or where the rule does not hold the answer.
        """
        if not self.lie or " " in self.lie.strip() or self.lie not in self.choices:
            return self.lie if " " in self.lie.strip() else self._exchanged()
        return self._exchanged()

    def _exchanged(self) -> str:
        if not self.lie:
            return ""
        exchanged = self.rule.replace(self.answer, self.lie)
        return exchanged if exchanged != self.rule else f"{self.question} {self.lie}"

    def lies_in(self, said: str) -> bool:
        """Whether ``said``, which is not the right answer, is what the lie would have it be."""
        said = said.strip()
        if not self.lie or not said or said == self.answer:
            return False
        if said == self.lie.strip():
            return True
        return names(self.lie, said) and not names(self.rule, said)

    def oracle(self, *, with_example: bool) -> list[Insight]:
        """The rule as an insight, linked with its worked example if there is one."""
        rule = _told(self.rule, InsightKind.RULE, f"oracle_{self.id}_rule")
        pair = split_example(self.example) if with_example else None
        if pair is None:
            return [rule]
        example = _told(self.example, InsightKind.EXAMPLE, f"oracle_{self.id}_example")
        example.metadata = {"input": pair[0], "output": pair[1]}
        example.links, rule.links = (rule.id,), (example.id,)
        return [rule, example]


def names(text: str, answer: str) -> bool:
    """Whether an answer stands in a text as words of its own, or of several; case counts."""
    plural = "s?" if answer.isalpha() and len(answer) > 1 else ""
    return re.search(rf"(?<!\w){re.escape(answer)}{plural}(?!\w)", text) is not None


def split_example(example: str) -> tuple[str, str] | None:
    """Input and output of a worked example in one line; ``None`` if it does not say which."""
    for ends in (_QUESTION_END, _ARROW, _COLON):
        parts = ends.split(example.strip(), maxsplit=1)
        if len(parts) == 2 and all(part.strip() for part in parts):  # noqa: PLR2004 - a pair
            return parts[0].strip(), parts[1].strip()
    return None


def check_tasks(tasks: Sequence[PlantedTask]) -> None:
    """Refuse rows that cannot be told apart.

    Raises:
        InvalidInputError: if there is none, or an id is there twice.
    """
    if not tasks:
        raise InvalidInputError("there must be at least one task")
    seen: set[str] = set()
    for task in tasks:
        if task.id in seen:
            raise InvalidInputError(f"the id {task.id!r} is there twice")
        seen.add(task.id)


def _told(content: str, kind: InsightKind, insight_id: str) -> Insight:
    return Insight(
        content,
        kind=kind,
        source_model="oracle",
        confidence_score=1.0,
        validation_status=ValidationStatus.VALID,
        trust=1.0,
        id=insight_id,
    )
