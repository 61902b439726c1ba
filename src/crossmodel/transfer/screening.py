"""What must not be handed over: insights are quotations of untrusted text.

This is the first line only; the quotation marks of :mod:`crossmodel.text.injected` are the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import starmap
from typing import Final

from crossmodel.domain.insight import Insight, Standing, ValidationStatus
from crossmodel.text.injected import injected_spans
from crossmodel.text.instructions import gives_orders, holds_template_marks
from crossmodel.text.privacy import secret_in
from crossmodel.transfer.wording import one_line, statement

MAX_CHARACTERS: Final = 8_192
"""Longer than any insight that still is one thing to know, in characters."""

_REFUSED_STATUS: Final = (ValidationStatus.INVALID, ValidationStatus.VALIDATION_ERROR)


def reason_to_refuse(insight: Insight, minimum_trust: float = 0.0) -> str | None:
    """Why the insight must not be handed over; ``None`` if nothing speaks against it.

    ``minimum_trust`` is the least trust in its source that will do, 0..1. Personal data is the
    validator's business, which people may let it pass; secrets pass nowhere.
    """
    if insight.standing == Standing.QUARANTINED:
        return f"it is quarantined: {insight.standing_reason or 'no reason was given'}"
    if insight.validation_status in _REFUSED_STATUS:
        return f"its validation status is {str(insight.validation_status)!r}"
    figures = (("confidence", insight.confidence_score), ("trust", insight.trust))
    if wrong := next(filter(None, starmap(_no_share, figures)), None):
        return wrong
    if insight.trust < minimum_trust:
        return f"its source is trusted {insight.trust:.2f}, less than {minimum_trust:.2f}"
    if not isinstance(insight.content, str) or not insight.content.strip():
        return "it is empty"
    return next(filter(None, map(_speaks_against, _texts(insight))), None)


def _no_share(name: str, value: object) -> str | None:
    """What is wrong with a figure that must lie within 0..1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"its {name} is not a number"
    if math.isnan(value):
        return f"its {name} is NaN"
    return None if 0.0 <= value <= 1.0 else f"its {name} {value} does not lie within 0..1"


def _texts(insight: Insight) -> Iterator[str]:
    """Everything of it that a protocol may write down."""
    yield insight.content
    yield insight.scope
    yield statement(insight)  # with its heading before it
    for part in ("input", "output"):
        text = insight.metadata.get(part)
        if isinstance(text, str):
            yield text


def _speaks_against(text: str) -> str | None:
    if len(text) > MAX_CHARACTERS:
        return f"it is longer than {MAX_CHARACTERS} characters"
    if injected_spans(text):
        return "it quotes a context that was handed over before"
    forms = {text, one_line(text)}  # protocols join lines: an order may have been split over two
    if any(map(holds_template_marks, forms)):
        return "it holds marks of a chat template"
    if any(map(gives_orders, forms)):
        return "it reads like an instruction to the model"
    secret = secret_in(text)
    return f"it holds what looks like {secret}" if secret else None
