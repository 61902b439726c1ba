"""The structure of an answer: headings, paragraphs, list items, tables, code and formulas.

Offsets are exact: ``text[segment.start:segment.end]`` is the segment as its author wrote it. A
line scanner of our own finds them rather than markdown-it-py, whose line maps refer to a text in
which it has already replaced line ends and NULs, which knows no LaTeX blocks, and which is several
times slower (``benchmarks/foundations.md``).
"""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from crossmodel.text.normalise import COLONS


class SegmentKind(StrEnum):
    """What a segment is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    CODE = "code"
    MATH = "math"
    TABLE = "table"


class Segment(NamedTuple):
    """A block of an answer.

    Attributes:
        kind: what it is.
        start: where its content begins, after any marker, fence or indentation.
        end: where its content ends.
        headings: the headings that it stands under, outermost first.
        lead: the span of the line ending in a colon that announces it, if there is one.
        language: of a code block, as its fence says, in lower case.
    """

    kind: SegmentKind
    start: int
    end: int
    headings: tuple[str, ...] = ()
    lead: tuple[int, int] | None = None
    language: str = ""

    @property
    def is_prose(self) -> bool:
        """Whether it holds sentences."""
        return self.kind in _PROSE


_PROSE: Final = frozenset({SegmentKind.PARAGRAPH, SegmentKind.LIST_ITEM})
_LINE: Final = re.compile(r"[^\r\n]+")
_BULLET: Final = re.compile(
    r"(?:[-*+•‣◦–·]|\(?(?:\d{1,3}|[A-Za-z])[.)]|\[\d{1,3}\])[ \t]+(?:\[[ xX]\][ \t]+)?(?=\S)"
)
"""A list item's marker, with the box of a task."""
_QUOTE: Final = re.compile(r">[>\s]*+")
_HEADING: Final = re.compile(r"(#{1,6})[ \t]+(?=\S)")
_FENCE: Final = re.compile(r"(`{3,}|~{3,})[ \t]*([^\s`{]*)")
_FORMULA_ENDS: Final = {
    "\\[": "\\]",
    "$$": "$$",
    "\\begin{align": "\\end{align",
    "\\begin{equation": "\\end{equation",
}
_SINGLE: Final = frozenset({SegmentKind.CODE, SegmentKind.TABLE})
"""Blocks of which a line announces one, not several."""
_AFTER_LETTER: Final = ".)"
"""After a first letter these make a marker: ``a) b``."""
_MARKER_STARTS: Final = frozenset("-*+•‣◦–·([>#`~=|$\\")
_BOLD_LEVEL: Final = 7
"""A line all in bold is a heading below every ``#`` one."""
_MAX_BOLD_HEADING: Final = 80
_MAX_LEAD: Final = 400


def parse(text: str) -> list[Segment]:
    """Every segment of ``text``, in order; they never overlap. Linear in the length of the text."""
    return _Scanner(text).run()


