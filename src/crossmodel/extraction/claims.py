"""Sentences that do something other than state a rule: one find for each that a cue claims."""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Final

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.extraction.answers import final_answer
from crossmodel.extraction.cues import CLAIM, classify
from crossmodel.extraction.finds import Find, scope_of
from crossmodel.extraction.reading import MAX_STATEMENT, Reading, Statement
from crossmodel.extraction.rules import rules_and_examples
from crossmodel.extraction.sections import sections
from crossmodel.text.segments import SegmentKind
from crossmodel.text.spans import Spans

_LEAST_WORDS: Final = 5
_CONCLUDING: Final = frozenset(
    {InsightKind.CONCLUSION, InsightKind.CLAIM, InsightKind.STEP, InsightKind.FINDING}
)
_FORMULA_MARKS: Final = " \t\r\n$\\["
_CLOSER: Final = re.compile(r"\s*(?:\$\$|\\\])")
_CALCULATES: Final = re.compile(r"\d\)?\s?[-+*/×÷−]\s?[$(]?\d[^=\n]*=")
"""A conclusion drawn by calculation is a step: it holds for one question only."""


def claims(reading: Reading) -> list[Find]:
    """What the sentences say that are neither rule, nor example, nor final answer."""
    found = []
    for statement in reading.statements:
        if not statement.hints & CLAIM or statement.text[-1] == ":":
            continue
        cue = classify(statement.lower, statement.hints)
        if cue is None or statement.is_junk or statement.is_question:
            continue
        if len(statement.words()) < _LEAST_WORDS:
            continue
        if reading.once(_taken).meet(statement.start, statement.end):
            continue
        insight_type, kind = cue.insight_type, cue.kind
        if kind in _CONCLUDING and _CALCULATES.search(statement.text):
            insight_type, kind = InsightType.MATH, InsightKind.STEP
        scope = scope_of(statement.segment, reading)
        end = _end(statement, reading)
        found.append(Find(insight_type, kind, statement.start, end, scope))
    return found


def _end(statement: Statement, reading: Reading) -> int:
    """Where the sentence ends: after the formula set below it, if it runs into that."""
    end = statement.end
    if end != statement.segment.end or statement.text[-1] in ".!?:;…":
        return end
    segments = reading.segments
    number = bisect_left(segments, end, key=lambda segment: segment.start)
    if number == len(segments) or segments[number].kind is not SegmentKind.MATH:
        return end
    formula = segments[number]
    if reading.text[end : formula.start].strip(_FORMULA_MARKS):
        return end
    closer = _CLOSER.match(reading.text, formula.end)
    after = closer.end() if closer else formula.end
    return after if after - statement.start <= MAX_STATEMENT else end


def _taken(reading: Reading) -> Spans:
    """What is spoken for by finders that look more closely."""
    return Spans(
        (find.start, find.end)
        for finder in (rules_and_examples, final_answer, sections)
        for find in reading.once(finder)
    )
