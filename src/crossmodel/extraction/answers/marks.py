r"""Answers that are marked as such: ``\boxed{}``, ``#### 42``, "final answer", tags, ratings."""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from typing import Final

from crossmodel.extraction.answers.places import last_sentences, named_statements
from crossmodel.extraction.answers.values import (
    FENCES,
    MAX_ANSWER,
    Answer,
    answer_at,
    fenced,
    value_within,
)
from crossmodel.extraction.reading import MAX_STATEMENT, Reading
from crossmodel.text.matches import last_match
from crossmodel.text.segments import SegmentKind
from crossmodel.text.sentences import sentences

_HASHES: Final = re.compile(
    r"""^[ \t]*\#{4}[ \t]+([-−+$€£(]*\d(?!\d{0,2}[.)][ \t]+\w)[\d.,/:]*
        (?:[ \t]*[^\s\d]{1,16}){0,3})[ \t]*$""",
    re.MULTILINE | re.VERBOSE,
)
"""A number with its unit; a heading of that level goes on in words."""
_FINAL: Final = re.compile(
    r"\bfinal answers?\b(?: is\b[*_]{0,3}[ \t]*[:\uff1a]?|[*_]{0,3}[ \t]*[:\uff1a]|[*_]{0,3}\s*$)"
    r"[*_ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_RATING: Final = re.compile(r"\[\[([^\[\]\n]{1,20})\]\]")
_FIELD: Final = re.compile(
    r'"(?:final[_ ]?)?answer"\s*:\s*'
    r'(?:"((?:[^"\\\n]|\\.)+)"|(-?\d[\d.]*(?:e[+-]?\d+)?|true|false))',
    re.IGNORECASE,
)


def explicit(reading: Reading) -> Answer | None:
    """The last of the answers that are marked as such."""
    marked = [answer for look in MARKS if (answer := reading.once(look)) is not None]
    return max(marked, key=lambda answer: answer.value) if marked else None


def _boxed(reading: Reading) -> Answer | None:
    text = reading.text
    at = text.rfind("\\boxed{")
    if at < 0:
        return None
    depth, start = 1, at + len("\\boxed{")
    for position in range(start, min(len(text), start + MAX_STATEMENT)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            line = max(
                text.rfind("\n", max(0, at - MAX_STATEMENT // 2), at) + 1,
                at - MAX_STATEMENT // 2,
                0,
            )
            begin = line + len(text[line:at]) - len(text[line:at].lstrip(" \t$\\[("))
            return (
                Answer(begin, position + 1, (start, position), "boxed")
                if position > start
                else None
            )
    return None


def _hashes(reading: Reading) -> Answer | None:
    if "####" not in reading.text:
        return None
    last = last_match(_HASHES, reading.text)
    if last is None:
        return None
    answer = answer_at(reading, last.start(1), last.span(1), "hashes")
    if answer is None:
        return None
    # a bare number says nothing to anybody else: the sentence before it says what it is
    start = max(0, last.start() - MAX_STATEMENT)
    said = [
        span
        for span in sentences(reading.text, start, last.start())
        if span[0] > start or start == 0
    ]
    return answer._replace(start=said[-1][0]) if said else answer


def _block(reading: Reading) -> Answer | None:
    """What stands after or under "final answer"."""
    for statement in reading.once(named_statements):
        if "final" not in statement.lower:
            continue
        found = last_match(_FINAL, statement.text)
        if found is None:
            continue
        after = statement.text[found.end() :].strip()
        if after and not after.startswith(FENCES):
            value = value_within(reading, statement.start + found.end(), statement.end)
            return answer_at(reading, statement.start, value, "final answer")
        return fenced(reading, statement.start + found.start(), statement.start + found.end())
    return None


def _tagged(reading: Reading) -> Answer | None:
    tag = reading.text.rfind("<answer>")
    return fenced(reading, tag, tag) if tag >= 0 else None


def _rating(reading: Reading) -> Answer | None:
    at = reading.text.rfind("[[")
    rating = _RATING.match(reading.text, at) if at >= 0 else None
    if rating is None:
        return None
    for start, end in last_sentences(reading):
        if start <= at < end:
            return Answer(start, max(end, rating.end()), rating.span(1), "rating")
    return Answer(rating.start(), rating.end(), rating.span(1), "rating")


def _field(reading: Reading) -> Answer | None:
    """The field of that name in the JSON that the text is, or ends with."""
    last = reading.segments[-1] if reading.segments else None
    if last is None or last.kind is not SegmentKind.CODE or last.language != "json":
        return None
    found = last_match(_FIELD, reading.text, last.start, last.end)
    if found is None:
        return None
    value = found.span(found.lastindex or 0)
    return Answer(*found.span(), value, "field") if value[1] - value[0] <= MAX_ANSWER else None


MARKS: Final = (_boxed, _hashes, _block, _tagged, _rating, _field)
