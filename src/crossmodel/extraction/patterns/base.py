"""What an extraction pattern is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from crossmodel.domain.insight import Insight, InsightType
from crossmodel.extraction.finds import Find, insights_of
from crossmodel.extraction.reading import Reading, read

Finder = Callable[[Reading], list[Find]]


class ExtractionPattern(ABC):
    """Finds insights of one sort in a text."""

    @abstractmethod
    def extract(self, text: str, context: dict[str, Any]) -> list[Insight]:
        """The insights of this sort in ``text``.

        An insight without evidence gets it from the extractor, by grounding its content; offsets
        that are given must point into exactly ``text``.
        """


class FinderPattern(ExtractionPattern):
    """A pattern made of finders, of whose finds it keeps those of its own type.

    Finders are shared: what one makes of a text is worked out once, whichever pattern asks first,
    and each find has one type, so no two patterns return the same one.
    """

    insight_type: ClassVar[InsightType]
    finders: ClassVar[tuple[Finder, ...]]

    def extract(self, text: str, context: dict[str, Any]) -> list[Insight]:
        """The finds of this pattern's type, as new insights."""
        reading = read(text, context)
        wanted = self.insight_type
        mine = [find for finder in self.finders for find in reading.by_type(finder).get(wanted, ())]
        return insights_of(mine, reading) if mine else []


def is_exact(pattern: ExtractionPattern) -> bool:
    """Whether the content of all its insights is cut out of the text that it read."""
    return getattr(type(pattern), "extract", None) is FinderPattern.extract
