"""The two figures that go with every accuracy: an interval, and whether a difference is chance."""

from __future__ import annotations

import math

from crossmodel.calibration import Interval, wilson_interval
from crossmodel.errors import InvalidInputError

__all__ = ["Interval", "mcnemar_exact", "wilson_interval"]


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value of a paired difference (McNemar, Psychometrika 12(2), 1947).

    ``only_first`` and ``only_second`` count the items that exactly one of the two got right. If
    neither were better, each would fall to either side like a fair coin.

    Raises:
        InvalidInputError: if a count is negative.
    """
    if only_first < 0 or only_second < 0:
        raise InvalidInputError(f"counts must not be negative: {only_first}, {only_second}")
    n = only_first + only_second
    fewer = min(only_first, only_second)
    tail = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, tail / 2 ** (n - 1)) if n else 1.0
