"""Rules and examples of wording, formats and style; definitions and translations."""

from __future__ import annotations

from typing import ClassVar

from crossmodel.domain.insight import InsightType
from crossmodel.extraction.claims import claims
from crossmodel.extraction.facts import facts
from crossmodel.extraction.patterns.base import FinderPattern
from crossmodel.extraction.rules import rules_and_examples
from crossmodel.extraction.sections import sections


class LanguageExtractionPattern(FinderPattern):
    """Rules and examples of wording, formats and style; definitions and translations."""

    insight_type: ClassVar = InsightType.LANGUAGE
    finders: ClassVar = (rules_and_examples, sections, claims, facts)
