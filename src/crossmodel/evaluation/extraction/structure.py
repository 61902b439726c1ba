"""Code and formulas: what independent scans find, against segments and insights."""

# ruff: noqa: RUF001 - Greek letters are what formulas are made of

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markdown_it import MarkdownIt

from crossmodel.domain.insight import InsightKind
from crossmodel.evaluation.extraction import programs
from crossmodel.evaluation.extraction.rows import Extracted
from crossmodel.evaluation.statistics import Interval, wilson_interval
from crossmodel.text.segments import Segment, SegmentKind, parse

PLAIN: Final = frozenset(
    {"text", "txt", "output", "plaintext", "none", "markdown", "md", "console"}
)
"""Languages of fences that hold no program: no insight is expected of them."""
PYTHON: Final = frozenset({"python", "py", "python3", "py3"})

_MARKDOWN: Final = MarkdownIt("commonmark").disable("inline")
_DISPLAY: Final = re.compile(
    r"\$\$(?P<dollars>[^$]{1,2000})\$\$|\\\[(?P<brackets>.{1,2000}?)\\\]"
    r"|\\begin\{(?P<name>equation|align|gather|multline|eqnarray)(?P<star>\*?)\}"
    r"(?P<environment>.{1,2000}?)\\end\{(?P=name)(?P=star)\}",
    re.DOTALL,
)
_INLINE: Final = re.compile(
    r"\\\((?P<parens>.{1,500}?)\\\)|(?<![\\$\w])\$(?=\S)(?P<dollar>[^$\n]{1,500})(?<=\S)\$(?![\d$])"
)
"""A dollar sign before white space, or before a digit, closes no formula (as in Pandoc)."""
_FENCED: Final = re.compile(
    r"^[ \t>]*(```|~~~).*?(?:^[ \t>]*\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_RELATION: Final = re.compile(r"[=<>≤≥≈≠]|\\(?:leq?|geq?|neq?|approx|equiv|sim|propto|lt|gt)\b")
_COMMAND: Final = re.compile(
    r"\\(?!(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|nu|rho|sigma|tau|phi|psi|omega|eta|xi"
    r"|Delta|Omega|Phi|Psi|Sigma|Gamma|Theta|Lambda)\b)[A-Za-z]+"
)
_SYMBOL: Final = re.compile(r"[A-Za-zα-ωΑ-Ω]")
_UNITS: Final = re.compile(
    r"\\(?:text|mathrm|mathbf|operatorname|unit|textbf)\{[^{}]*\}|\\Omega\b"
    r"|°\w?|\^\{?\\circ\}?\s?[CFRK]?"
)
"""Units and words set as such: letters that name no quantity."""


@dataclass(frozen=True, slots=True)
class Found:
    """How many of ``there`` were found, and the ids of rows where some were not."""

    there: int
    found: int
    missed_ids: tuple[str, ...] = ()

    @property
    def share(self) -> float | None:
        """0..1; ``None`` if there is nothing to find."""
        return self.found / self.there if self.there else None

    @property
    def interval(self) -> Interval:
        """95 % interval of the share."""
        return wilson_interval(self.found, self.there)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "there": self.there,
            "found": self.found,
            "recall": self.share,
            "interval_95": list(self.interval),
            "missed_ids": list(self.missed_ids),
        }


@dataclass(frozen=True, slots=True)
class CodeFigures:
    """Blocks of code.

    Attributes:
        segments: fenced blocks that are code segments.
        insights: those of them whose language is that of a program, as CODE insights.
        bare: answers that are a program as a whole and have no fence, as CODE insights.
        python: fenced blocks of Python.
        parsing: those that Python's parser takes.
        disagreeing_ids: rows where the extraction says otherwise of a block that it found.
    """

    segments: Found
    insights: Found
    bare: Found
    python: int
    parsing: int
    disagreeing_ids: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "fenced_as_segments": self.segments.to_dict(),
            "fenced_as_insights": self.insights.to_dict(),
            "bare_programs_as_insights": self.bare.to_dict(),
            "python_blocks": self.python,
            "python_blocks_that_parse": self.parsing,
            "parse_rate": self.parsing / self.python if self.python else None,
            "parse_status_disagreeing_ids": list(self.disagreeing_ids),
        }


@dataclass(frozen=True, slots=True)
class FormulaFigures:
    """Formulas; ``symbolic`` ones relate quantities that have names, the others give a value.

    Attributes:
        display_segments: formulas set apart, as MATH segments.
        display_symbolic: symbolic ones of them, covered by an insight.
        display_values: the others, likewise: results of one question, which need be no insight.
        inline_symbolic: symbolic relations within sentences, covered by an insight.
        as_equations: symbolic ones, set apart or inline, that an EQUATION insight covers.
    """

    display_segments: Found
    display_symbolic: Found
    display_values: Found
    inline_symbolic: Found
    as_equations: Found

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "display_as_segments": self.display_segments.to_dict(),
            "display_symbolic_in_insights": self.display_symbolic.to_dict(),
            "display_values_in_insights": self.display_values.to_dict(),
            "inline_symbolic_in_insights": self.inline_symbolic.to_dict(),
            "symbolic_as_equations": self.as_equations.to_dict(),
        }


