"""The two figures that go with every accuracy: an interval, and whether a difference is chance."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from crossmodel.errors import InvalidInputError

Z_95: Final = 1.959963984540054
"""Standard normal quantile at 0.975."""


class Interval(NamedTuple):
    """A 95 % confidence interval, both ends within 0..1."""

    low: float
    high: float


def wilson_interval(successes: int, n: int) -> Interval:
    """95 % interval of a proportion (Wilson, J. Amer. Statist. Assoc. 22, 1927).

    It stays within 0..1 and is right for small ``n`` and for proportions near 0 and 1, where the
    usual normal interval is not. With ``n`` of 0 nothing is known: 0..1.

    Raises:
        InvalidInputError: unless ``0 <= successes <= n``.
    """
    if not 0 <= successes <= n:
        raise InvalidInputError(f"successes must lie within 0..{n}, not {successes}")
    if n == 0:
        return Interval(0.0, 1.0)
    share, z2 = successes / n, Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high)


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
