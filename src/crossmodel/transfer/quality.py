"""How good an insight is to hand over, 0..1.

Extraction's confidence leaves a doubt, ``1 - confidence``. Each check that an insight has passed
takes away a share of it, as in the noisy-or model (Pearl, Probabilistic Reasoning in Intelligent
Systems, 1988, 4.3.2)::

    quality = 1 - (1 - confidence) * valid * grounded * (1 - 0.2 * relevance)

``valid`` is 0.7 for an insight that the validator passed, ``grounded`` 0.8 for one with evidence,
else 1. With the default threshold of 0.7 a validated, grounded insight passes from a confidence of
about 0.46, one that nobody checked only from 0.7: sound finds pass, guesses do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossmodel.domain.insight import Insight, ValidationStatus

VALID_LEAVES: Final = 0.7
GROUNDED_LEAVES: Final = 0.8
RELEVANCE_TAKES: Final = 0.2

RELEVANCE: Final = "relevance"
"""Key of an insight's metadata where choosing it for a question leaves its relevance, 0..1."""


def insight_quality(insight: Insight) -> float:
    """Quality of one insight, 0..1; its confidence must lie within 0..1."""
    doubt = 1.0 - insight.confidence_score
    if insight.validation_status == ValidationStatus.VALID:
        doubt *= VALID_LEAVES
    if insight.evidence:
        doubt *= GROUNDED_LEAVES
    return 1.0 - doubt * (1.0 - RELEVANCE_TAKES * _relevance(insight))


def transfer_quality(insights: Sequence[Insight]) -> float:
    """Mean quality, 0 when there are none."""
    if not insights:
        return 0.0
    return sum(map(insight_quality, insights)) / len(insights)


def _relevance(insight: Insight) -> float:
    value = insight.metadata.get(RELEVANCE)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0.0 <= value <= 1.0 else 0.0
