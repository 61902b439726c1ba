"""Whether answers come to the same: those of one text, and those of several models."""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from crossmodel.calibration import log_odds
from crossmodel.extraction.answers import final_answer, stated_answers
from crossmodel.extraction.reading import Reading

ANSWERS: Final = "answers"
"""Key of the context under which callers give independent answers to the same question."""

EASY, HARD = 0.95, 0.45
"""How often a question's answers are right, of the two sorts of question that there are, equally
many. What makes one answer wrong makes others wrong too; that it is hard is how."""
WRONG_NUMBERS, WRONG_OPTIONS, WRONG_VERDICTS = 5, 3, 1
"""Over how many values wrong answers spread: of a free result, an option's letter, a yes or no."""

_NUMBER: Final = re.compile(
    r"(?<![\w.])(-?)[$€£]?(-?)((?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:/([1-9]\d*))?"
)
_OPTION: Final = re.compile(r"\(([A-Za-z])\)|([A-Ja-j])\)|([A-Za-z])[.:]?$")
_LATEX: Final = (
    (re.compile(r"\\(?:text|mathrm|mathbf|boxed)\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}"), r"\1/\2"),
    (re.compile(r"\\left|\\right|\\[,;! ]"), ""),
)
_VERDICTS: Final = frozenset({"yes", "no", "true", "false", "valid", "invalid"})
_VERDICT: Final = re.compile(rf"({'|'.join(_VERDICTS)})(?:[,.;:]|$)", re.IGNORECASE)
_AROUND: Final = " \t\r\n.,;:\uff1a*_`\"'$€£()[]{}\\"
_STATED: Final = re.compile(
    r"""nswer(?<=\b[Aa]nswer)[*_]{0,3}\ ?(?:is|[:\uff1a])[*_]{0,3}:?\s{0,3}[*_$(]{0,4}
        ( [-−]?[$€£]?\d[\d,.]*+(?:/\d+)?+(?![\w/:^]|\ ?[-+/×=]|\ ?\*\ ?\d) | [A-Ja-j]\)
        | [A-J](?=[*_]{0,3}\.?[*_]{0,3}[ \t]*+$)
        | (?i:yes|no|true|false|valid|invalid)\b )""",
    re.MULTILINE | re.VERBOSE,
)
"""An answer that is announced, with a result behind it that can be compared."""
_SUPPOSED: Final = re.compile(r"\b(?:if|not|whether|suppose|assum\w+)\b[^.\n]*$", re.IGNORECASE)
_BEFORE: Final = 40
"""Characters before an announced answer in which it may be made a mere supposition."""
_LONGEST_RESULT: Final = 80
"""Characters of a bare result; what is longer is a whole answer, whose result must be found."""
_LONGEST_NUMBER: Final = 40
_MOST: Final = 32
"""Independent answers that are compared."""


def agreement_odds(value: str, answers: object) -> float:
    """Log-odds that other answers to the same question give to ``value``; 0 if they say nothing.

    ``answers`` are strings: whole answers, or only their results. Given how hard the question is,
    each is taken to be right independently with the same probability, and a wrong one to be any of
    a few values (after Dawid and Skene, Applied Statistics 28, 1979). So two answers that agree
    against ``value`` tell more than two that differ from each other as well, one for it and one
    against it tell little, and agreeing on a number tells more than agreeing on a yes. All numbers
    are priors; of the answers to the development data's sums .955 were right where a second model
    agreed, and .385 where not, which they come near to.
    """
    results = _results(answers)
    if not results:
        return 0.0
    agreeing, others = 0, list[list[str]]()
    for result in results:
        if same_answer(value, result):
            agreeing += 1
            continue
        group = next((each for each in others if same_answer(each[0], result)), None)
        if group is None:
            others.append([result])
        else:
            group.append(result)
    count, spread = len(results), max(_spread(value), len(others))
    right = wrong = 0.0
    for p in (EASY, HARD):
        q = (1 - p) / spread  # of one wrong value
        right += p * p**agreeing * q ** (count - agreeing)
        true_ones = sum(p ** len(group) * q ** (count - len(group)) for group in others)
        wrong += q * (true_ones + (spread - len(others)) * q**count)
    return math.log(right / wrong) - log_odds((EASY + HARD) / 2)


def is_consistent(value: str, reading: Reading) -> bool:
    """Whether no other answer that the text marks or announces contradicts ``value``.

    Only results of one sort can: two numbers, two options, two verdicts.
    """
    text = reading.text
    announced = (
        found.group(1)
        for found in _STATED.finditer(text)
        if not _SUPPOSED.search(text, max(0, found.start() - _BEFORE), found.start())
    )
    stated = {*reading.once(stated_answers), *announced} - {value}
    return not any(_contradicts(value, other) for other in stated)


def same_answer(first: str, second: str) -> bool:
    """Whether two results are equal: as numbers, as the letter of an option, or as words.

    Numbers are equal with and without a unit, but not with different ones.
    """
    one, other = _comparable(first), _comparable(second)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return one[0] == other[0] and (not one[1] or not other[1] or one[1] == other[1])
    return one == other


def _contradicts(first: str, second: str) -> bool:
    return _sort_of(first) == _sort_of(second) != "words" and not same_answer(first, second)


def _sort_of(value: str) -> str:
    comparable = _comparable(value)
    if isinstance(comparable, tuple):
        return "number"
    if len(comparable) == 1 and comparable.isupper():
        return "option"
    return "verdict" if comparable in _VERDICTS else "words"


def _spread(value: str) -> int:
    return {"option": WRONG_OPTIONS, "verdict": WRONG_VERDICTS}.get(_sort_of(value), WRONG_NUMBERS)


def _results(answers: object) -> list[str]:
    if isinstance(answers, str) or not isinstance(answers, Iterable):
        return []
    return [
        result
        for answer, _ in zip(answers, range(_MOST), strict=False)
        if isinstance(answer, str) and (result := _result(answer))
    ]


def _result(answer: str) -> str:
    found = final_answer(Reading(answer)) if answer.strip() else []
    if found:
        return str(found[0].metadata["answer"])
    return answer.strip() if len(answer) <= _LONGEST_RESULT else ""


def _comparable(value: str) -> tuple[Fraction, str] | str:
    """A number with what is around it, the letter of an option in upper case, or words."""
    said = value.strip().replace("−", "-").replace("{,}", ",")
    if "\\" in said:
        for pattern, instead in _LATEX:
            said = pattern.sub(instead, said)
    said = said.strip("*_`$ ")
    if option := _OPTION.match(said):
        return str(option[option.lastindex or 0]).upper()
    if verdict := _VERDICT.match(said):
        return verdict[1].lower()
    numbers = list(_NUMBER.finditer(said))
    if len(numbers) == 1 and len(numbers[0].group()) <= _LONGEST_NUMBER:
        sign, inner_sign, digits, divisor = numbers[0].groups()
        number = Fraction(digits.replace(",", "")) / int(divisor or 1)
        around = said[: numbers[0].start()] + " " + said[numbers[0].end() :]
        return -number if sign or inner_sign else number, _words(around)
    return _words(said)


def _words(said: str) -> str:
    return " ".join(said.strip(_AROUND).casefold().split())
