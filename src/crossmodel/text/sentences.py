"""Sentences with exact offsets."""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from typing import Final

_BREAK: Final = re.compile(
    r"""[.!?…。！？｡\r\n](?:  # one set first: the engine skips to its members
        (?<=[.!?…])(?<![.!?…]{2})[.!?…]*+["'”’)\]*_`»]*+(?=\s)  # and what closes with it
      | (?<=[\r\n])[\r\n]*+
      | (?<=[。！？｡])[。！？｡]*+[”’」』）】]*+  # needs no space after it
    )""",
    re.VERBOSE,
)
_ARROW_AHEAD: Final = re.compile(r"[ \t]*+(?:\([^()\n]{1,120}\)[ \t]*+)?(?:[-=]{1,2}>|[→⇒⟶➜➔➡⟹↦])")
"""What a question is mapped to belongs to it: ``What is 6 x 7? → 42``, with what explains it."""
_ABBREVIATIONS: Final = frozenset(
    {
        "al", "approx", "art", "ca", "cf", "ch", "co", "corp", "dept", "dr", "e.g", "ed", "eq",
        "eqs", "esp", "etc", "fig", "figs", "gen", "i.e", "inc", "jr", "ltd", "max", "min", "mr",
        "mrs", "ms", "mt", "nr", "pp", "prof", "resp", "sec", "sr", "st", "vol", "vs", "viz",
        "w.r.t",
    }
)  # fmt: skip
_END_ABBREVIATIONS: Final = frozenset({"etc", "al", "co", "inc", "ltd", "corp", "jr", "sr"})
"""These may also end a sentence: they do when a capital follows."""
_MAX_WORD: Final = 24
"""Characters before a full stop that are looked at."""
_ASSIGNMENT: Final = re.compile(r"\w{1,20}(?:\(\w{0,10}\))? ?[=≈:<>]")
"""The beginning of a line that stands for itself: ``y = 2``, ``key: value``."""
_MAX_ABBREVIATION: Final = 6
_LONG_WORD: Final = _MAX_ABBREVIATION + 1
_WRAP: Final = range(50, 101)
"""Widths, in characters, at which people wrap lines by hand."""


def sentences(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The spans of the sentences of ``text[start:end]``, without the white space around them.

    A line break ends a sentence unless the line was visibly wrapped. Full stops of abbreviations,
    initials, decimals and identifiers end none.
    """
    spans: list[tuple[int, int]] = []
    begin = start + len(text[start:end]) - len(text[start:end].lstrip())
    wrapped: bool | None = None
    line_start = start
    for found in _BREAK.finditer(text, start, end):
        at, after = found.span()
        mark = text[at]
        stop = after
        if mark in "\r\n":
            if wrapped is None:
                wrapped = _is_wrapped(text, start, end)
            joined = _continues(text, line_start, at, after, end, wrapped=wrapped)
            line_start = after
            if joined:
                continue
            stop = at
        elif text[after + 1 : after + 2].isupper():  # most are of this kind
            is_plain = mark != "." or text[at - _LONG_WORD : at].isalpha()
            if not is_plain and _is_no_stop(text, begin, at, after, end):
                continue
        elif _ARROW_AHEAD.match(text, after, end) or (
            mark == "." and after < end and _is_no_stop(text, begin, at, after, end)
        ):
            continue
        _add(spans, text, begin, stop)
        begin = after
        while begin < end and text[begin].isspace():
            begin += 1
    _add(spans, text, begin, end)
    return spans


def _add(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    """Add the span without the white space at its end, if anything is left of it."""
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        spans.append((start, end))


def _is_wrapped(text: str, start: int, end: int) -> bool:
    """Whether all lines but the last are of a width at which people wrap by hand."""
    position = start
    while (stop := text.find("\n", position, end)) >= 0:
        if len(text[position:stop].strip()) not in _WRAP:
            return False
        position = stop + 1
    return position > start


def _continues(text: str, start: int, at: int, after: int, end: int, *, wrapped: bool) -> bool:
    """Whether the sentence of the line ``text[start:at]`` goes on in the next one."""
    following = text[after : min(after + 40, end)].lstrip()
    last = text[max(start, at - 40) : at].rstrip()[-1:]
    if not following or last in ".!?:;…。":
        return False
    if _ASSIGNMENT.match(following):
        return False
    # a line of verse is short and goes on with a capital; one that was cut, in lower case
    return following[0].islower() or (wrapped and following[0].isalnum())


def _is_no_stop(text: str, begin: int, at: int, after: int, end: int) -> bool:
    following = text[after : min(after + 40, end)].lstrip()[:1]
    if following.islower():
        return True
    *before, word = text[max(begin, at - _MAX_WORD) : at].rsplit(None, 2) or [""]
    word = word.lstrip("([\"'*")
    if after - at > 1 and text[at + 1] in ".…":  # an ellipsis ends one only before a capital
        return not following.isupper()
    if len(word) == 1 and word.isupper() and word != "I":
        # an initial: of "J. Smith", "Ada M. Smith", but not of "vitamin C. Smith"
        return following.isupper() and (not before or before[-1][0].isupper())
    if len(word) > _MAX_ABBREVIATION:
        return False
    folded = word.lower()
    if folded in _ABBREVIATIONS:
        return folded not in _END_ABBREVIATIONS or not following.isupper()
    return word.isdigit() and not before  # "1. First": the number of an item
