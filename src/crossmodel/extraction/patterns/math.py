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
from crossmodel.text.segments import SegmentKind
from crossmodel.text.spans import Spans

_RELATION: Final = re.compile(r"(?<![<>=!:])=(?![=>])|[≈≤≥≠∝]|\\(?:leq?|geq?|neq|approx|equiv)\b")
_LAYOUT: Final = re.compile(
    r"\\(?:text|mathrm|mathbf|operatorname|unit)\{[^{}]*\}"
    r"|\\(?!alpha|beta|gamma|delta|epsilon|eta|theta|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|chi"
    r"|psi|omega|nabla|partial|Delta|Sigma|Phi|Psi|Omega|Gamma|Lambda|Theta|leq?\b|geq?\b|neq\b"
    r"|approx|equiv)[A-Za-z]+|\\[,;! ]"
)
"""Commands of LaTeX that stand for no quantity, and units set as text."""
_VARIABLE: Final = re.compile(r"(?<![A-Za-z'’\\])[A-Za-z](?![A-Za-z'’])|\\[A-Za-z]+|[α-ωΑ-Ω∇∂]")
_VALUE: Final = re.compile(
    r"[\s({$]*[-−+]?[$£€]?\d[\d.,/]*(?:\s*[×x·*]?\s*10\^?\{?[-−⁻\d⁰¹²³⁴-⁹]*\}?)?\s*[)}$]*"
    r"(?:\s*$|\s+[^\s\d=+*]|[%°.,])"
)
"""A number, alone or with its unit: what is equal to one is a result, not a formula."""
_LONG_WORD: Final = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_MAX_WORDS: Final = 4
_MAX_FORMULA: Final = 600


def equations(reading: Reading) -> list[Find]:
    """Formulas: relations between symbols, set apart or on a line of their own.

    Plain sums (``3 + 4 = 7``) hold for one question only and are left out.
    """
    found = []
    for segment in reading.segments:
        if segment.kind is not SegmentKind.MATH or segment.end - segment.start > _MAX_FORMULA:
            continue
        if _is_formula(reading.text[segment.start : segment.end]):
            scope = scope_of(segment, reading)
            found.append(_equation(segment.start, segment.end, scope))
    taken = Spans(
        (find.start, find.end)
        for finder in (rules_and_examples, final_answer, claims)
        for find in reading.once(finder)
    )
    for statement in reading.statements:
        said = statement.text
        if "=" not in said or "`" in said or statement.is_question or statement.is_junk:
            continue
        if taken.meet(statement.start, statement.end):
            continue
        if _is_formula(said):
            scope = scope_of(statement.segment, reading)
            found.append(_equation(statement.start, statement.end, scope))
    return found


def _is_formula(said: str) -> bool:
    if said[-1] == ":" or said[0] == "<" or '="' in said:
        return False
    plain = _LAYOUT.sub(" ", said)
    relation = _RELATION.search(plain)
    if relation is None or len(_LONG_WORD.findall(plain)) > _MAX_WORDS:
        return False
    right = plain[relation.end() :]
    return bool(_VARIABLE.search(right)) and not _VALUE.match(right)


def _equation(start: int, end: int, scope: str) -> Find:
    return Find(InsightType.MATH, InsightKind.EQUATION, start, end, scope)


class MathExtractionPattern(FinderPattern):
    """Equations, definitions of symbols, and final answers that are numbers."""

    insight_type: ClassVar = InsightType.MATH
    finders: ClassVar = (rules_and_examples, final_answer, claims, equations)
