"""What a model wrote down of one text, and what it took to ask it."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from crossmodel.domain.completion import Usage
from crossmodel.domain.insight import Insight
from crossmodel.errors import CrossModelError
from crossmodel.extraction.patterns.base import ExtractionPattern

MODEL_ASSISTED: Final = "model_assisted"
"""The name under which an extraction reports what a model did."""

ASSISTANCE: Final = "assistance"
"""Key of the context under which a caller hands over an :class:`Assistance` got beforehand."""

REPORT: Final = "_crossmodel_report"
"""Key of the context under which the extractor takes a pattern's :class:`Assistance`."""


@dataclass(slots=True)
class Assistance(ExtractionPattern):
    """What a model wrote down of one text: a pattern whose work is done already.

    Attributes:
        insights: what the text does say, in its own words, with evidence.
        rejected: how many claims were dropped, by reason.
        errors: a line for each thing that went wrong, with what to do about it.
        usage: tokens of all calls.
        cost_usd: what they cost, by the prices of the model's row.
        calls: how many there were.
        latency_ms: how long they took together.
    """

    insights: list[Insight] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0
    calls: int = 0
    latency_ms: float = 0.0

    def extract(self, text: str, context: dict[str, Any]) -> list[Insight]:  # noqa: ARG002 - the reference's signature
        """The insights, once more; usage and errors go to the extractor that asks.

        Raises:
            CrossModelError: if something went wrong and no extractor is there to be told.
        """
        report = cast("Callable[[Assistance], None] | None", context.get(REPORT))
        if report is not None:
            report(self)
        elif self.errors:
            raise CrossModelError("; ".join(self.errors))
        return [copy.copy(insight) for insight in self.insights]
