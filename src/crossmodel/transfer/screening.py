"""What must not be handed over: insights are quotations of untrusted text.

This is the first line only; the quotation marks of :mod:`crossmodel.text.injected` are the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from crossmodel.domain.insight import Insight, ValidationStatus
from crossmodel.text.injected import injected_spans
from crossmodel.text.instructions import gives_orders, holds_template_marks

MAX_CHARACTERS: Final = 8_192
"""Longer than any insight that still is one thing to know, in characters."""

_REFUSED_STATUS: Final = (ValidationStatus.INVALID, ValidationStatus.VALIDATION_ERROR)


def reason_to_refuse(insight: Insight) -> str | None:
    """Why the insight must not be handed over; ``None`` if nothing speaks against it."""
    if insight.validation_status in _REFUSED_STATUS:
        return f"its validation status is {str(insight.validation_status)!r}"
    confidence = insight.confidence_score
    if isinstance(confidence, bool) or not isinstance(confidence, int | float):
        return "its confidence is not a number"
    if math.isnan(confidence):
        return "its confidence is NaN"
    if not 0.0 <= confidence <= 1.0:
        return f"its confidence {confidence} does not lie within 0..1"
    if not isinstance(insight.content, str) or not insight.content.strip():
        return "it is empty"
    return next(filter(None, map(_speaks_against, _texts(insight))), None)


def _texts(insight: Insight) -> Iterator[str]:
    """Everything of it that a protocol may write down."""
    yield insight.content
    for part in ("input", "output"):
        text = insight.metadata.get(part)
        if isinstance(text, str):
            yield text


def _speaks_against(text: str) -> str | None:
    if len(text) > MAX_CHARACTERS:
        return f"it is longer than {MAX_CHARACTERS} characters"
    if injected_spans(text):
        return "it quotes a context that was handed over before"
    if holds_template_marks(text):
        return "it holds marks of a chat template"
    if gives_orders(text):
        return "it reads like an instruction to the model"
    return None
