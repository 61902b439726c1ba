"""Answers that are said: "the answer is ...", "Answer: ...", "I would choose B"."""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from typing import Final

from crossmodel.extraction.answers.places import (
    ANSWER_ABROAD,
    last_statements,
    named_statements,
)
from crossmodel.extraction.answers.values import Answer, answer_at, fenced, value_within
from crossmodel.extraction.reading import Reading
from crossmodel.text.matches import last_match
from crossmodel.text.normalise import has_colon
from crossmodel.text.segments import SegmentKind

_ANSWER_IS: Final = re.compile(
    r"\b(?:answer|solution|choice|option)s?(?: to [^.:\n]{1,80})?[*_]{0,3}"
    r" (?:is|are|would be|must be|should be|=)[ \t]*(?:therefore |thus |simply |option |choice )?"
    r"[:\uff1a]?[ \t]*",
    re.IGNORECASE,
)
_ANSWER_LABEL: Final = re.compile(
    r"[*_#>\s]{0,6}(?:(?:(?:the|my|our|your) )?(?:(?:correct|best|right|overall) )?answer|a|result"
    rf"|solution|{ANSWER_ABROAD})"
    r"[*_]{0,3} ?[:\uff1a][*_]{0,3}[ \t]*",
    re.IGNORECASE,
)
_MAX_LABEL: Final = 32
_ANSWER_TITLE: Final = re.compile(
    r"(?:the |my )?(?:(?:correct|best) )?answer|" + ANSWER_ABROAD, re.IGNORECASE
)
_CHOSEN: Final = re.compile(
    r"""\b(?i:option|choice|answer)\ \(?\**(?P<named>[A-J])\b\**\)?\**\ is\ (?:the\ )?
          (?:correct|right|best|most\ \w+)\b
      | \bI(?:\ would|['’]d|\ will|['’]ll)?\ (?:choose|pick|select|go\ with)
          \ (?:option\ |choice\ |answer\ )?\(?\**(?P<picked>[A-J])\b""",
    re.VERBOSE,
)
_SUPPOSES: Final = re.compile(r"\b(?:if|whether|suppose|unless|not)\b", re.IGNORECASE)


def phrase(reading: Reading) -> Answer | None:
    """``The answer is 42``, here or on the next line."""
    for statement in reading.once(named_statements):
        found = last_match(_ANSWER_IS, statement.text)
        if found is None or statement.is_question:
            continue
        start = statement.start + found.end()
        if start >= statement.end:  # the value stands on the next line
            return fenced(reading, statement.start, statement.end)
        value = value_within(reading, start, statement.end)
        answer = answer_at(reading, statement.start, value, "phrase")
        return answer._replace(end=statement.end) if answer else None
    return None


def label(reading: Reading) -> Answer | None:
    """What stands behind ``Answer:``, or under a heading that says so."""
    for statement in reading.once(last_statements):
        if statement.segment.kind is SegmentKind.HEADING and _ANSWER_TITLE.fullmatch(
            statement.text
        ):
            return fenced(reading, statement.start, statement.end)
        if not has_colon(statement.text[:_MAX_LABEL]):
            continue
        found = _ANSWER_LABEL.match(statement.text)
        if found is None:
            continue
        start = statement.start + found.end()
        if start >= statement.end:
            return fenced(reading, statement.start, statement.end)
        value = value_within(reading, start, statement.end)
        answer = answer_at(reading, statement.start, value, "label")
        return answer._replace(end=statement.end) if answer else None
    return None


def chosen(reading: Reading) -> Answer | None:
    """``Option (C) is correct``, ``I would choose B``."""
    for statement in reading.once(named_statements):
        found = last_match(_CHOSEN, statement.text)
        if found is None or _SUPPOSES.search(statement.text, 0, found.start()):
            continue
        group = str(found.lastgroup)
        value = statement.start + found.start(group), statement.start + found.end(group)
        return Answer(statement.start, statement.end, value, "phrase")
    return None
