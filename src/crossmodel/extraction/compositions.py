"""Poems and passages that were written to order: the whole of each is one insight."""

# ruff: noqa: RUF001 - the look-alike characters are what is looked for
# ruff: noqa: SIM905 - a list of words reads best as text

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.extraction.finds import Find, scope_of
from crossmodel.extraction.reading import Reading, is_junk
from crossmodel.text.segments import Segment, SegmentKind

VERSE: Final = "verse"
_FORMS: Final = frozenset(
    """ballad dialogue haiku limerick lyrics monologue ode passage poem scene sonnet stanza story
    verse vignette""".split()
)
_WORD: Final = re.compile(r"[a-z]+")
_MOST_TITLE_WORDS: Final = 6
_LEAST_LINES: Final = 4
_LINE_WIDTHS: Final = range(12, 76)
"""Characters of a line of verse; prose runs on, and lists of names are shorter."""
_CAPITALS: Final = 0.9
_PAUSES: Final = 0.2
_NOT_VERSE: Final = re.compile(r"[=|{}<>\\`\d]|:\s*$", re.MULTILINE)
_MAX_LABEL: Final = 40
_MAX_COMPOSITION: Final = 8000


def compositions(reading: Reading) -> list[Find]:
    """Verse, by the shape of its lines; prose, where a label or heading says what it is."""
    runs: list[tuple[str, list[Segment]]] = []
    before = ""
    for segment in reading.segments:
        form = _form(segment, reading.text, before)
        if form and form == before:
            runs[-1][1].append(segment)
        elif form:
            runs.append((form, [segment]))
        before = form
    return [find for form, segments in runs for find in _find(form, segments, reading)]


def _form(segment: Segment, text: str, before: str) -> str:
    """The form of writing that the segment belongs to, nothing if to none.

    ``before`` is that of the segment before it.
    """
    start, end = segment.start, segment.end
    if segment.kind is not SegmentKind.PARAGRAPH or text[end - 1] == ":":
        return ""
    has_lines = text.find("\n", start, end) > 0
    if has_lines and (label := text.find(":\n", start, min(start + _MAX_LABEL, end))) > 0:
        return _named(text[start:label])
    if has_lines and _has_shape_of_verse(text[start:end]):
        return VERSE
    form = _named(text[slice(*segment.lead)]) if segment.lead is not None else ""
    if not form and before and before != VERSE:
        form = before  # a passage goes on until something else begins
    elif not form and segment.headings:
        form = _named(segment.headings[-1])
    return "" if form and is_junk(text[start : start + _MAX_LABEL].lower()) else form


def _find(form: str, segments: list[Segment], reading: Reading) -> Iterator[Find]:
    text = reading.text
    start, end = segments[0].start, segments[-1].end
    label = text.find(":\n", start, min(start + _MAX_LABEL, end))
    if label > 0 and form != VERSE:
        start = label + 2
    lines = [line.strip() for line in text[start:end].split("\n") if line.strip()]
    if not lines or end - start > _MAX_COMPOSITION or (form == VERSE and not _is_verse(lines)):
        return
    metadata = {"form": form, "lines": len(lines), "paragraphs": len(segments)}
    scope = scope_of(segments[0], reading)
    kind = InsightKind.COMPOSITION
    yield Find(InsightType.CREATIVITY, kind, start, end, scope, metadata, is_block=True)


@lru_cache(maxsize=1024)
def _named(title: str) -> str:
    words = _WORD.findall(title.lower())
    if len(words) > _MOST_TITLE_WORDS:
        return ""
    return next((word for word in words if word in _FORMS), "")


def _has_shape_of_verse(paragraph: str) -> bool:
    """Whether it is of two lines or more, each of a verse's width, and nearly each begun anew."""
    if _NOT_VERSE.search(paragraph):
        return False
    lines = [line.strip() for line in paragraph.split("\n")]
    capitals = sum(line.lstrip("\"'“‘*_(—")[:1].isupper() for line in lines)
    return capitals >= _CAPITALS * len(lines) and all(len(line) in _LINE_WIDTHS for line in lines)


def _is_verse(lines: list[str]) -> bool:
    """Whether enough of the lines pause at their end, and not all of them end a sentence there."""
    pauses = sum(line.rstrip("\"'”’").endswith((",", ";", "—", "–")) for line in lines)
    closed = sum(line.endswith((".", "!", "?")) for line in lines)
    enough = len(lines) >= _LEAST_LINES
    return enough and pauses >= _PAUSES * len(lines) and closed < len(lines)
