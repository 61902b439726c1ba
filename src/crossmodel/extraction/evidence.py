"""What an insight stands on: its source says it, and did not merely repeat what it was handed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crossmodel.domain.insight import Evidence, Insight
from crossmodel.extraction.reading import Reading
from crossmodel.text.grounding import Grounder, ground
from crossmodel.text.similarity import guard, near_duplicates

INJECTED: Final = "injected"
"""Key of the context under which callers name the texts that they handed to the model."""

NOT_GROUNDED: Final = "not grounded"

NEARLY: Final = 0.85
"""How alike in words, 0..1, something must be to what was handed over to be no news."""

_BULLETS: Final = " \n*-+>•"

MOST_ADDED: Final = 8
"""Words around what was handed over, such as "as the notes say", that make it no news either."""


class Standing:
    """Checks or finds the evidence of insights in one reading.

    ``context["injected"]`` may hold texts that were handed to the model. What the source does not
    say is a problem only where evidence is ``required``.
    """

    def __init__(self, reading: Reading, context: Mapping[str, Any], *, required: bool) -> None:
        texts = context.get(INJECTED) or ()
        if isinstance(texts, str):
            texts = (texts,)
        self._reading = reading
        self._texts = [text for text in texts if isinstance(text, str) and text.strip()]
        self._handed = [Grounder(text) for text in self._texts]
        self._required = required

    def problem(self, insight: Insight, *, exact: bool = False) -> str:
        """Why the insight must be refused, or nothing; gives it evidence that it lacks.

        ``exact`` tells that its content was cut out of this reading.
        """
        if not insight.content or insight.content.isspace():
            return NOT_GROUNDED
        if not exact and not _is_said(insight, self._reading):
            reading = self._reading
            span = reading.once(_grounder).ground(insight.content)
            insight.evidence = (
                (Evidence(span.start, span.end, reading.source_sha256),) if span else ()
            )
            if span is None and self._required:
                said_there = reading.injected and Grounder(reading.source).ground(insight.content)
                return INJECTED if said_there else NOT_GROUNDED
        return INJECTED if self._is_repeated(insight) else ""

    def _is_repeated(self, insight: Insight) -> bool:
        """Whether it stands in a marked block, or in a text that was handed over."""
        if not self._reading.injected and not self._handed:
            return False
        return any(
            each.start < span.end and span.start < each.end
            for span in self._reading.injected
            for each in insight.evidence
        ) or self._retells(insight.content)

    def _retells(self, content: str) -> bool:
        """Whether it says what was handed over: within it, around it, or in nearly its words."""
        if any(text.ground(content) for text in self._handed):
            return True
        return any(
            near_duplicates(content, text, NEARLY) or _wraps(content, text) for text in self._texts
        )


def _wraps(content: str, handed: str) -> bool:
    """Whether it is the text that was handed over and a few words more, which tell nothing new."""
    within = ground(handed, content)
    if within is None:
        return False
    around = [content[: within.start].rstrip(_BULLETS), content[within.end :].lstrip(_BULLETS)]
    return sum(len(part.split()) for part in around) <= MOST_ADDED and not any(map(guard, around))


def _grounder(reading: Reading) -> Grounder:
    return Grounder(reading.text)


def _is_said(insight: Insight, reading: Reading) -> bool:
    """Whether its evidence lies in this source and reads as its content does."""
    if not insight.evidence:
        return False
    if any(
        each.source_sha256 != reading.source_sha256 or each.end > len(reading.source)
        for each in insight.evidence
    ):
        return False
    said = " ".join(insight.content.split())
    return any(
        " ".join(reading.source[each.start : each.end].split()) == said for each in insight.evidence
    )