class _Scanner:
    """One pass over the lines, one block open at a time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.segments: list[Segment] = []
        self.headings: list[tuple[int, str]] = []
        self.path: tuple[str, ...] = ()
        self.lead: tuple[int, int] | None = None
        self.outer_lead: tuple[int, int] | None = None  # the lead of the list as a whole
        self.kind = SegmentKind.PARAGRAPH
        self.start = -1  # of the open block; -1 when none is open
        self.end = -1
        self.last_line = -1  # where the open block's last line begins
        self.indent = 0  # of the line being read
        self.block_indent = 0  # of the open block
        self.lead_indent = -1  # of the list item that announces what follows; -1: none does
        self.formula_ends: dict[str, tuple[int, int, bool]] = {}

    def run(self) -> list[Segment]:
        text = self.text
        if "\r" in text:
            text = text.replace("\r\n", " \n").replace("\r", "\n")  # as long as before
        following = resume = 0
        for raw in text.split("\n"):
            start = following
            following += len(raw) + 1
            if start < resume:  # within a fence or formula that has been read already
                continue
            body = raw.strip()
            if not body:
                self._close()
                continue
            first = body[0]
            self.indent = raw.index(first)
            start += self.indent
            if first.isalpha() and body[1:2] not in _AFTER_LETTER:
                self._text(start, start + len(body))  # a line like any other: most are
            else:
                resume = self._line(body, start)
        self._close()
        return self.segments

    def _line(self, body: str, start: int) -> int:
        """Take in one line; returns where reading goes on when it opens a longer block."""
        first = body[0]
        if first == ">" and (quote := _QUOTE.match(body)):
            # a quoted line stands alone: a slice over two of them would hold the markers
            self._close()
            body, start = body[quote.end() :], start + quote.end()
            if body:
                resume = self._line(body, start)
                self._close()
                return resume
            return 0
        if first in _MARKER_STARTS or first.isdigit():
            after = self._marked(first, body, start)
            if after is not None:
                return after
        elif len(body) > 2 and body[1] in ".)" and (bullet := _BULLET.match(body)):  # noqa: PLR2004 - "a) b"
            self._open(SegmentKind.LIST_ITEM, start + bullet.end(), start + len(body))
            return 0
        self._text(start, start + len(body))
        return 0

    def _text(self, start: int, end: int) -> None:
        if self.start < 0:
            self._open(SegmentKind.PARAGRAPH, start, end)
        else:
            self.last_line = start
            self.end = end

    def _marked(self, first: str, body: str, start: int) -> int | None:
        """Take in a line that begins with a marker; ``None`` if it is a line like any other."""
        end = start + len(body)
        if first in "`~" and (fence := _FENCE.match(body)):
            return self._code(fence, start)
        if first == "#" and (heading := _HEADING.match(body)):
            self._heading(len(heading.group(1)), start + heading.end(), end)
            return 0
        if first in "$\\":
            return self._formula(body, start)
        if first in "-*_=" and len(body) > 2 and not body.strip("-*_= "):  # noqa: PLR2004 - a rule is three
            if first == "=" and self.start >= 0 and self.last_line == self.start:
                self.kind = SegmentKind.HEADING
            self._close()
            return 0
        if first in "|-:" and self._is_table_rule(body):
            self._table(end)
            return 0
        if self.start >= 0 and self.kind is SegmentKind.TABLE and "|" in body:
            self.end = end
            return 0
        if first == "*" and body.startswith("**"):
            return self._bold(body, start)
        if bullet := _BULLET.match(body):
            self._open(SegmentKind.LIST_ITEM, start + bullet.end(), end)
            return 0
        return None

    def _open(self, kind: SegmentKind, start: int, end: int) -> None:
        self._close()
        if self.indent <= self.lead_indent and kind is SegmentKind.LIST_ITEM:
            self.lead, self.lead_indent = self.outer_lead, -1
        self.kind, self.start, self.end, self.last_line = kind, start, end, start
        self.block_indent = self.indent

    def _close(self) -> None:
        if self.start < 0:
            return
        start, end, self.start = self.start, self.end, -1
        if self.kind is SegmentKind.HEADING:
            self._heading(1, start, end)
            return
        self._add(self.kind, start, end)
        if self.text[end - 1] in COLONS:
            self.lead = (max(self.last_line, start, end - _MAX_LEAD), end)
            if self.kind is SegmentKind.LIST_ITEM:
                self.lead_indent = self.block_indent
            else:
                self.outer_lead, self.lead_indent = self.lead, -1
        elif self.kind is SegmentKind.PARAGRAPH:
            self.lead, self.outer_lead, self.lead_indent = None, None, -1

    def _add(self, kind: SegmentKind, start: int, end: int, language: str = "") -> None:
        lead = self.lead
        if kind is SegmentKind.PARAGRAPH and lead and self.segments[-1].end != lead[1]:
            lead = None  # a list or block has stood between: the announcement is spent
        is_announced = bool(self.segments) and lead is not None and self.segments[-1].end == lead[1]
        self.segments.append(Segment(kind, start, end, self.path, lead, language))
        if is_announced and kind in _SINGLE and lead == self.outer_lead:
            self.lead = self.outer_lead = None  # it was this that was announced, and no list below

    def _heading(self, level: int, start: int, end: int) -> None:
        self._close()
        self.start = -1
        title = self.text[start:end].rstrip("# \t") or self.text[start:end]
        end = start + len(title)
        while self.headings and self.headings[-1][0] >= level:
            self.headings.pop()
        self.lead, self.outer_lead, self.lead_indent = None, None, -1
        self.path = tuple(name for _, name in self.headings)
        self._add(SegmentKind.HEADING, start, end)
        self.headings.append((level, title.strip("*_: ")))
        self.path = tuple(name for _, name in self.headings)

    def _bold(self, body: str, start: int) -> int | None:
        if len(body) > _MAX_BOLD_HEADING or self.start >= 0:
            return None
        inner = body.rstrip(": ")
        whole = inner.endswith("**") and inner.count("**") == 2  # noqa: PLR2004 - one pair
        if whole and len(inner) > 4:  # noqa: PLR2004 - something between the pair
            title = inner[2:-2].strip().strip(": ").strip()
            if title:
                at = start + body.index(title)
                self._heading(_BOLD_LEVEL, at, at + len(title))
                return 0
        return None

    def _code(self, fence: re.Match[str], start: int) -> int:
        self._close()
        marker = fence.group(1)
        body_start = self.text.find("\n", start)
        if body_start < 0:
            return len(self.text) + 1
        body_start += 1
        # a fence that is never closed runs to the end of the text (CommonMark 0.31, 4.5)
        close = re.compile(rf"^[ \t>]*{marker[0]}{{{len(marker)},}}[ \t\r]*$", re.MULTILINE)
        found = close.search(self.text, body_start)
        body_end, resume = (found.start(), found.end()) if found else (len(self.text),) * 2
        body = self.text[body_start:body_end].rstrip()
        if body.strip():
            lead_space = len(body) - len(body.lstrip("\r\n"))
            language = fence.group(2).lower()
            first = body_start + lead_space
            self._add(SegmentKind.CODE, first, body_start + len(body), language)
        return max(resume, body_start)

    def _formula(self, body: str, start: int) -> int | None:
        opener = next((mark for mark in _FORMULA_ENDS if body.startswith(mark)), None)
        if opener is None:
            return None
        inside = start if opener.startswith("\\begin") else start + len(opener)
        found, line_end, is_last = self._formula_end(_FORMULA_ENDS[opener], start + len(opener))
        if not is_last:
            return None
        stop = line_end if opener.startswith("\\begin") else found
        formula = self.text[inside:stop]
        if not formula.strip():
            return None
        self._close()
        inside += len(formula) - len(formula.lstrip())
        self._add(SegmentKind.MATH, inside, inside + len(formula.strip()))
        return line_end

    def _formula_end(self, closer: str, position: int) -> tuple[int, int, bool]:
        """Where the next ``closer`` is, where its line ends, and whether nothing follows in it.

        What was found is kept until reading has passed it: lines that open a formula which nothing
        closes must not each search the rest of the text.
        """
        known = self.formula_ends.get(closer)
        if known is None or 0 <= known[0] < position:
            found = self.text.find(closer, position)
            line_end = self.text.find("\n", found) if found >= 0 else -1
            line_end = len(self.text) if line_end < 0 else line_end
            after = self.text[found + len(closer) : line_end] if found >= 0 else closer
            known = found, line_end, not after.strip(" \t\r.,;:{}*alignequtod")
            self.formula_ends[closer] = known
        return known

    def _is_table_rule(self, body: str) -> bool:
        if self.start < 0 or "|" not in body or "-" not in body or body.strip("|:- \t"):
            return False
        return "|" in self.text[self.last_line : self.end]

    def _table(self, end: int) -> None:
        header = self.last_line
        if header > self.start:  # what stands above the table's header is prose
            before = self.text[self.start : header].rstrip()
            header_end = self.end
            self.end = self.start + len(before)
            self.last_line = max(self.text.rfind("\n", self.start, self.end) + 1, self.start)
            self._close()
            self.end = header_end
        self.kind, self.start, self.end, self.last_line = SegmentKind.TABLE, header, end, header


def table_rows(text: str, segment: Segment) -> Iterator[list[tuple[int, int]]]:
    r"""The spans of the cells of each row of a table, header first, the rule left out.

    A cell that is empty has a span of length 0. ``\|`` is not a border.
    """
    for number, line in enumerate(_LINE.finditer(text, segment.start, segment.end)):
        if number == 1:
            continue
        cells: list[tuple[int, int]] = []
        row = line.group().strip()
        offset = line.start() + line.group().index(row)
        if row.startswith("|"):
            row, offset = row[1:], offset + 1
        if row.endswith("|") and not row.endswith("\\|"):
            row = row[:-1]
        for cell in re.finditer(r"(?:[^|\\]|\\.|\\$)*+(?:\||$)", row):
            if cell.start() == len(row) and (cells and not row.endswith("|")):
                break
            raw = (
                cell.group().removesuffix("|") if not cell.group().endswith("\\|") else cell.group()
            )
            body = raw.strip()
            at = offset + cell.start() + (raw.index(body) if body else 0)
            cells.append((at, at + len(body)))
        yield cells
