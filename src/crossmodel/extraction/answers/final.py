r"""Which of the answers that a text gives is its final one.

Explicit marks win over phrases, phrases over position: ``\boxed{}``, ``#### 42``, what stands under
"final answer" or in answer tags, a rating (the last of these); then "the answer is …", "Answer: …",
and at last the last number of the concluding sentence of a calculation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.extraction.answers.calculations import last_number
from crossmodel.extraction.answers.marks import MARKS, explicit
from crossmodel.extraction.answers.phrases import chosen, label, phrase
from crossmodel.extraction.answers.values import Answer
from crossmodel.extraction.finds import Find
from crossmodel.extraction.python_source import parsed
from crossmodel.extraction.reading import Reading
from crossmodel.extraction.rules import rules_and_examples

_NUMBER: Final = re.compile(r"(?<![\w.])\d(?:[\d,]*\d)?(?:\.\d+)?(?!\w*\d|\.\d)")
"""A number, also as a part of a formula; no version, date or name."""


def final_answer(reading: Reading) -> list[Find]:
    """The final answer, if there is one: a list of at most one find."""
    for look in _LOOKS:
        answer = reading.once(look)
        if answer is None or _is_one_of_several_examples(answer, reading):
            continue
        value = reading.text[slice(*answer.value)]
        is_number = _NUMBER.search(value) is not None and len(value.split()) < 5  # noqa: PLR2004 - "370 activities a day"
        return [
            Find(
                _type_of(value, answer.sign, is_number=is_number),
                InsightKind.FINAL_ANSWER,
                answer.start,
                answer.end,
                metadata={
                    "answer": value,
                    "answer_span": list(answer.value),
                    "answer_sign": answer.sign,
                },
                is_block="\n" in value,
            )
        ]
    return []


def stated_answers(reading: Reading) -> list[str]:
    """Every answer that the text marks as one; they may contradict each other."""
    marked = (reading.once(look) for look in MARKS)
    return [reading.text[slice(*answer.value)] for answer in marked if answer is not None]


def _type_of(value: str, sign: str, *, is_number: bool) -> InsightType:
    if sign == "rating":
        return InsightType.ANALYSIS
    if "\n" in value:
        program = parsed(value)
        is_program = program is not None and program.statements > 0
        return InsightType.CODING if is_program else InsightType.CREATIVITY
    return InsightType.MATH if is_number else InsightType.REASONING


def _is_one_of_several_examples(answer: Answer, reading: Reading) -> bool:
    examples = [
        find for find in reading.once(rules_and_examples) if find.kind == InsightKind.EXAMPLE
    ]
    return len(examples) > 1 and any(
        example.start <= answer.start < example.end for example in examples
    )


_LOOKS: Final[tuple[Callable[[Reading], Answer | None], ...]] = (
    explicit, phrase, label, chosen, last_number,
)  # fmt: skip
