"""Equations, definitions of symbols, and final answers that are numbers."""

# ruff: noqa: RUF001 - the look-alike characters are what the patterns match

from __future__ import annotations

import re
from typing import ClassVar, Final

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.extraction.answers import final_answer
from crossmodel.extraction.claims import claims
from crossmodel.extraction.finds import Find, scope_of
from crossmodel.extraction.patterns.base import FinderPattern
from crossmodel.extraction.reading import Reading
from crossmodel.extraction.rules import rules_and_examples
from crossmodel.text.segments import Segment, SegmentKind
from crossmodel.text.spans import Spans

_RELATION: Final = re.compile(r"(?<![<>=!:])=(?![=>])|[≈≤≥≠∝]|\\(?:leq?|geq?|neq|approx|equiv)\b")
_LAYOUT: Final = re.compile(
    r"\\(?:text|mathrm|mathbf|operatorname|unit)\{[^{}]*\}"
    r"|\\(?!alpha|beta|gamma|delta|epsilon|eta|theta|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|chi"
    r"|psi|omega|nabla|partial|Delta|Sigma|Phi|Psi|Omega|Gamma|Lambda|Theta|leq?\b|geq?\b|neq\b"
    r"|approx|equiv)[A-Za-z]+|\\[,;! ]"
)
"""Commands of LaTeX that stand for no quantity, and units set as text."""
_VARIABLE: Final = re.compile(
    r"(?<![A-Za-z'’\\])[A-Za-z](?![A-Za-z'’])|\\[A-Za-z]+|[α-ωΑ-Ω∇∂]|[A-Za-z][²³⁴ⁿ]"
)
_VALUE: Final = re.compile(
    r"[\s({$]*[-−+]?[$£€]?\d[\d.,/]*(?:\s*[×x·*]?\s*10\^?\{?[-−⁻\d⁰¹²³⁴-⁹]*\}?)?\s*[)}$]*"
    r"(?:\s*$|\s+[^\s\d=+*]|[%°.,])"
)
"""A number, alone or with its unit: what is equal to one is a result, not a formula."""
_RELATION_SIGNS: Final = (*"=≈≤≥≠<>", "\\le", "\\ge", "\\ne", "\\approx", "\\equiv")  # fmt: skip
_EQUALS: Final = re.compile(r"[=≈]|\\(?:approx|equiv)\b")
_LETTER: Final = re.compile(r"[A-Za-zα-ωΑ-Ω∇∂]")
_RESULT: Final = re.compile(
    r"[\s({$]*[-−+]?[$£€]?\d[\d.,/\s]*(?:[×x·*]?\s*10\s*\^?\s*\{?[-−⁻\d⁰¹²³⁴-⁹\s]*\}?)?"
    r"[\s)}$]*(?:[A-Za-z%°^\d/·\s-]{0,12})[.,]?\s*"
)
"""What one set formula is equal to, if it is a number, alone or with its unit."""
_INLINE: Final = re.compile(
    r"""[\\$](?:  # one set first: the engine skips to its members
        (?<=\\)\([^\S\n]*+([^\n]{3,300}?)[^\S\n]*\\\)
      | (?<![\w$]\$)(?<=\$)[^\S\n]*+([^$\n]{3,300}?)[^\S\n]*\$(?![\w$]))""",
    re.VERBOSE,
)
_LONG_WORD: Final = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_MAX_WORDS: Final = 4
_MAX_FORMULA: Final = 600


def equations(reading: Reading) -> list[Find]:
    """Formulas set apart, and sentences whose point is one.

    A relation between symbols is an equation, which holds elsewhere too; a calculation that was set
    apart is a step. Sums within a sentence (``3 + 4 = 7``) are left out.
    """
    found = []
    for segment in reading.segments:
        if segment.kind is not SegmentKind.MATH or segment.end - segment.start > _MAX_FORMULA:
            continue
        said = reading.text[segment.start : segment.end]
        if any(sign in said for sign in _RELATION_SIGNS):
            kind = InsightKind.EQUATION if _relates_symbols(said) else InsightKind.STEP
            found.append(_formula(kind, segment.start, segment.end, segment, reading))
    statements = [each for each in reading.statements if _may_hold_formula(each.text)]
    if not statements:
        return found
    taken = Spans(
        (find.start, find.end)
        for finder in (rules_and_examples, final_answer, claims)
        for find in reading.once(finder)
    )
    for statement in statements:
        start, end = statement.start, statement.end
        if taken.meet(start, end) or statement.is_question:
            continue
        inline = [match.span(match.lastindex or 1) for match in _INLINE.finditer(statement.text)]
        formulas = [span for span in inline if _relates_symbols(statement.text[slice(*span)])]
        announces = statement.text[-1] == ":" or statement.is_junk
        if formulas and announces:  # what it says of itself is no insight, the formula is one
            spans = [(start + first, start + last) for first, last in formulas]
        elif formulas or (not inline and not announces and _is_formula(statement.text)):
            spans = [(start, end)]
        else:
            continue
        found += [
            _formula(InsightKind.EQUATION, first, last, statement.segment, reading)
            for first, last in spans
        ]
    return found


def _may_hold_formula(said: str) -> bool:
    return (
        "=" in said or ("\\" in said and _RELATION.search(said) is not None)
    ) and "`" not in said


def _is_formula(said: str) -> bool:
    if not said or said[-1] == ":" or said[0] == "<" or '="' in said:
        return False
    plain = _LAYOUT.sub(" ", said)
    relation = _RELATION.search(plain)
    if relation is None or len(_LONG_WORD.findall(plain)) > _MAX_WORDS:
        return False
    right = plain[relation.end() :]
    return bool(_VARIABLE.search(right)) and not _VALUE.match(right)


def _relates_symbols(formula: str) -> bool:
    """Whether a formula that is set as one is more than a calculation of a number."""
    plain = _LAYOUT.sub(" ", formula)
    relation = _RELATION.search(plain)
    if relation is None:
        return False
    right = plain[relation.end() :]
    terms = [term for term in _EQUALS.split(right) if not _RESULT.fullmatch(term)]
    return any(map(_LETTER.search, terms))


def _formula(kind: InsightKind, start: int, end: int, segment: Segment, reading: Reading) -> Find:
    return Find(InsightType.MATH, kind, start, end, scope_of(segment, reading), is_block=True)


class MathExtractionPattern(FinderPattern):
    """Equations, definitions of symbols, and final answers that are numbers."""

    insight_type: ClassVar = InsightType.MATH
    finders: ClassVar = (rules_and_examples, final_answer, claims, equations)
