"""Ideas, alternatives and analogies that are named as such."""

from __future__ import annotations

from typing import ClassVar

from crossmodel.domain.insight import InsightType
from crossmodel.extraction.answers import final_answer
from crossmodel.extraction.claims import claims
from crossmodel.extraction.compositions import compositions
from crossmodel.extraction.patterns.base import FinderPattern
from crossmodel.extraction.sections import sections


class CreativityExtractionPattern(FinderPattern):
    """Ideas, alternatives and analogies that are named as such."""

    insight_type: ClassVar = InsightType.CREATIVITY
    finders: ClassVar = (final_answer, compositions, sections, claims)
