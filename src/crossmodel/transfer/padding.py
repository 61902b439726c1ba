"""Irrelevant text of a given length: what a context costs when it says nothing of use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, islice
from typing import Final

from crossmodel.domain.insight import Insight, InsightKind, ValidationStatus

PROSE: Final = (
    "Bread rises slowly in a cool kitchen and is the better for it. The tide leaves ripples in the "
    "sand that look alike and never are. An old clock needs winding once a week, preferably by the "
    "same hand. Swallows come back to the barn when the nights grow mild, and leave it before the "
    "first frost. A wooden boat dries out on land; its planks shrink, and only water closes the "
    "gaps again. Tea tastes of the cup when the cup is new. Most gardens look their worst in the "
    "week before everything flowers. The lighthouse was painted white so that sailors could tell "
    "it from the cliff, and the cliff turned out to be white as well. Wool keeps warm even when it "
    "is wet, which cannot be said of cotton. In the hills the radio only works beside the window."
)
"""Our own words about nothing in particular: no rule, no code, no question, no number."""

CLOSE: Final = 8
"""Tokens that padding may lack where a tokenizer makes it hard to hit a length."""

PIECE: Final = 500
"""Words of one piece: more would be too long for an insight."""


def padding(target_tokens: int, measure: Callable[[list[Insight]], int]) -> list[Insight]:
    """Insights of irrelevant prose for which ``measure`` comes nearest to ``target_tokens``.

    ``measure`` says how many tokens the whole context would have, marks included. Words are added
    while they fit; a tokenizer whose words are single tokens gets within one token.
    """
    low, high = 0, target_tokens * 2 + 1
    while low < high:
        middle = (low + high + 1) // 2
        if measure(_prose(middle)) <= target_tokens:
            low = middle
        else:
            high = middle - 1
    nearest = min((low, low + 1), key=lambda n: abs(measure(_prose(n)) - target_tokens))
    return _prose(nearest)


def padded(
    tokens: int, write: Callable[[Sequence[Insight]], str], count_tokens: Callable[[str], int]
) -> tuple[str, int]:
    """A context of irrelevant prose that has ``tokens`` tokens, or a few less; and how many."""
    context = ""
    for wanted in range(tokens, max(tokens - CLOSE, -1), -1):
        prose = padding(wanted, lambda some: count_tokens(write(some)))
        context = write(prose) if prose else ""
        if (has := count_tokens(context)) <= tokens:
            return context, has
    return "", 0


def _prose(words: int) -> list[Insight]:
    """That many words, in pieces of a paragraph each."""
    text = list(islice(cycle(PROSE.split()), words))
    pieces = [text[start : start + PIECE] for start in range(0, words, PIECE)]
    return [
        Insight(
            content=" ".join(piece),
            insight_type="padding",
            kind=InsightKind.CLAIM,
            source_model="padding",
            confidence_score=1.0,
            validation_status=ValidationStatus.VALID,
            id=f"padding_{number}",
        )
        for number, piece in enumerate(pieces)
    ]
