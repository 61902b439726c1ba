"""An answer's bare value, taken out of the words and marks around it."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from crossmodel.extraction.examples import bare
from crossmodel.extraction.reading import MAX_STATEMENT, Reading

_TITLE_END: Final = re.compile(r"[*_#:\uff1a \t]*\n\s*|\s*")
_EMPHASIS: Final = re.compile(r"\*\*|__|\*|_")
_SET_OFF: Final = re.compile(
    r"(?<=[a-z=≈:] )\*\*(?!(?:not|never|no)\b)([^*\n]+)\*\*(?<=(?:[^ ]\*\*))[.!]?$"
)
"""Where a sentence ends in what it sets off, that is the answer."""
_OPTION: Final = re.compile(r"\(([A-Za-z])\)|\*\*([A-Z])\*\*|\b([A-J])(?=[.):]?(?:\s|$|\*))")
_OPTION_NAMED: Final = re.compile(r"(?:option|choice)\ (?=\(?[A-J0-9]\b)", re.IGNORECASE)
_MORE_OPTIONS: Final = re.compile(r"[*).]*\s?(?:,|and|or|&)\s?\(?[A-Z]\b")
_WHOLE_FORMULA: Final = re.compile(
    r"\\\(\s*((?:(?!\\\)).)+?)\s*\\\)|\$\s*([^$\n]+?)\s*\$", re.DOTALL
)
"""A value that is set as a formula, and nothing else."""
FENCES: Final = ('"""', "'''", "<answer>", "```")
_CLOSERS: Final = {'"""': '"""', "'''": "'''", "<answer>": "</answer>", "```": "```"}
MAX_ANSWER: Final = 300
_MAX_WORK: Final = 8000
"""Characters of an answer between marks, which may be a poem or a program."""


class Answer(NamedTuple):
    """Where the answer stands (``start:end``), and its bare value (``value``)."""

    start: int
    end: int
    value: tuple[int, int]
    sign: str


def answer_at(
    reading: Reading, start: int, value: tuple[int, int], sign: str, *, most: int = MAX_ANSWER
) -> Answer | None:
    """The answer from ``start`` on whose value stands at ``value``; none if it is empty or long."""
    first, last = bare(reading.text, *value)
    if formula := _WHOLE_FORMULA.fullmatch(reading.text, first, last):
        first, last = formula.span(formula.lastindex or 0)
    if first >= last or last - first > most:
        return None
    return Answer(start, max(value[1], last), (first, last), sign)


def fenced(reading: Reading, start: int, position: int) -> Answer | None:
    """What stands between marks, or on the line."""
    text = reading.text
    title_end = _TITLE_END.match(text, position)
    begin = title_end.end() if title_end else position
    fence = next((mark for mark in FENCES if text.startswith(mark, begin)), None)
    if fence:
        begin += len(fence)
        if fence == "```":  # the language is no part of the answer
            begin = max(text.find("\n", begin), begin)
        limit = min(len(text), begin + _MAX_WORK)
        end = text.find(_CLOSERS[fence], begin, limit)
    else:
        limit = min(len(text), begin + MAX_STATEMENT)
        end = text.find("\n", begin, limit)
    end = limit if end < 0 else end
    is_work = "\n" in text[begin:end].strip()
    value = (begin, end) if is_work else value_within(reading, begin, end)
    answer = answer_at(
        reading, start, value, "final answer", most=_MAX_WORK if fence else MAX_ANSWER
    )
    if answer is not None and answer.end < value[1]:
        return answer._replace(end=value[1])
    return answer


def value_within(reading: Reading, start: int, end: int) -> tuple[int, int]:
    """The letter of an option if the answer begins with one, else all of it."""
    text = reading.text
    while start < end and (text[start].isspace() or text[start] in ":\uff1a*_"):
        start += 1
    emphasis = _EMPHASIS.search(text, max(0, start - 2), start) if text[start - 1] in "*_" else None
    if emphasis and (close := text.find(emphasis.group(), start, end)) > start:
        end = close  # what is set off is the answer
    elif set_off := _SET_OFF.search(text, start, end):
        start, end = set_off.span(1)
    if named := _OPTION_NAMED.match(text, start, end):
        start = named.end()
    option = _OPTION.match(text, start, end)
    if option and not _MORE_OPTIONS.match(text, option.end(), end):
        letter = option.lastindex or 0
        return option.span() if text[option.start()] == "(" else option.span(letter)
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
