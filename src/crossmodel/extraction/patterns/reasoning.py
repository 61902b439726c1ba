"""Conclusions, reasons, decisive steps and final answers that are no number."""

from __future__ import annotations

from typing import ClassVar

from crossmodel.domain.insight import InsightType
from crossmodel.extraction.answers import final_answer
from crossmodel.extraction.claims import claims
from crossmodel.extraction.facts import facts
from crossmodel.extraction.patterns.base import FinderPattern
from crossmodel.extraction.rules import rules_and_examples
from crossmodel.extraction.sections import sections


class ReasoningExtractionPattern(FinderPattern):
    """Conclusions, reasons, decisive steps and final answers that are no number."""

    insight_type: ClassVar = InsightType.REASONING
    finders: ClassVar = (rules_and_examples, final_answer, sections, claims, facts)
