"""Answers that a calculation comes to."""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from itertools import islice
from typing import Final

from crossmodel.extraction.answers.places import last_sentences
from crossmodel.extraction.answers.values import Answer
from crossmodel.extraction.reading import MAX_STATEMENT, Reading

_NUMBER: Final = re.compile(
    r"(?<![\w.^])(?<!\^[-−{])(?<!\^\{[-−])[-−]?[$€£]?[-−]?\d(?:[\d,]*\d)?(?:\.\d+)?(?:/\d+)?"
    r"(?:\^(?:[-−]?\d+|\{[-−]?\d+\}))?(?!\w*\d|\.\d|\^)"
)
"""A number, or a power of one; an exponent alone is none."""
_CONCLUDES: Final = re.compile(
    r"\W*(?:so|therefore|thus|hence|in total|altogether)\b", re.IGNORECASE
)
_CALCULATION: Final = re.compile(
    r"""[-+*/×÷x=−^](?:  # the operator first, since the engine skips to a set
        (?<==)\s?[$£€]?\d
      | (?<=[\d)]\s.)\s[$(]?\d
      | (?<=[\d)][+*×÷^])[$(]?\d  # others without spaces are ranges, dates and fractions
    )""",
    re.VERBOSE | re.DOTALL,
)
_GOES_ON: Final = re.compile(r"\s?[-+*/×÷x^]\s?[$(]?\d")
_IS_NUMBER: Final = re.compile(r"\b(?:is|are|equals|gives|comes to)\b[^.\n]{0,40}?\d")


def last_number(reading: Reading) -> Answer | None:
    """The number that the concluding sentence ends with: of a calculation, or one that says so."""
    calculates = _CALCULATION.search(reading.text) is not None
    for start, end in islice(last_sentences(reading), 3 if calculates else 1):
        said = reading.text[start:end]
        if not calculates and not _CONCLUDES.match(said):
            return None
        numbers = list(_NUMBER.finditer(said)) if end - start <= MAX_STATEMENT else []
        if not numbers:
            continue
        result = _result(said, numbers)
        if result is None:
            return None
        return Answer(start, end, (start + result.start(), start + result.end()), "last number")
    return None


def _result(said: str, numbers: list[re.Match[str]]) -> re.Match[str] | None:
    """What a calculation comes to, or else the last number; none where it only takes one apart."""
    equals = said.rfind("=")
    result = next((n for n in numbers if n.start() > equals), None) if equals >= 0 else None
    if result is None:
        return numbers[-1]
    if _GOES_ON.match(said, result.end()):  # "because 91 = 7 * 13"
        return None
    return numbers[-1] if _IS_NUMBER.search(said, result.end()) else result