class _Tally:
    """Counts what is there and found, row by row."""

    def __init__(self) -> None:
        self.there = self.found = 0
        self.missed: dict[str, None] = {}

    def add(self, row_id: str, is_found: bool) -> None:
        self.there += 1
        self.found += is_found
        if not is_found:
            self.missed[row_id] = None

    def result(self) -> Found:
        return Found(self.there, self.found, tuple(self.missed))


def judge_code(
    extracted: Sequence[Extracted], segments: Callable[[str], list[Segment]] = parse
) -> CodeFigures:
    """Which blocks of code were found. Fences are found by ``markdown-it-py``."""
    as_segments, as_insights, bare = _Tally(), _Tally(), _Tally()
    python = parsing = 0
    disagreeing: dict[str, None] = {}
    for each in extracted:
        row, text = each.row, each.row.output
        blocks = list(fenced_blocks(text))
        pieces = Counter(
            _folded(text[s.start : s.end]) for s in segments(text) if s.kind is SegmentKind.CODE
        )
        code = [insight for insight in each.insights if insight.kind == InsightKind.CODE]
        insights = {_folded(said): insight for insight in code for said in each.said(insight)}
        for language, body in blocks:
            key = _folded(body)
            as_segments.add(row.id, pieces[key] > 0)
            pieces[key] -= 1
            if language not in PLAIN:
                as_insights.add(row.id, key in insights)
            if language in PYTHON:
                parses = programs.parse(body) is not None
                python, parsing = python + 1, parsing + parses
                if key in insights and insights[key].metadata.get("parses") is not parses:
                    disagreeing[row.id] = None
        program = programs.bare_program(text)
        if program is not None:
            bare.add(row.id, _folded(program) in insights)
    return CodeFigures(
        as_segments.result(),
        as_insights.result(),
        bare.result(),
        python,
        parsing,
        tuple(disagreeing),
    )


def judge_formulas(
    extracted: Sequence[Extracted], segments: Callable[[str], list[Segment]] = parse
) -> FormulaFigures:
    """Which formulas were found. They are looked for by the marks of LaTeX, outside of fences."""
    tallies = [_Tally() for _ in range(5)]
    shown, symbolic, values, inline, equations = tallies
    for each in extracted:
        text, row_id = each.row.output, each.row.id
        display = list(display_formulas(text))
        inside = [
            each for each in inline_formulas(text, display) if is_symbolic(text[slice(*each)])
        ]
        if not display and not inside:
            continue
        math = [(s.start, s.end) for s in segments(text) if s.kind is SegmentKind.MATH]
        spans = [(e.start, e.end) for insight in each.insights for e in insight.evidence]
        formulas = [
            (e.start, e.end)
            for insight in each.insights
            if insight.kind == InsightKind.EQUATION
            for e in insight.evidence
        ]
        for span in display:
            shown.add(row_id, _is_covered(span, math))
            if is_symbolic(text[slice(*span)]):
                symbolic.add(row_id, _is_covered(span, spans))
                equations.add(row_id, _is_covered(span, formulas))
            else:
                values.add(row_id, _is_covered(span, spans))
        for span in inside:
            inline.add(row_id, _is_covered(span, spans))
            equations.add(row_id, _is_covered(span, formulas))
    return FormulaFigures(*(tally.result() for tally in tallies))


def fenced_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and content of each fenced block that is not empty."""
    for token in _MARKDOWN.parse(text):
        if token.type == "fence" and token.content.strip():
            yield (token.info.split() or [""])[0].lower(), token.content


def display_formulas(text: str) -> Iterator[tuple[int, int]]:
    """The spans of what formulas set apart hold, their marks left out."""
    fences = [found.span() for found in _FENCED.finditer(text)]
    for found in _DISPLAY.finditer(text):
        group = next(
            n for n in ("dollars", "brackets", "environment") if found.group(n) is not None
        )
        span = _trimmed(text, *found.span(group))
        if span[0] < span[1] and not _meets(span, fences):
            yield span


def inline_formulas(
    text: str, display: Sequence[tuple[int, int]] = ()
) -> Iterator[tuple[int, int]]:
    """The spans of what formulas within sentences hold."""
    taken = [found.span() for found in _FENCED.finditer(text)] + list(display)
    for found in _INLINE.finditer(text):
        span = _trimmed(text, *found.span("parens" if found.group("parens") else "dollar"))
        if span[0] < span[1] and not _meets(span, taken):
            yield span


def is_symbolic(formula: str) -> bool:
    """Whether it relates something to an expression in which a quantity has a name."""
    plain = _UNITS.sub(" ", formula)
    sides = _RELATION.split(plain, maxsplit=1)
    return len(sides) > 1 and all(_SYMBOL.search(_COMMAND.sub(" ", side)) for side in sides)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    said = text[start:end]
    return start + len(said) - len(said.lstrip()), start + len(said.rstrip(" \t\r\n.,;"))


def _meets(span: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in others)


def _is_covered(span: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in others)


def _folded(code: str) -> str:
    """The lines that are not blank, without what stands before them in lists and quotations."""
    lines = (line.lstrip("> \t").rstrip() for line in code.splitlines())
    return "\n".join(filter(None, lines))
