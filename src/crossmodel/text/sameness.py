"""The one rule by which two insights say the same."""

from __future__ import annotations

import re
from typing import Final

from crossmodel.domain.insight import InsightKind
from crossmodel.text.similarity import near_duplicates, substitutes

EXACT_KINDS: Final = frozenset({InsightKind.CODE, InsightKind.EQUATION, InsightKind.EXAMPLE})
"""These differ where one character differs."""

STRICT_KINDS: Final = frozenset(
    {InsightKind.RULE, InsightKind.DEFINITION, InsightKind.TRANSLATION, InsightKind.FINAL_ANSWER}
)
"""These differ where one word is exchanged for another: a table of rules is full of such."""

_ANNOUNCES: Final = re.compile(r"\b(?:choice|option|response|result|solution)\b", re.IGNORECASE)


def say_the_same(kind: str, first: str, second: str, threshold: float) -> bool:
    """Whether two insights of that kind are one, told twice.

    ``threshold`` (0..1) is how alike in words they must be. Code, formulas and examples are equal
    but for white space; rules, definitions, translations and answers in each of their words.
    """
    if kind in EXACT_KINDS:
        return first.split() == second.split()
    if kind == InsightKind.FINAL_ANSWER:  # whichever word it is announced by
        first, second = _ANNOUNCES.sub("answer", first), _ANNOUNCES.sub("answer", second)
    if not near_duplicates(first, second, threshold):
        return False
    return kind not in STRICT_KINDS or not substitutes(first, second)
