"""Code with its language, uses of interfaces, complexity and pitfalls."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from typing import Any, ClassVar, Final

from crossmodel.domain.insight import InsightKind, InsightType
from crossmodel.extraction.answers import final_answer
from crossmodel.extraction.claims import claims
from crossmodel.extraction.facts import facts
from crossmodel.extraction.finds import Find, scope_of
from crossmodel.extraction.patterns.base import FinderPattern
from crossmodel.extraction.python_source import PYTHON_NAMES, parsed
from crossmodel.extraction.reading import Reading
from crossmodel.extraction.rules import rules_and_examples
from crossmodel.extraction.sections import sections
from crossmodel.text.segments import SegmentKind

_LOOKS_LIKE_PYTHON: Final = re.compile(r"^(?:def|class|import|from|async def|@)\b", re.MULTILINE)
_OUTPUT_LANGUAGES: Final = frozenset(
    {"text", "txt", "output", "plaintext", "none", "markdown", "md"}
)
_PARSERS: Final[dict[str, Callable[[str], object]]] = {"json": json.loads, "toml": tomllib.loads}
_MAX_CODE: Final = 20_000
"""A longer block, in characters, is a file rather than an insight."""


def code_blocks(reading: Reading) -> list[Find]:
    """Blocks of code; of Python, whether it parses and what it defines."""
    found = []
    for segment in reading.segments:
        size = segment.end - segment.start
        if segment.kind is not SegmentKind.CODE or size > _MAX_CODE:
            continue
        if segment.language in _OUTPUT_LANGUAGES:
            continue
        source = reading.text[segment.start : segment.end]
        metadata = _metadata(segment.language, source)
        scope = scope_of(segment, reading)
        found.append(
            Find(InsightType.CODING, InsightKind.CODE, segment.start, segment.end, scope, metadata)
        )
    return found


def _metadata(language: str, source: str) -> dict[str, Any]:
    """The language, and where there is a parser for it, whether it parses and what it names."""
    if language in PYTHON_NAMES or (not language and _LOOKS_LIKE_PYTHON.search(source)):
        program = parsed(source)
        if program is None:
            return {"language": "python", "parses": False}
        return {
            "language": "python",
            "parses": True,
            "defines": list(program.defines),
            "imports": list(program.imports),
        }
    parser = _PARSERS.get(language)
    if parser is None:
        return {"language": language}
    try:
        parser(source)
    except (ValueError, RecursionError):
        return {"language": language, "parses": False}
    return {"language": language, "parses": True}


class CodingExtractionPattern(FinderPattern):
    """Code with its language, uses of interfaces, complexity and pitfalls."""

    insight_type: ClassVar = InsightType.CODING
    finders: ClassVar = (final_answer, code_blocks, rules_and_examples, sections, claims, facts)
