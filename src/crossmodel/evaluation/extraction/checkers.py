"""Is this answer right? One way of judging for each ``check`` that a row may name.

Each knows what the answer *states* by the rule of the data set's own scripts, read off the text
without any of our extraction, and whether a piece of text *is right*. Nothing of a model's code is
ever run: of programs it is judged that they parse and are the one that the answer gives.
"""

# ruff: noqa: RUF001 - the look-alike characters are what models write

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from crossmodel.domain.insight import InsightKind
from crossmodel.evaluation.extraction import arithmetic, programs, works
from crossmodel.evaluation.extraction.rows import AnswerRow
from crossmodel.text.matches import last_match

_NUMBER: Final = re.compile(r"(?<![\w.])[-\u2212]?[$€£]?\d[\d,]*(?:\.\d+)?")
_LAYOUT: Final = re.compile(r"\{,\}|\\[,;! ]")
_OPTION: Final = re.compile(r"\W*\(?([A-Za-z])\)?(?=\W|$)")
_REFERENCE_OPTION: Final = re.compile(r"\(?([A-Z])\)?")
_LISTED: Final = re.compile(r"[,;]\s+|\s+")
_MARKUP: Final = "*_`\"'“”‘’ \t\r\n.,;:$"
_MOVE_NUMBER: Final = re.compile(r"\d{1,3}\.(?:\.\.)?\s*(?=[KQRBNOa-h])")
_ANSWER_IS: Final = re.compile(r"answer is[:\s]", re.IGNORECASE)
_ANSWER_TAG: Final = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL)
_RATING: Final = re.compile(r"\[\[([^\[\]\n]{1,20})\]\]")
_BLOCK: Final = re.compile(r"FINAL ANSWER:?[*_ \t]*\n?\s*(\"\"\"|```\w*|)\s*\n?", re.IGNORECASE)
_ANSWER_LINE: Final = re.compile(r"^[ \t>*]*Answer:[ \t]*(\S.*)$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Checker:
    """How one sort of reference is judged.

    Attributes:
        group: ``answer`` (a value), ``code`` (a program) or ``work`` (a text that was asked for).
        stated: what the answer comes down to by the data set's own rule; ``None`` if it is cut off
            or does not keep to the form.
        is_right: whether a text, taken for the answer of the row, is the reference.
        holds: whether the answer holds the right one anywhere.
        kinds: the kinds of insights that may carry it.
    """

    group: str
    stated: Callable[[AnswerRow], str | None]
    is_right: Callable[[str, AnswerRow], bool]
    holds: Callable[[AnswerRow], bool]
    kinds: frozenset[str] = frozenset({InsightKind.FINAL_ANSWER})


def number(text: str) -> float | None:
    """The last number in ``text``."""
    found = numbers(text)
    return found[-1] if found else None


def numbers(text: str) -> list[float]:
    """All numbers in ``text``, without currency signs and thousands' commas."""
    plain = _LAYOUT.sub("", text)
    return [
        float(re.sub(r"[$€£,]", "", each).replace("\u2212", "-")) for each in _NUMBER.findall(plain)
    ]


def same_number(text: str, row: AnswerRow) -> bool:
    """Whether the last number of ``text`` is the reference's."""
    wanted = number(row.reference or "")
    return wanted is not None and number(text) == wanted


def folded(text: str) -> str:
    """``text`` without case, markup and the punctuation of lists."""
    words = _LISTED.split(text.strip(_MARKUP).casefold())
    return " ".join(filter(None, (word.strip(_MARKUP) for word in words)))


def same_value(text: str, row: AnswerRow) -> bool:
    """Whether ``text`` is the reference: an option, a number, a chess move or words."""
    reference = (row.reference or "").strip()
    option = _REFERENCE_OPTION.fullmatch(reference)
    if option:
        chosen = _OPTION.match(text)
        return chosen is not None and chosen.group(1).upper() == option.group(1)
    if _NUMBER.fullmatch(reference):
        return same_number(text, row)
    wanted = folded(reference)
    return bool(wanted) and wanted in {folded(text), folded(_MOVE_NUMBER.sub("", text, count=1))}


def holds_number(row: AnswerRow) -> bool:
    """Whether the reference's number stands anywhere in the answer."""
    wanted = number(row.reference or "")
    return wanted is not None and wanted in numbers(row.output)


def holds_value(row: AnswerRow) -> bool:
    """Whether the reference stands anywhere in the answer, as a whole."""
    wanted = folded(row.reference or "")
    option = _REFERENCE_OPTION.fullmatch((row.reference or "").strip())
    if option:
        return re.search(rf"(?<!\w){option.group(1)}(?!\w)", row.output) is not None
    if _NUMBER.fullmatch((row.reference or "").strip()):
        return holds_number(row)
    pattern = rf"(?<!\w){re.escape(wanted)}(?!\w)"
    return bool(wanted) and re.search(pattern, folded(row.output)) is not None


def last_number(row: AnswerRow) -> str | None:
    """The last number of the answer."""
    found = _NUMBER.findall(_LAYOUT.sub("", row.output))
    return found[-1] if found else None


def answer_is(row: AnswerRow) -> str | None:
    """What follows the last "answer is"."""
    _, *found = _ANSWER_IS.split(row.output)
    return found[-1].strip().partition("\n")[0].rstrip(". ") or None if found else None


def answer_tag(row: AnswerRow) -> str | None:
    """What stands in the last ``<answer>``."""
    found = _ANSWER_TAG.findall(row.output)
    return found[-1].strip() or None if found else None


def rating_tag(row: AnswerRow) -> str | None:
    """What stands in the last ``[[...]]``."""
    found = _RATING.findall(row.output)
    return found[-1].strip() if found else None


def final_block(row: AnswerRow) -> str | None:
    """What stands in the block under the last "FINAL ANSWER"."""
    found = last_match(_BLOCK, row.output)
    if found is None:
        return None
    fence = found.group(1)[:3]
    body = row.output[found.end() :]
    said = body.split(fence, 1)[0] if fence else body.split("\n", 1)[0]
    return said.strip("\r\n") if said.strip() else None


def expression(row: AnswerRow) -> str | None:
    """The expression in the final block, or on the last line that says "Answer:"."""
    block = final_block(row)
    if block is not None:
        return block
    lines = _ANSWER_LINE.findall(row.output)
    return lines[-1].strip() if lines else None


def _is_stated_right(row: AnswerRow) -> bool:
    checker = CHECKERS[row.check]
    said = checker.stated(row)
    return said is not None and checker.is_right(said, row)


def _game_is_won(text: str, row: AnswerRow) -> bool:
    return arithmetic.is_won(text, row.prompt, row.reference or "24")


def _is_that_program(text: str, row: AnswerRow) -> bool:
    return programs.is_same_function(text, programs.function_of(row.output, row.prompt))


def _is_that_code(text: str, row: AnswerRow) -> bool:
    return programs.is_same(text, final_block(row))


def _is_sonnet(text: str, row: AnswerRow) -> bool:
    return works.is_sonnet_with(text, row.reference or "")


def _ends_as_asked(text: str, row: AnswerRow) -> bool:
    return works.paragraphs_end_with(text, row.reference or "")


_PROGRAMS: Final = frozenset({InsightKind.CODE, InsightKind.FINAL_ANSWER})
_WORKS: Final = frozenset({InsightKind.COMPOSITION, InsightKind.FINAL_ANSWER})

CHECKERS: Final[Mapping[str, Checker]] = {
    "last_number": Checker("answer", last_number, same_number, holds_number),
    "bbh_answer_is": Checker("answer", answer_is, same_value, holds_value),
    "multiple_choice": Checker("answer", answer_tag, same_value, holds_value),
    "final_answer_block": Checker("answer", final_block, same_value, holds_value),
    "rating_tag": Checker("answer", rating_tag, same_value, holds_value),
    "game24": Checker("answer", expression, _game_is_won, _is_stated_right),
    "unit_tests": Checker(
        "code",
        lambda row: programs.function_of(row.output, row.prompt),
        _is_that_program,
        _is_stated_right,
        _PROGRAMS,
    ),
    "python_parse": Checker("code", final_block, _is_that_code, _is_stated_right, _PROGRAMS),
    "sonnet_words_lines": Checker("work", final_block, _is_sonnet, _is_stated_right, _WORKS),
    "end_sentences": Checker(
        "work", lambda row: works.passage(row.output), _ends_as_asked, _is_stated_right, _WORKS
    ),
}
"""By the ``check`` that a row names. ``final_answer_block`` and the like stand for their sources'
scripts: BIG-Bench Hard, meta-prompting, dynamic cheatsheet, RouteLLM, tree of thought."""
