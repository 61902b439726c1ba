"""The places where an answer is looked for, from the end of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from crossmodel.extraction.cues import ANSWER
from crossmodel.extraction.reading import MAX_STATEMENT, Reading, Statement
from crossmodel.text.segments import SegmentKind
from crossmodel.text.sentences import sentences

ANSWER_ABROAD: Final = "antwort|réponse|respuesta|risposta|resposta|ответ|答案|答え|정답"
"""Labels of an answer in other languages; all else is read in English."""
_NAMES_ANSWER: Final = re.compile(f"answer|{ANSWER_ABROAD}")
_LAST_STATEMENTS: Final = 40
"""Statements from the end in which an answer is looked for."""


def named_statements(reading: Reading) -> list[Statement]:
    """The last sentences that speak of an answer, the last one first."""
    return [each for each in last_statements(reading) if each.hints & ANSWER]


def last_statements(reading: Reading) -> list[Statement]:
    """The last statements, headings that speak of an answer among them, the last one first."""
    last = reading.statements[: -_LAST_STATEMENTS - 1 : -1]
    titles = list(_titles(reading))
    if titles:
        last = sorted([*last, *titles], key=lambda each: -each.start)[:_LAST_STATEMENTS]
    return last


def _titles(reading: Reading) -> Iterator[Statement]:
    for segment in reading.segments:
        if segment.kind is SegmentKind.HEADING:
            lower = reading.lower[segment.start : segment.end]
            if _NAMES_ANSWER.search(lower):
                said = reading.text[segment.start : segment.end]
                yield Statement(segment.start, segment.end, said, lower, ANSWER, segment)


def last_sentences(reading: Reading) -> Iterator[tuple[int, int]]:
    """Spans of sentences and formulas, the last one first, as far as code or an endless line."""
    for segment in reversed(reading.segments):
        if segment.is_prose:
            if segment.end - segment.start > MAX_STATEMENT * 10:
                return
            yield from reversed(sentences(reading.text, segment.start, segment.end))
        elif segment.kind is SegmentKind.MATH:
            yield segment.start, segment.end
        elif segment.kind is SegmentKind.CODE:
            return
