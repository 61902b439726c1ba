"""Long texts in parts that can be read apart: cut where nothing goes on across the cut.

No cut lies within a block of code, a formula, a table, a paragraph, or between a list and the line
that announces it. A part that begins within a section carries the headings it stands under before
it; what is found in those does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from crossmodel.text.normalise import COLONS
from crossmodel.text.segments import Segment, SegmentKind, parse

PART: Final = 16_000
"""Characters of a part, about."""
LONGEST: Final = 1_000_000
"""Characters without a place to cut after which a line's end must do."""
_DEEPEST: Final = 6


class Part(NamedTuple):
    """``text`` is ``headings`` followed by the source from ``offset`` on."""

    text: str
    offset: int
    headings: int


def split(source: str, size: int = PART) -> Iterator[Part]:
    """The parts of a text, in order; without their headings they make up the whole of it."""
    splitter = Splitter(size)
    yield from splitter.feed(source)
    yield from splitter.end()


class Splitter:
    """Cuts a text that arrives piece by piece; the parts do not depend on the pieces."""

    def __init__(self, size: int = PART) -> None:
        self.size = size
        self.offset = 0
        self._waiting = ""
        self._path: tuple[str, ...] = ()
        self._enough = size

    def feed(self, piece: str) -> Iterator[Part]:
        """The parts that are complete now."""
        self._waiting += piece
        while len(self._waiting) >= 2 * self._enough:
            window = self._waiting[: 2 * self._enough]
            cut = _cut(window, self._enough)
            if cut:
                yield self._part(cut, window)
                self._enough = self.size
            elif self._enough < LONGEST:
                self._enough *= 2  # look further: doubling keeps this linear
            else:
                yield self._part(window.rfind("\n") + 1 or len(window), window)
                self._enough = self.size

    def end(self) -> Iterator[Part]:
        """What is left."""
        if self._waiting:
            yield self._part(len(self._waiting), self._waiting)

    def _part(self, cut: int, window: str) -> Part:
        body = self._waiting[:cut]
        headings = "".join(
            f"{'#' * min(level, _DEEPEST)} {title}\n\n" for level, title in enumerate(self._path, 1)
        )
        part = Part(headings + body, self.offset, len(headings))
        self._path = _path_after(parse(part.text), part.text) if cut < len(window) else ()
        self._waiting = self._waiting[cut:]
        self.offset += cut
        return part


def _cut(window: str, least: int) -> int:
    """Where to cut, in ``least..len(window)`` and not at its end; 0 if there is no such place."""
    segments = parse(window)
    for position, after in enumerate(segments[1:-1]):  # the last one may go on beyond the window
        before = segments[position]
        line = window.rfind("\n", 0, after.start) + 1
        if after.start >= least and line > before.end and _is_free(before, after, window):
            return line
    return 0


def _is_free(before: Segment, after: Segment, text: str) -> bool:
    if after.kind is SegmentKind.HEADING:
        return before.kind is not SegmentKind.HEADING
    has_blank = text.count("\n", before.end, after.start) > 1
    announces = text[before.end - 1] in COLONS or after.lead is not None
    return has_blank and after.kind is SegmentKind.PARAGRAPH and not announces


def _path_after(segments: list[Segment], text: str) -> tuple[str, ...]:
    """The headings that whatever follows stands under."""
    if not segments:
        return ()
    last = segments[-1]
    if last.kind is SegmentKind.HEADING:
        return (*last.headings, text[last.start : last.end].strip("*_: "))
    return last.headings
