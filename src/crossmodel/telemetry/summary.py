"""Many figures in few: count, sum, extremes, and quantiles within a known error."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

ERROR: Final = 0.05
"""Quantiles are within this share of the true value."""

_GAMMA: Final = math.log((1 + ERROR) / (1 - ERROR))

LEAST: Final = 1e-6
MOST: Final = 1e15
"""Magnitudes outside of these are told apart from each other no more. They bound the memory: a
summary has at most some 970 bins, and in practice a few dozen."""


class Summary:
    """A bounded account of any number of figures.

    Quantiles are those of DDSketch (Masson, Rim and Lee, VLDB 2019): figures are counted in bins
    whose bounds grow by a constant factor. Two summaries can be added without losing anything.

    Attributes:
        count: how many figures there were.
        total: their sum.
        least: the smallest; infinite before the first.
        most: the largest; minus infinite before the first.
    """

    __slots__ = ("_bins", "count", "least", "most", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.least = math.inf
        self.most = -math.inf
        self._bins: Counter[tuple[int, int]] = Counter()

    def add(self, figure: float) -> None:
        """Count a finite figure of a magnitude of at most :data:`MOST`."""
        self.count += 1
        self.total += figure
        self.least = min(self.least, figure)
        self.most = max(self.most, figure)
        self._bins[_bin(figure)] += 1

    def merge(self, other: Summary) -> None:
        """Count everything that the other has counted."""
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        self._bins.update(other._bins)

    @property
    def mean(self) -> float | None:
        """The mean; ``None`` if there was no figure."""
        return self.total / self.count if self.count else None

    def quantile(self, share: float) -> float | None:
        """What ``share`` (0..1) of the figures do not exceed; ``None`` if there was no figure."""
        if not self.count:
            return None
        wanted = max(1, math.ceil(share * self.count))
        seen = 0
        for sign, power in sorted(self._bins, key=lambda each: each[0] * (each[1] + _OFFSET)):
            seen += self._bins[sign, power]
            if seen >= wanted:
                middle = sign * math.exp(power * _GAMMA) * (1 - ERROR)
                return min(max(middle, self.least), self.most)
        return self.most


_OFFSET: Final = 1 - math.ceil(math.log(LEAST) / _GAMMA)
"""Makes powers positive, so that with the sign before them they sort as the figures do."""


def _bin(figure: float) -> tuple[int, int]:
    """Sign and power of the bin that a figure falls into."""
    magnitude = abs(figure)
    if magnitude < LEAST:
        return 0, 0
    return (1 if figure > 0 else -1), math.ceil(math.log(min(magnitude, MOST)) / _GAMMA)
