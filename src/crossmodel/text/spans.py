"""Which parts of a text are spoken for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from crossmodel.domain.insight import Span


class Spans:
    """Spans ``(start, end)``, which may overlap, for looking up what meets any of them."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(spans)
        self._starts = [start for start, _ in ordered]
        # up to each start, how far the spans reach: a long one may go on past later ones
        self._reach = list(accumulate((end for _, end in ordered), max))

    def meet(self, start: int, end: int) -> bool:
        """Whether one of them shares a character with ``start:end``; O(log n)."""
        before = bisect_left(self._starts, end) - 1
        return before >= 0 and self._reach[before] > start


def united(spans: Iterable[Span]) -> list[Span]:
    """Spans that cover what any of these covers: in order, without overlap."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda each: each.start):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found
