"""Whether answers come to the same: those of one text, and those of several models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Final

from crossmodel.extraction.answers import final_answer, stated_answers
from crossmodel.extraction.reading import Reading

ANSWERS: Final = "answers"
"""Key of the context under which callers give independent answers to the same question."""

_NUMBER: Final = re.compile(r"[-+]?\d(?:[\d,]*\d)?(?:\.\d+)?")
_OPTION: Final = re.compile(r"\(?([A-Za-z])[).:]?(?:\s|$)")
_AROUND: Final = " \t\r\n.,;:*_`\"'$()[]{}\\"
_LONGEST_RESULT: Final = 80
"""Characters of a bare result; what is longer is a whole answer, whose result must be found."""
_MOST: Final = 32
"""Independent answers that are compared."""


def agreement(value: str, answers: object) -> float | None:
    """The share of the other answers that come to ``value``, or ``None`` if none comes to anything.

    ``answers`` are strings: whole answers, or only their results.
    """
    if isinstance(answers, str) or not isinstance(answers, Iterable):
        return None
    results = [
        result
        for answer, _ in zip(answers, range(_MOST), strict=False)
        if isinstance(answer, str) and (result := _result(answer))
    ]
    if not results:
        return None
    return sum(same_answer(value, result) for result in results) / len(results)


def is_consistent(value: str, reading: Reading) -> bool:
    """Whether every other answer that the text marks as one comes to the same."""
    return all(same_answer(value, other) for other in reading.once(stated_answers))


def same_answer(first: str, second: str) -> bool:
    """Whether two results are equal: as numbers, as the letter of an option, or as words."""
    return _normal(first) == _normal(second)


def _result(answer: str) -> str:
    found = final_answer(Reading(answer)) if answer.strip() else []
    if found:
        return str(found[0].metadata["answer"])
    return answer.strip() if len(answer) <= _LONGEST_RESULT else ""


def _normal(value: str) -> object:
    bare = value.strip(_AROUND)
    option = _OPTION.match(value.strip())
    if option and (len(bare) == 1 or value.strip().startswith("(")):
        return option.group(1).upper()
    numbers = _NUMBER.findall(bare)
    if len(numbers) == 1:
        try:
            return Decimal(numbers[0].replace(",", "")).normalize()
        except InvalidOperation:
            return numbers[0]
    return " ".join(bare.casefold().split())
